"""``bakery export NAME FILE``."""

from __future__ import annotations

from pathlib import Path

import click

from bakery.cli.command import Example, Verb
from bakery.cli.documents import ExportDocument
from bakery.cli.names import image_named, images
from bakery.cli.output import answer
from bakery.cli.session import Session
from bakery.cli.text import size
from bakery.errors import InputError

# What the export step of a target may be asked for.
FORMATS = ("oci-archive", "docker-archive")
_ARCHIVE = "-archive"


@click.command(
    cls=Verb,
    name="export",
    exits=(5,),
    examples=(
        Example("bakery export web web.tar", "an OCI archive"),
        Example("bakery export web web.tar --format docker", "for 'docker load'"),
    ),
)
@click.argument("name", shell_complete=images)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--format",
    "archive",
    type=click.Choice([name.removesuffix(_ARCHIVE) for name in FORMATS]),
    default=FORMATS[0].removesuffix(_ARCHIVE),
    show_default=True,
    help="The kind of archive.",
)
@click.option("--target", metavar="KIND", help="Of this target, where there are several.")
@click.pass_obj
def command(session: Session, *, name: str, file: Path, archive: str, target: str | None) -> None:
    """Write an image to an archive file; a file of that name is replaced."""
    from bakery.cli import wiring
    from bakery.cli.capabilities import require
    from bakery.flows.delivery import export_image
    from bakery.load.on_disk import is_directory

    if not is_directory(file.absolute().parent):
        raise InputError(f"there is no directory {file.absolute().parent}", hint="make it first")
    with wiring.open_kitchen(session) as kitchen, kitchen.reading_the_store():
        image = image_named(kitchen, name, target, session=session)
        require(image.target, "export", "exported")
        exported = export_image(kitchen, image, file, archive=archive + _ARCHIVE)
    document: ExportDocument = {
        "path": str(exported.get("path", file)),
        "format": archive + _ARCHIVE,
        "bytes": int(exported["bytes"]) if "bytes" in exported else None,
        "digest": str(exported["digest"]) if "digest" in exported else None,
    }
    written = "" if document["bytes"] is None else f", {size(document['bytes'])}"
    answer(session, document, lambda _: f"Wrote {document['path']}{written}.")
