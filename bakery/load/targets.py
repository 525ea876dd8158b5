"""What a project says about its targets, and whether its bases suit them."""

from __future__ import annotations

from collections.abc import Mapping

from bakery.load.forms import plain_value
from bakery.load.mistakes import Mistakes, listing, quote
from bakery.load.scalar_shapes import Read
from bakery.model.project import RoleSet
from bakery.model.target import Target, TargetKind


def read_options(given: Mapping[str, Read], targets: tuple[TargetKind, ...]) -> dict[str, Target]:
    """Every target that exists, configured as the section ``targets`` says."""
    return {
        one.name: Target(one, plain_value(given[one.name]) or {} if one.name in given else {})
        for one in targets
    }


def check_bases(
    role_sets: Mapping[str, RoleSet],
    bases: Mapping[str, Read],
    *,
    targets: Mapping[str, Target],
    mistakes: Mistakes,
) -> None:
    """A mistake for each base (as it was read) without a recipe that a target of its role sets can use."""
    uses = {
        (one.base, target): one
        for one in reversed(tuple(role_sets.values()))
        for target in one.targets
        if one.base in bases and target in targets
    }
    for (name, target), role_set in uses.items():
        kinds, recipes = targets[target].kind.bases, bases[name].value
        if recipes and not set(kinds).intersection(recipes):
            mistakes.add(
                bases[name].line,
                f"base {quote(name)} has no recipe for the target {quote(target)} of role set "
                f"{quote(role_set.name)}",
                f"add {listing(kinds)} to it",
            )
