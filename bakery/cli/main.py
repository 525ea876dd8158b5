"""The entry point of ``bakery``: the table of verbs and the one error boundary around them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from bakery import __version__
from bakery.cli.boundary import guarded, show_traceback
from bakery.cli.command import CONTEXT_SETTINGS, WORDS, Example, VerbGroup, wants_json

VERBS = {
    "Start": {
        "init": "Write a first bakery.yml and a role.",
        "doctor": "Say what this host lacks, and install it with --fix.",
        "schema": "Print the JSON Schema of bakery.yml.",
    },
    "Bake": {
        "plan": "Show what a bake would do, and why.",
        "bake": "Bake role sets into verified images.",
        "verify": "Boot an image and run its checks again.",
    },
    "Look": {
        "images": "List the verified images.",
        "show": "Show an image: layers, packages, checks, config.",
        "diff": "Show how two images differ, by role.",
        "shell": "Open a shell in an image or a failed bake.",
    },
    "Hand over": {
        "load": "Put an image into the container engine's store.",
        "export": "Write an image to an archive file.",
    },
    "Keep house": {
        "base": "List and refresh base images.",
        "sweep": "Remove what interrupted bakes left behind.",
        "prune": "Remove layers and images that nothing needs.",
    },
    "About": {
        "version": "Show the versions of bakery and of what it uses.",
        "completion": "Print the completion script of a shell.",
    },
}


def _show_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's
    del param
    if not value or ctx.resilient_parsing:
        return
    if wants_json(ctx.meta.get(WORDS, ())):
        from bakery.cli.output import print_document
        from bakery.cli.verbs.version import version_document

        print_document(version_document())
    else:
        click.echo(f"bakery {__version__}")
    ctx.exit()


@click.group(
    cls=VerbGroup,
    name="bakery",
    package="bakery.cli.verbs",
    verbs=VERBS,
    context_settings=CONTEXT_SETTINGS,
    exits=(3, 4, 5, 6),
    examples=(
        Example("bakery init", "start a project in this directory"),
        Example("bakery plan --why", "what would be baked, and why"),
        Example("bakery bake web", "bake one role set"),
        Example("bakery bake --all --jobs 4", "bake everything, four at a time"),
        Example("bakery bake --help", "the options of a verb"),
    ),
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and exit.",
)
def bakery() -> None:
    """Bake Ansible role sets into verified machine images.

    A project file, bakery.yml, names role sets: a base, an ordered list of roles, their variables, and the
    checks the result must pass. Nothing that did not change is baked again.
    """


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run ``argv`` (default: the process's own) and exit with the code that says what happened."""
    arguments = tuple(sys.argv[1:] if argv is None else argv)
    sys.excepthook = show_traceback
    sys.exit(guarded(bakery, arguments))
