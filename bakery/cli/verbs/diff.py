"""``bakery diff A B``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from bakery.cli.command import Example, Verb
from bakery.cli.documents import DiffDocument
from bakery.cli.names import image_named, images, is_latest
from bakery.cli.output import answer
from bakery.cli.session import Session
from bakery.errors import BakeryError

if TYPE_CHECKING:
    from bakery.flows.kitchen import Kitchen
    from bakery.model.records import ImageRecord


@click.command(
    cls=Verb,
    name="diff",
    exits=(5,),
    examples=(
        Example("bakery diff web api", "two role sets"),
        Example("bakery diff web:3f2a9c0d1b7e web", "what changed since an older image"),
        Example("bakery diff web@container web@ec2", "the same role set on two targets"),
    ),
)
@click.argument("left", shell_complete=images, metavar="A")
@click.argument("right", shell_complete=images, metavar="B")
@click.option("--target", metavar="KIND", help="Of this target, where there are several.")
@click.pass_obj
def command(session: Session, *, left: str, right: str, target: str | None) -> None:
    """Show how image B differs from image A: packages and files, by role.

    Of images of two targets all packages are compared, and of files those that roles wrote.
    """
    from bakery.cli import wiring
    from bakery.cli.capabilities import require
    from bakery.cli.tables.diff import diff_text
    from bakery.cli.tables.images import image_body

    with wiring.open_kitchen(session) as kitchen, kitchen.reading_the_store():
        ours, theirs = (image_named(kitchen, name, target, session=session) for name in (left, right))
        for image in (ours, theirs):
            require(image.target, "inspect", "compared")
        same = ours.artifact["digest"] == theirs.artifact["digest"]
        report = {} if same else dict(_compare(session, kitchen, ours=ours, theirs=theirs))
        document: DiffDocument = {
            "left": image_body(ours, latest=is_latest(kitchen, ours)),
            "right": image_body(theirs, latest=is_latest(kitchen, theirs)),
            "same": same,
            "report": report,
        }
    answer(session, document, lambda paint: diff_text(document, paint))


def _compare(
    session: Session, kitchen: Kitchen, *, ours: ImageRecord, theirs: ImageRecord
) -> Mapping[str, Any]:
    """The report, without what the role sets know if they are of the project at hand."""
    from bakery.cli import wiring
    from bakery.cli.projects import project_if_any
    from bakery.flows.inspect import compare_images

    try:
        project = project_if_any(session)
    except BakeryError:  # its mistakes are not what was asked for
        project = None
    images = ((image.role_set, image.target) for image in (ours, theirs))
    return compare_images(wiring.hiding(project, kitchen, *images), ours, theirs)
