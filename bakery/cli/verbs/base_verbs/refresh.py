"""``bakery base refresh [NAME]...``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bakery.cli.command import Example, Verb
from bakery.cli.documents import BaseDocument
from bakery.cli.names import bases
from bakery.cli.output import answer
from bakery.cli.session import Session
from bakery.cli.suggest import closest
from bakery.cli.text import listed
from bakery.errors import InputError

if TYPE_CHECKING:
    from bakery.model.project import BaseSpec, Project


@click.command(
    cls=Verb,
    name="refresh",
    exits=(5,),
    examples=(
        Example("bakery base refresh debian-12", "one base"),
        Example("bakery base refresh debian-12 --target ec2", "its AMI alone"),
        Example("bakery base refresh", "all of them"),
    ),
)
@click.argument("names", nargs=-1, shell_complete=bases, metavar="[NAME]...")
@click.option("--target", "targets", multiple=True, metavar="KIND", help="Only this target; may be repeated.")
@click.pass_obj
def command(session: Session, *, names: tuple[str, ...], targets: tuple[str, ...]) -> None:
    """Make bases again, with the packages of today; a tag of a registry or a name is resolved anew.

    A base that comes out as before changes nothing; on one that changed, the next bake starts from it.
    """
    from bakery.cli import wiring
    from bakery.cli.tables.upkeep import base_body, refreshed_text
    from bakery.cli.watching import watching
    from bakery.flows.bases import ensure_base

    project = wiring.open_project(session)
    _check(project, names)
    wanted = wanted_bases(project, names, targets)
    with watching(session, ()) as display, wiring.open_kitchen(session, display.watch, project) as kitchen:
        known = kitchen.catalog.bases().values()
        before = {(record.target, record.name): record.digest for record in known}
        with kitchen.using_the_store():
            records = [ensure_base(kitchen, target, base, refresh=True) for target, base in wanted]
    document: BaseDocument = {
        "bases": [base_body(one.target, one.name, record=one, wanted=True) for one in records]
    }
    answer(session, document, lambda paint: refreshed_text(before, document, paint))


def _check(project: Project, names: tuple[str, ...]) -> None:
    for name in names:
        if name not in project.bases:
            close = closest(name, project.bases)
            hint = f"did you mean '{close}'?" if close else f"it has {', '.join(project.bases)}"
            raise InputError(f"there is no base '{name}' in {project.file.name}", hint=hint)


def wanted_bases(
    project: Project, names: tuple[str, ...], targets: tuple[str, ...]
) -> tuple[tuple[str, BaseSpec], ...]:
    """The bases that are meant, each with its target; InputError if none is."""
    from bakery.cli.projects import bases_by_target

    named = [one for one in bases_by_target(project) if not names or one[1].name in names]
    wanted = tuple(one for one in named if not targets or one[0] in targets)
    if targets and not wanted:
        used = ", ".join(dict.fromkeys(target for target, _ in named)) or "no target"
        raise InputError(
            f"no role set uses {listed(names) or 'a base'} on {listed(targets)}", hint=f"it is used on {used}"
        )
    return wanted
