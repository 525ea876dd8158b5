"""Targets that cannot freeze a machine after each role: one machine gets them all and is captured once."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from bakery.errors import BakeryError, ExitCode, InterruptedBake
from bakery.flows.images import ImageJob, image_variables, record_image
from bakery.flows.kitchen import KEEPING, Kitchen, minded_machine
from bakery.flows.layers import provision_of
from bakery.model.plan import SetPlan
from bakery.model.progress import Note
from bakery.model.records import ImageRecord
from bakery.ports import TaskWatch


class MachineLost(BakeryError):
    """A machine was taken away; ``options`` of the target are worth another try."""

    exit_code = ExitCode.MACHINE_FAILED

    def __init__(self, message: str, options: Mapping[str, Any]) -> None:
        self.options = options
        super().__init__(message)


def bake_whole(kitchen: Kitchen, job: ImageJob, watch: TaskWatch) -> Mapping[str, Any]:
    """Launch, provision, capture, boot, verify and (if the checks passed) name the image in one run.

    Returns what the run handed up. Where the target says that it took a machine away and how to go on, the
    bake begins once more.
    """
    try:
        return _bake_once(kitchen, job, watch, options={})
    except MachineLost as lost:
        kitchen.watch(Note(job.plan.role_set.name, f"{lost.message}: beginning once more"))
        return _bake_once(kitchen, job, watch, options={"bakery_options": dict(lost.options)})


def _bake_once(
    kitchen: Kitchen, job: ImageJob, watch: TaskWatch, *, options: Mapping[str, Any]
) -> Mapping[str, Any]:
    name, target = job.plan.role_set.name, job.plan.target
    # A machine that is to outlive this process must not be taken for one that it left behind; the builder is.
    owner: dict[str, Any] = {"bakery_owner": None} if job.keep else {}
    with (
        minded_machine(kitchen, target, purpose=KEEPING if job.keep else "verify", role_set=name) as verifier,
        minded_machine(kitchen, target, purpose="bake", role_set=name) as builder,
    ):
        told = {
            **image_variables(kitchen, job),
            **owner,
            **options,
            "bakery_role_set": name,
            "bakery_base_config": dict(job.base.config),
            "bakery_builder_owner": asdict(kitchen.owner),
            "bakery_builder_machine_id": builder.id,
            "bakery_image_machine_id": verifier.id,
        }
        provision = provision_of(job.project, job.base, *(node.use for node in job.plan.nodes))
        try:
            up = kitchen.run("whole.yml", target, told, provision=provision, watch=watch)
        except InterruptedBake:
            raise
        except BakeryError as error:
            lost = None if options else _loss(kitchen, job.plan, (builder.id, verifier.id))
            if lost:
                raise lost from error
            raise
        builder.gone()
        if job.keep:
            verifier.leave_running()
        else:
            verifier.gone()
    return up


def _loss(kitchen: Kitchen, plan: SetPlan, machines: tuple[str, ...]) -> MachineLost | None:
    """What the target says of machines that may be gone; None if it cannot tell, or another try is no use."""
    target = kitchen.targets.get(plan.target)
    if not target or not target.kind.explains_losses:
        return None
    lost: Mapping[str, Any] = {}
    # What went wrong is told already: this is for what it comes from.
    with suppress(BakeryError):
        lost = kitchen.run("lost.yml", plan.target, {"bakery_machine_ids": list(machines)}).get("lost") or {}
    return MachineLost(str(lost["reason"]), lost["options"]) if lost else None


def find_shared(kitchen: Kitchen, job: ImageJob) -> ImageRecord | None:
    """The verified image of this recipe that the target has, whoever made it; recorded here if it was not."""
    plan = job.plan
    asked = {
        "bakery_fingerprint": plan.fingerprint,
        "bakery_checks_digest": plan.checks_digest,
        "bakery_role_set": plan.role_set.name,
    }
    found = kitchen.run("find.yml", plan.target, asked).get("found")
    if not found:
        return None
    known = plan.image
    if known and known.artifact["id"] == found["artifact"]["id"]:
        return known
    names = image_variables(kitchen, job)["bakery_names"]
    return record_image(kitchen, job, {**found, "names": names}, seconds=0.0)
