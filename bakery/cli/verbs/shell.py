"""``bakery shell NAME [-- COMMAND]``."""

from __future__ import annotations

import click

from bakery.cli.command import Example, Verb
from bakery.cli.documents import ShellDocument
from bakery.cli.names import images, inside_named
from bakery.cli.output import print_document
from bakery.cli.session import Session
from bakery.errors import InputError


@click.command(
    cls=Verb,
    name="shell",
    exits=(5,),
    examples=(
        Example("bakery shell web", "the last failed bake of web, or else its newest image"),
        Example("bakery shell web:latest", "the image, whatever happened later"),
        Example("bakery shell web -- systemctl status nginx", "one command"),
    ),
)
@click.argument("name", shell_complete=images)
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND...]")
@click.option("--target", metavar="KIND", help="Of this target, where there are several.")
@click.pass_obj
def command(session: Session, *, name: str, words: tuple[str, ...], target: str | None) -> int:
    """Open a shell in a fresh machine, discarded when the shell ends.

    After a failed bake the machine is as the failing role left it; otherwise it is booted from the image. The
    exit code is that of the shell or the command.
    """
    from bakery.cli import inside, wiring
    from bakery.cli.projects import project_if_any

    if session.json and not words:
        raise InputError("--json needs a command to run", hint=f"bakery shell {name} --json -- COMMAND")
    # A target that is elsewhere is reached as the project says, if there is one.
    project = project_if_any(session)
    with wiring.open_kitchen(session, project=project) as kitchen:
        where = inside_named(kitchen, name, target, session=session)
        quiet = wiring.hiding(project, kitchen, (where.role_set, where.target))
        if not session.json:
            return inside.enter(quiet, where, words)
        code, stdout, stderr = inside.capture(quiet, where, words)
    document: ShellDocument = {
        "name": name,
        "target": where.target,
        "exit_code": code,
        "stdout": stdout,
        "stderr": stderr,
    }
    print_document(document)
    return code
