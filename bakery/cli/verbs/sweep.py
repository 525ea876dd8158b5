"""``bakery sweep``."""

from __future__ import annotations

import click

from bakery.cli.boundary import complain
from bakery.cli.command import Example, Verb
from bakery.cli.output import answer, remark
from bakery.cli.session import Session
from bakery.errors import BakeryError, ExitCode


@click.command(
    cls=Verb,
    name="sweep",
    exits=(5,),
    examples=(
        Example("bakery sweep --dry-run", "what killed bakes left"),
        Example("bakery sweep --kept", "also what 'bakery bake --keep' left running"),
    ),
)
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@click.option("--kept", is_flag=True, help="Also remove machines that 'bakery bake --keep' left running.")
@click.pass_obj
def command(session: Session, *, dry_run: bool, kept: bool) -> int:
    """Remove machines, mounts, containers and directories of bakes that were killed.

    What belongs to a bake that is still running is never touched. A machine that 'bakery bake --keep' left
    is removed a day later, or at once with --kept.
    """
    from bakery.adapters.ansible.private_dir import sweep_private_dirs
    from bakery.adapters.owner import alive
    from bakery.adapters.reports import sweep_reports
    from bakery.cli import wiring
    from bakery.cli.projects import project_if_any, targets_with
    from bakery.cli.tables.upkeep import sweep_document, sweep_text
    from bakery.flows.upkeep import SweepRequest, sweep

    try:
        project = project_if_any(session)
    except BakeryError as error:  # what was left must go all the same
        remark(session, f"bakery: sweeping as outside of any project: {error}")
        project = None
    with wiring.open_kitchen(session, project=project) as kitchen:
        targets = targets_with("sweep", project, kitchen.catalog)
        swept = sweep(kitchen, SweepRequest(targets, alive, dry_run, kept))
        runs = (*sweep_private_dirs(dry_run), *sweep_reports(kitchen.home, dry_run))
    document = sweep_document(swept, runs, dry_run=dry_run)
    answer(session, document, lambda paint: sweep_text(document, paint))
    failures = [one.error for one in swept if one.error]
    if not session.json:
        for failure in failures:
            complain(failure)
    return int(failures[0].exit_code if failures else ExitCode.OK)
