"""``bakery plan``."""

from __future__ import annotations

import click

from bakery.cli.command import Example, Verb
from bakery.cli.names import check_role_sets, role_sets
from bakery.cli.output import answer
from bakery.cli.session import Session


@click.command(
    cls=Verb,
    name="plan",
    examples=(
        Example("bakery plan", "all role sets"),
        Example("bakery plan web --why", "what changed since the last bake"),
        Example("bakery plan --json | jq '.sets[].status'", "for scripts"),
    ),
)
@click.argument("names", nargs=-1, shell_complete=role_sets, metavar="[NAME]...")
@click.option("--why", is_flag=True, help="Say for each role why it is cached or will be baked.")
@click.option("--target", "targets", multiple=True, metavar="KIND", help="Only this target; may be repeated.")
@click.pass_obj
def command(session: Session, *, names: tuple[str, ...], why: bool, targets: tuple[str, ...]) -> None:
    """Show what a bake would do: which roles are cached, which will be baked.

    A role above one that will be baked is 'unknown': if the baked layer comes out as before, it is still
    cached. Nothing is started and nothing is changed.
    """
    from bakery.cli import wiring
    from bakery.cli.tables.plan import plan_document, plan_text

    project = wiring.open_project(session)
    check_role_sets(project, names)
    with wiring.open_kitchen(session, project=project) as kitchen:
        document = plan_document(wiring.planner(project, kitchen, names=names, targets=targets)())
    answer(session, document, lambda paint: plan_text(document, paint, why=why))
