"""``bakery images``."""

from __future__ import annotations

import click

from bakery.cli.command import Verb
from bakery.cli.names import images
from bakery.cli.output import answer
from bakery.cli.session import Session


@click.command(cls=Verb, name="images")
@click.argument("names", nargs=-1, shell_complete=images, metavar="[NAME]...")
@click.option("--target", metavar="KIND", help="Only images of this target.")
@click.pass_obj
def command(session: Session, *, names: tuple[str, ...], target: str | None) -> None:
    """List the verified images, newest first."""
    from bakery.cli import wiring
    from bakery.cli.tables.images import images_document, images_text

    with wiring.open_kitchen(session) as kitchen:
        images = [
            one
            for one in kitchen.catalog.images()
            if (not names or one.role_set in names) and target in {None, one.target}
        ]
    document = images_document(images)
    answer(session, document, lambda paint: images_text(document, paint))
