"""``bakery init``."""

from __future__ import annotations

from pathlib import Path

import click

from bakery.cli.command import Example, Verb
from bakery.cli.documents import InitDocument
from bakery.cli.output import answer
from bakery.cli.session import Session


@click.command(
    cls=Verb,
    name="init",
    examples=(
        Example("bakery init", "in this directory"),
        Example("bakery init shop --name web", "in the directory shop, with a role set web"),
    ),
)
@click.argument(
    "directory", type=click.Path(path_type=Path, file_okay=False), default=".", metavar="[DIRECTORY]"
)
@click.option("--name", metavar="NAME", help="What the role set is called. [default: as the directory]")
@click.pass_obj
def command(session: Session, *, directory: Path, name: str | None) -> None:
    """Write a first bakery.yml, and a first role unless the directory has roles already.

    Nothing that is there is overwritten. The project file points editors to its JSON Schema, so that they
    complete and check it.
    """
    from bakery.adapters.ansible.targets import target_kinds
    from bakery.cli.starting import files_of, plan_start, write_start
    from bakery.load.schema import json_schema

    start = plan_start(directory, name)
    written = write_start(start, files_of(start, json_schema(target_kinds())))
    document: InitDocument = {"project": str(directory.absolute()), "created": list(written)}
    cd = "" if directory.absolute() == Path.cwd() else f"cd {directory} && "
    lines = [*(f"wrote {path}" for path in written), "", f"Next: {cd}bakery bake {start.name}"]
    answer(session, document, lambda _: "\n".join(lines))
