"""``bakery show NAME``."""

from __future__ import annotations

import click

from bakery.cli.command import Example, Verb
from bakery.cli.names import image_named, images, is_latest
from bakery.cli.output import answer
from bakery.cli.session import Session


@click.command(
    cls=Verb,
    name="show",
    examples=(
        Example("bakery show web", "the newest image of web"),
        Example("bakery show web --packages", "with every package, by role"),
        Example("bakery show web --sealed", "with what is not in it although a role left it"),
        Example("bakery show web --json | jq .layers", "for scripts"),
    ),
)
@click.argument("name", shell_complete=images)
@click.option(
    "--packages",
    is_flag=True,
    help="List the packages that each role brought, or all of an image without layers.",
)
@click.option(
    "--sealed",
    is_flag=True,
    help="List what sealing took away of each layer, and why; 'keep' in bakery.yml leaves it.",
)
@click.option("--target", metavar="KIND", help="Of this target, where there are several.")
@click.pass_obj
def command(session: Session, *, name: str, packages: bool, sealed: bool, target: str | None) -> None:
    """Show an image: its layers with role, size and time, its checks, ancestry and config.

    NAME is a role set (its newest image), NAME:TAG, or the beginning of a digest or fingerprint.
    """
    from bakery.cli import wiring
    from bakery.cli.tables.images import Lists, show_document, show_text
    from bakery.flows.images import SHORT
    from bakery.flows.inspect import view_image

    with wiring.open_kitchen(session) as kitchen:
        image = image_named(kitchen, name, target, session=session)
        latest = is_latest(kitchen, image)
        document = show_document(view_image(kitchen, image), latest=latest)
    run = image.artifact.get("run")
    if run and not latest:  # that name means another image by now
        run = str(run).replace(f"{image.role_set}:latest", f"{image.role_set}:{image.fingerprint[:SHORT]}")
    answer(
        session, document, lambda paint: show_text(document, paint, lists=Lists(packages, sealed), run=run)
    )
