"""``bakery base list``."""

from __future__ import annotations

import click

from bakery.cli.command import Verb
from bakery.cli.documents import BaseDocument
from bakery.cli.output import answer
from bakery.cli.session import Session


@click.command(cls=Verb, name="list")
@click.pass_obj
def command(session: Session) -> None:
    """List the bases of the project and of the store."""
    from bakery.cli import wiring
    from bakery.cli.projects import bases_by_target, project_if_any
    from bakery.cli.tables.upkeep import base_body, base_text
    from bakery.planning import base_spec

    project = project_if_any(session)
    with wiring.open_kitchen(session, project=project) as kitchen:
        records = dict(kitchen.catalog.bases())
    bodies = []
    for target, base in bases_by_target(project) if project else ():
        record = records.pop((target, base_spec(base)), None)
        bodies.append(base_body(target, base.name, record=record, wanted=True))
    bodies += [
        base_body(one.target, one.name, record=one, wanted=project is None) for one in records.values()
    ]
    document: BaseDocument = {"bases": bodies}
    answer(session, document, lambda paint: base_text(document, paint))
