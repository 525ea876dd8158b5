"""``bakery load NAME``."""

from __future__ import annotations

import click

from bakery.cli.command import Example, Verb
from bakery.cli.documents import LoadDocument
from bakery.cli.names import image_named, images
from bakery.cli.output import answer
from bakery.cli.session import Session


@click.command(
    cls=Verb,
    name="load",
    exits=(5,),
    examples=(Example("bakery load web", "then run it with the command shown"),),
)
@click.argument("name", shell_complete=images)
@click.option("--target", metavar="KIND", help="Of this target, where there are several.")
@click.pass_obj
def command(session: Session, *, name: str, target: str | None) -> None:
    """Put an image into the container engine's own store."""
    from bakery.cli import wiring
    from bakery.cli.capabilities import require
    from bakery.flows.delivery import load_image

    with wiring.open_kitchen(session) as kitchen, kitchen.using_the_store():
        image = image_named(kitchen, name, target, session=session)
        require(image.target, "load", "loaded into an engine")
        loaded = load_image(kitchen, image)
    run = loaded.get("run") or image.artifact.get("run")
    names = [str(one) for one in loaded.get("names") or image.names]
    document: LoadDocument = {"names": names, "run": str(run) if run else None}
    lines = [f"Loaded {', '.join(names)}."] + ([f"Run it: {run}"] if run else [])
    answer(session, document, lambda _: "\n".join(lines))
