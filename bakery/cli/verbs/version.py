"""``bakery version``."""

from __future__ import annotations

import platform

import click

from bakery import __version__
from bakery.cli.command import Verb
from bakery.cli.documents import VersionDocument
from bakery.cli.output import answer
from bakery.cli.session import Session

COMPONENTS = ("ansible-core", "ansible-runner", "pytest", "pytest-testinfra", "isal", "zstandard")


def version_document() -> VersionDocument:
    """The versions of bakery and of what it uses; None for what is not installed."""
    from importlib.metadata import PackageNotFoundError, version

    components: dict[str, str | None] = {}
    for name in COMPONENTS:
        try:
            components[name] = version(name)
        except PackageNotFoundError:
            components[name] = None
    return {"bakery": __version__, "python": platform.python_version(), "components": components}


@click.command(cls=Verb, name="version")
@click.pass_obj
def command(session: Session) -> None:
    """Show the versions of bakery and of what it uses."""
    document = version_document()
    lines = [("bakery", __version__), ("python", document["python"])]
    lines += [(name, found or "not installed") for name, found in document["components"].items()]
    answer(session, document, lambda _: "\n".join(f"{name:18}{found}" for name, found in lines))
