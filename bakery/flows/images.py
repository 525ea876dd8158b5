"""The end of a bake: compose the image, boot what was captured, check it, name it, record it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bakery.errors import BakeryError, ChecksError
from bakery.flows.handed_up import handed_up
from bakery.flows.kitchen import KEEPING, Kitchen, minded_machine, now_text
from bakery.model.plan import SetPlan
from bakery.model.project import Project, Secrets
from bakery.model.records import Attempt, BaseRecord, CheckReport, ImageRecord, LayerRecord
from bakery.ports import TaskWatch

SHORT = 12


@dataclass(frozen=True)
class ImageJob:
    """What an image is composed of; ``keep`` leaves the verified machine running."""

    project: Project
    plan: SetPlan
    base: BaseRecord
    layers: tuple[LayerRecord, ...]
    keep: bool

    @property
    def secrets(self) -> Secrets:
        """What no run for the image may say: what was read when its layers were baked included."""
        return self.plan.secrets.with_opened(text for layer in self.layers for text in layer.vaults)


def image_variables(job: ImageJob) -> dict[str, Any]:
    """What the capture, boot, verify and point steps are told, except the machine."""
    plan, base = job.plan, job.base
    name = plan.role_set.name
    return {
        "bakery_image": {
            "name": name,
            "project": job.project.name,
            "fingerprint": plan.fingerprint,
            "checks_digest": plan.checks_digest,
            "config": _config(plan),
            "base_config": dict(base.config),
            "base_name": base.name,
            "base_digest": base.digest,
            "epoch": base.epoch,
            "architecture": base.architecture,
            "systemd": base.systemd,
            "compression": plan.role_set.image.compression,
            "annotations": _annotations(job.project, plan),
            "history": history(job.layers),
        },
        "bakery_checks": list(plan.checks),
        "bakery_checks_strict": plan.role_set.strict,
        "bakery_verify_fails": False,
        "bakery_names": [f"{name}:latest", f"{name}:{plan.fingerprint[:SHORT]}"],
        "bakery_project_root": str(job.project.root),
        "bakery_layers": [*base.layer_ids, *(layer.id for layer in job.layers)],
        "bakery_keep_machine": job.keep,
    }


def image_on_top(job: ImageJob) -> dict[str, Any]:
    """What the run that bakes the last layer is told of the image; ``job.layers`` are those below it."""
    told = image_variables(job)
    return {
        **{name: value for name, value in told.items() if name not in {"bakery_image", "bakery_layers"}},
        "bakery_image_below": told["bakery_image"],
        "bakery_layers_below": told["bakery_layers"],
    }


def report_path(kitchen: Kitchen, plan: SetPlan) -> Path:
    """Where the JSON report of the checks stays."""
    return kitchen.home / "reports" / f"{plan.role_set.name}-{plan.target}-{plan.fingerprint[:SHORT]}.json"


def _config(plan: SetPlan) -> dict[str, Any]:
    image = asdict(plan.role_set.image)
    del image["compression"]
    return {field: value for field, value in image.items() if value not in (None, (), {})}


def _annotations(project: Project, plan: SetPlan) -> dict[str, str]:
    annotations = {"io.bakery.project": project.name}
    if plan.role_set.ancestry:
        annotations["io.bakery.ancestry"] = ",".join(plan.role_set.ancestry)
    return annotations


def history(layers: tuple[LayerRecord, ...]) -> list[dict[str, str]]:
    """One entry per role layer, for the image's history."""
    return [
        {
            "layer": layer.id,
            "created_by": f"bakery: role {layer.role}" + (f" {layer.version}" if layer.version else ""),
        }
        for layer in layers
    ]


def make_image(kitchen: Kitchen, job: ImageJob, watch: TaskWatch) -> Mapping[str, Any]:
    """Capture, boot, verify and (if the checks passed) name the image in one run; returns what it handed
    up.
    """
    purpose = KEEPING if job.keep else "verify"
    # A machine that is to outlive this process must not be taken for one that it left behind.
    owner: dict[str, Any] = {"bakery_owner": None} if job.keep else {}
    with minded_machine(
        kitchen, job.plan.target, purpose=purpose, role_set=job.plan.role_set.name
    ) as machine:
        variables = {**image_variables(job), "bakery_machine_id": machine.id, **owner}
        up = kitchen.run("image.yml", job.plan.target, variables, watch=watch)
        if job.keep:
            machine.leave_running()
        else:
            machine.gone()
    return up


