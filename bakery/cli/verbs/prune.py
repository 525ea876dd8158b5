"""``bakery prune``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from bakery.cli.command import Example, Verb
from bakery.cli.output import answer
from bakery.cli.session import Session

if TYPE_CHECKING:
    from bakery.model.project import Project

_DECIMAL = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_UNITS = _DECIMAL | {"ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}


def as_bytes(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """A size with an optional unit as bytes: ``20G`` is 20 · 10^9, ``20GiB`` 20 · 2^30."""
    if value is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]i?)?b?", value.strip().lower())
    if not match:
        raise click.BadParameter(
            f"'{value}' is no size; write for example 20G or 500MiB", ctx=ctx, param=param
        )
    return int(float(match[1]) * _UNITS[match[2] or ""])


@click.command(
    cls=Verb,
    name="prune",
    exits=(5,),
    examples=(
        Example("bakery prune --dry-run", "what would go"),
        Example("bakery prune --keep-last 1", "keep only the newest image of each role set"),
        Example("bakery prune --max-size 20G", "and no more layers than fit into 20 GB"),
    ),
)
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@click.option(
    "--keep-last",
    type=click.IntRange(min=0),
    default=3,
    show_default=True,
    metavar="N",
    help="How many images of each role set stay.",
)
@click.option("--max-size", callback=as_bytes, metavar="SIZE", help="How large all layers together may be.")
@click.pass_obj
def command(session: Session, *, dry_run: bool, keep_last: int, max_size: int | None) -> None:
    """Remove old images, and the layers and bases that nothing refers to any more."""
    from bakery.cli import wiring
    from bakery.cli.projects import project_if_any, targets_with
    from bakery.cli.tables.upkeep import prune_document, prune_text
    from bakery.flows.upkeep import Keep, alone_in_the_store, plan_prune, prune

    project = project_if_any(session)
    wanted = _bases_in_use(project)
    with (
        wiring.open_kitchen(session, project=project) as kitchen,
        kitchen.reading_the_store() if dry_run else alone_in_the_store(kitchen),
    ):
        plans = [
            plan_prune(kitchen, target, wanted_bases=wanted, keep=Keep(last=keep_last, max_size=max_size))
            for target in targets_with("prune", project, kitchen.catalog)
        ]
        pruned = [(plan, prune(kitchen, plan, dry_run=dry_run)) for plan in plans]
    document = prune_document(pruned, dry_run=dry_run)
    answer(session, document, lambda paint: prune_text(document, pruned, paint))


def _bases_in_use(project: Project | None) -> frozenset[str]:
    """The bases of the project; outside a project only those of the images that stay are in use."""
    from bakery.cli.projects import bases_by_target
    from bakery.planning import base_spec

    if project is None:
        return frozenset()
    used = (base for _target, base in bases_by_target(project))
    return frozenset(base_spec(base) for base in (*used, *project.bases.values()))
