"""``bakery plan`` on a target that can tell what a bake would take: what it would use, call and cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bakery.errors import BakeryError, InterruptedBake
from bakery.flows.bases import base_record
from bakery.flows.handed_up import handed_up
from bakery.flows.kitchen import BaseGone, Kitchen
from bakery.model.plan import Plan, SetPlan
from bakery.model.records import BaseRecord


@dataclass(frozen=True)
class Estimate:
    """The target's answer: ``details`` for programs, ``sections`` for people.

    ``found`` is the artifact that a bake would find there instead of making one, ``unfinished`` what it would
    still do to hand that out, as ends of sentences. With ``trouble`` the target could not be asked, and the
    rest is empty.
    """

    details: Mapping[str, Any]
    sections: tuple[Mapping[str, Any], ...] = ()
    found: Mapping[str, Any] | None = None
    unfinished: tuple[str, ...] = ()
    trouble: BakeryError | None = None


def estimate(kitchen: Kitchen, plan: SetPlan, replan: Callable[[BaseRecord], Plan]) -> Estimate | None:
    """What a bake of ``plan`` would take; None if nothing is to be baked or the target does not tell.

    Where the base was never looked up, the target tells what it is now: ``replan`` plans with that, so that
    an image that is there already is found. The catalog is not told of it.
    """
    target = kitchen.targets.get(plan.target)
    if plan.image or not target or not target.kind.estimates:
        return None
    try:
        up = kitchen.run("estimate.yml", plan.target, _asked(kitchen, plan))
        if plan.base_record is None:
            plan = _same(plan, replan(base_record(plan.target, plan.base, _base_of(up, plan.target))))
            up = kitchen.run("estimate.yml", plan.target, _asked(kitchen, plan))
    except InterruptedBake:
        raise
    except BaseGone as error:
        return Estimate({}, trouble=error.of(plan.base, plan.target) if plan.base_record else error)
    except BakeryError as error:
        return Estimate({}, trouble=error)
    return Estimate(
        handed_up(up, "estimate", plan.target),
        tuple(up.get("sections") or ()),
        found=up.get("found") or None,
        unfinished=tuple(up.get("unfinished") or ()),
    )


def _base_of(up: Mapping[str, Any], target: str) -> Mapping[str, Any]:
    return handed_up(up, "base", target, entry_point="estimate")


def _same(one: SetPlan, plan: Plan) -> SetPlan:
    return next(
        other for other in plan.sets if (other.role_set.name, other.target) == (one.role_set.name, one.target)
    )


def _asked(kitchen: Kitchen, plan: SetPlan) -> dict[str, Any]:
    base, known = plan.base, plan.base_record
    recipe = {"bakery_fingerprint": plan.fingerprint, "bakery_checks_digest": plan.checks_digest}
    return {
        "bakery_role_set": plan.role_set.name,
        "bakery_base": {
            "name": base.name,
            "source": {base.kind: dict(base.options)},
            "resolved": known.resolved if known else "",
        },
        # Until the base is known, what it will be is no part of the fingerprint: it will be another one.
        **(recipe if known else {}),
        "bakery_last_seconds": _last_seconds(kitchen, plan),
    }


def _last_seconds(kitchen: Kitchen, plan: SetPlan) -> float | None:
    """How long the newest image of the role set took that was not found, but baked."""
    mine = (plan.role_set.name, plan.target)
    times = [one.seconds for one in kitchen.catalog.images() if (one.role_set, one.target) == mine]
    return next((seconds for seconds in reversed(times) if seconds), None)