def record_image(kitchen: Kitchen, job: ImageJob, up: Mapping[str, Any], *, seconds: float) -> ImageRecord:
    """Record a verified image. Failed checks mean: no record, but an attempt that can be looked into."""
    target = job.plan.target
    checks = checks_of(kitchen, up, target, report=report_path(kitchen, job.plan))
    artifact = handed_up(up, "artifact", target)
    if checks.failed or not checks.passed:
        raise _refuse(kitchen, job, artifact, checks=checks)
    plan = job.plan
    record = ImageRecord(
        role_set=plan.role_set.name,
        target=plan.target,
        project=job.project.name,
        fingerprint=plan.fingerprint,
        checks_digest=plan.checks_digest,
        artifact=_named_artifact(up, artifact),
        base=job.base.name,
        base_digest=job.base.digest,
        layers=tuple(layer.key for layer in job.layers),
        ancestry=plan.role_set.ancestry,
        checks=checks,
        names=tuple(map(str, up.get("names") or ())),
        seconds=round(seconds, 3),
        made=now_text(),
        inputs={
            "image": _config(plan),
            "base_layers": list(job.base.layer_ids),
            "roles": [[node.use.name, node.use.version or node.source.version] for node in plan.nodes],
        },
    )
    kitchen.catalog.add_image(record)
    kitchen.catalog.clear_attempt(record.role_set, record.target)
    return record


def newest_of_name(images: Iterable[ImageRecord], image: ImageRecord) -> ImageRecord | None:
    """The newest of ``images`` (oldest first) that is called as ``image`` is, in whatever project."""
    mine = (image.role_set, image.target)
    named = [one for one in images if (one.role_set, one.target) == mine]
    return named[-1] if named else None


def _named_artifact(up: Mapping[str, Any], artifact: Mapping[str, Any]) -> dict[str, Any]:
    """The artifact, where its names say it is: tools take a name where they do not take a digest."""
    return {**artifact, "location": up.get("location") or artifact["location"]}


def checks_of(kitchen: Kitchen, up: Mapping[str, Any], target: str, *, report: Path) -> CheckReport:
    """The checks' outcome as the verify step handed it up; how each went is kept in the file ``report``."""
    told = handed_up(up, "checks", target)
    if "results" in told:
        kept = {name: told[name] for name in ("passed", "failed", "skipped", "results") if name in told}
        kitchen.keep_report(report, {"checks" if name == "results" else name: kept[name] for name in kept})
        told = {**told, "report": str(report)}
    return CheckReport(
        passed=int(told["passed"]),
        failed=int(told["failed"]),
        report=told.get("report"),
        failures=tuple(told.get("failures") or ()),
        failed_units=tuple(told.get("failed_units") or ()),
    )


class UnverifiedImage(ChecksError):
    """The image was captured but is not recorded: its checks failed, or there was none."""

    def __init__(self, message: str, *, checks: CheckReport, artifact: Mapping[str, Any], hint: str) -> None:
        self.checks = checks
        self.artifact = artifact
        super().__init__(message, hint=hint)


def _refuse(
    kitchen: Kitchen, job: ImageJob, artifact: Mapping[str, Any], *, checks: CheckReport
) -> BakeryError:
    name = job.plan.role_set.name
    if checks.failed:
        first = checks.failures[0] if checks.failures else {"check": "?", "message": ""}
        reason = next(iter(first["message"].splitlines()), "")
        message = (
            f"{checks.failed} of {checks.failed + checks.passed} checks of '{name}' failed, first "
            f"{first['check']}: {reason}"
        )
        hint = f"look inside with 'bakery shell {name}'"
    else:
        message = f"role set '{name}' has no checks, so nothing verified it"
        hint = "add a checks/ folder to a role, or 'checks:' to the role set"
    kitchen.catalog.add_attempt(
        Attempt(
            role_set=name,
            target=job.plan.target,
            stage="verify",
            role=None,
            layers=(*job.base.layer_ids, *(layer.id for layer in job.layers)),
            epoch=job.base.epoch,
            base_digest=job.base.digest,
            kept=None,
            artifact=artifact,
            message=message,
            made=now_text(),
            project=job.project.name,
        )
    )
    return UnverifiedImage(message, checks=checks, artifact=artifact, hint=hint)
