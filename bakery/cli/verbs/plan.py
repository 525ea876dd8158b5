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
    exits=(5,),
    examples=(
        Example("bakery plan", "all role sets"),
        Example("bakery plan web --why", "what changed since the last bake"),
        Example("bakery plan web --target ec2", "what an AMI would take"),
        Example("bakery plan --json | jq '.sets[].status'", "for scripts"),
    ),
)
@click.argument("names", nargs=-1, shell_complete=role_sets, metavar="[NAME]...")
@click.option("--why", is_flag=True, help="Say for each role why it is cached or will be baked.")
@click.option("--target", "targets", multiple=True, metavar="KIND", help="Only this target; may be repeated.")
@click.pass_obj
def command(session: Session, *, names: tuple[str, ...], why: bool, targets: tuple[str, ...]) -> int:
    """Show what a bake would do: which roles are cached, which will be baked.

    A role above one that will be baked is 'unknown': if the baked layer comes out as before, it is still
    cached. Tasks, lookups and plug-ins of a role that act on this host and not on the machine are named, as
    far as its text tells. A target that costs money is asked what the bake would use, call and be billed for.
    Nothing is started and nothing is changed.
    """
    from bakery.cli import wiring
    from bakery.cli.tables.plan import plan_document, plan_text
    from bakery.flows.estimate import estimate

    project = wiring.open_project(session)
    check_role_sets(project, names)
    with wiring.open_kitchen(session, project=project) as kitchen:
        planner = wiring.planner(project, kitchen, names=names, targets=targets)
        plan = planner()
        estimates = [estimate(kitchen, one, planner.with_base) for one in plan.sets]
        document = plan_document(plan, estimates)
    answer(session, document, lambda paint: plan_text(document, paint, why=why, estimates=estimates))
    troubles = [one.trouble for one in estimates if one and one.trouble]
    return int(troubles[0].exit_code) if troubles else 0
