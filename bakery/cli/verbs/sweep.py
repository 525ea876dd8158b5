"""``bakery sweep``."""

from __future__ import annotations

import click

from bakery.cli.command import Verb
from bakery.cli.output import answer
from bakery.cli.session import Session


@click.command(cls=Verb, name="sweep", exits=(5,))
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@click.pass_obj
def command(session: Session, *, dry_run: bool) -> None:
    """Remove machines, mounts, containers and directories of bakes that were killed.

    What belongs to a bake that is still running is never touched.
    """
    from bakery.adapters.ansible.places import known_targets
    from bakery.adapters.ansible.private_dir import sweep_private_dirs
    from bakery.adapters.owner import alive
    from bakery.cli import wiring
    from bakery.cli.tables.upkeep import sweep_document, sweep_text
    from bakery.flows.upkeep import sweep

    with wiring.open_kitchen(session) as kitchen:
        swept = sweep(kitchen, known_targets(), alive, dry_run=dry_run)
        runs = sweep_private_dirs(dry_run)
    document = sweep_document(swept, runs, dry_run=dry_run)
    answer(session, document, lambda paint: sweep_text(document, paint))
