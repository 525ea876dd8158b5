"""Targets that cannot freeze a machine after each role: one machine gets them all and is captured once."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from bakery.errors import BakeryError, InterruptedBake, MachineError, Place, ProvisionError
from bakery.flows.handed_up import handed_up
from bakery.flows.images import ImageJob, image_variables, record_image
from bakery.flows.kitchen import KEEPING, BaseGone, Kitchen, error_of, minded_machine
from bakery.flows.layers import provision_of
from bakery.flows.stages import watch_whole
from bakery.model.plan import SetPlan
from bakery.model.progress import Note
from bakery.model.records import ImageRecord
from bakery.model.run import RunFailure


class MachineLost(MachineError):
    """A machine ended by itself, for ``reason``, which is what ``error`` comes from.

    With ``options`` of the target another try is worth it, if there are any.
    """

    def __init__(self, lost: Mapping[str, Any], error: BakeryError) -> None:
        self.reason = str(lost["reason"])
        self.options: Mapping[str, Any] = lost.get("options") or {}
        super().__init__(
            f"{self.reason}; what failed with it: {error.message}", where=error.where, hint=lost.get("hint")
        )


class FailedOnKept(ProvisionError):
    """A role failed on a machine that its user wants to keep: ``machine`` says how to get into it."""

    def __init__(self, message: str, *, where: Place | None, machine: Mapping[str, Any]) -> None:
        self.machine = machine
        super().__init__(message, where=where)


def bake_whole(kitchen: Kitchen, job: ImageJob) -> Mapping[str, Any]:
    """Launch, provision, capture, boot, verify and (if the checks passed) name the image in one run.

    Returns what the run handed up. Where the target says that it took a machine away and how to go on, the
    bake begins once more.
    """
    try:
        return _bake_once(kitchen, job)
    except MachineLost as lost:
        if not lost.options:
            raise
        kitchen.watch(Note(job.plan.role_set.name, f"{lost.reason}: beginning once more"))
        return _bake_once(kitchen, job, bakery_options=dict(lost.options))


def _bake_once(kitchen: Kitchen, job: ImageJob, **options: Any) -> Mapping[str, Any]:
    name, target = job.plan.role_set.name, job.plan.target
    # A machine that is to outlive this process must not be taken for one that it left behind.
    owner: dict[str, Any] = {"bakery_owner": None} if job.keep else {}
    with (
        minded_machine(kitchen, target, purpose=KEEPING if job.keep else "verify", role_set=name) as verifier,
        minded_machine(kitchen, target, purpose=KEEPING if job.keep else "bake", role_set=name) as builder,
    ):
        told = {
            **image_variables(job),
            **owner,
            **options,
            "bakery_role_set": name,
            "bakery_base_config": dict(job.base.config),
            "bakery_builder_owner": asdict(kitchen.owner),
            "bakery_builder_machine_id": builder.id,
            "bakery_keep": sorted({path for node in job.plan.nodes for path in node.use.keep}),
            "bakery_image_machine_id": verifier.id,
        }
        provision = provision_of(job.project, job.base, *(node.use for node in job.plan.nodes))
        watch = watch_whole(kitchen, job.plan)
        result = kitchen.attempt("whole.yml", target, told, provision=provision, watch=watch)
        if result.failure:
            error = _error_of(kitchen, job, result.failure, machines=(builder.id, verifier.id))
            if isinstance(error, ProvisionError):
                kitchen.catalog.clear_attempt(name, target)
                if job.keep and "machine" in result.up:
                    builder.leave_running()
                    machine = result.up["machine"]
                    raise FailedOnKept(error.message, where=error.where, machine=machine) from error
            raise error
        up = result.up
        builder.gone()
        if job.keep:
            verifier.leave_running()
        else:
            verifier.gone()
    return up


def _error_of(
    kitchen: Kitchen, job: ImageJob, failure: RunFailure, *, machines: tuple[str, ...]
) -> BakeryError:
    """The error to raise: what the failure means, or what it comes from where a machine was taken away."""
    error, target = error_of(failure), job.plan.target
    if isinstance(error, InterruptedBake):
        return error
    if isinstance(error, BaseGone):
        return error.of(job.plan.base, target)
    lost = _find_loss(kitchen, target, machines)
    return MachineLost(lost, error) if lost else error


def _find_loss(kitchen: Kitchen, target: str, machines: tuple[str, ...]) -> Mapping[str, Any]:
    """What the target says of machines that may be gone; empty if none ended by itself, or it cannot tell."""
    known = kitchen.targets.get(target)
    if not known or not known.kind.explains_losses:
        return {}
    lost: Mapping[str, Any] = {}
    # What went wrong is told already: this is for what it comes from.
    with suppress(BakeryError):
        lost = kitchen.run("lost.yml", target, {"bakery_machine_ids": list(machines)}).get("lost") or {}
    return lost


def find_shared(kitchen: Kitchen, job: ImageJob) -> ImageRecord | None:
    """The verified image of this recipe that the target has, whoever made it; recorded here if it was not.

    What was left undone when it was handed out is done now.
    """
    plan = job.plan
    asked = {
        "bakery_fingerprint": plan.fingerprint,
        "bakery_checks_digest": plan.checks_digest,
        "bakery_role_set": plan.role_set.name,
    }
    found = kitchen.run("find.yml", plan.target, asked).get("found")
    if not found:
        return None
    for name in ("artifact", "checks"):
        handed_up(found, name, plan.target, entry_point="find")
    told, known = image_variables(job), plan.image
    if found.get("unfinished"):
        found = _hand_out(kitchen, plan, found, told=told)
    elif known and known.artifact["id"] == found["artifact"]["id"]:
        return known
    return record_image(kitchen, job, {**found, "names": told["bakery_names"]}, seconds=0.0)


def _hand_out(
    kitchen: Kitchen, plan: SetPlan, found: Mapping[str, Any], *, told: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Have a verified image where the project wants it; returns it as it is then."""
    image, undone = found["artifact"]["id"], "; ".join(str(one) for one in found["unfinished"])
    kitchen.watch(Note(plan.role_set.name, f"{image} is verified, but {undone}: finishing that"))
    up = kitchen.run(
        "point.yml",
        plan.target,
        {**told, "bakery_artifact": dict(found["artifact"]), "bakery_checked": {"checks": found["checks"]}},
    )
    return {**found, "artifact": handed_up(up, "artifact", plan.target, entry_point="point")}
