"""One node of the trie: reuse its layer, or bake it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

from bakery.errors import BakeryError, MachineError, ProvisionError
from bakery.flows.kitchen import Kitchen, Minder, error_of, minded_machine, now_text
from bakery.model.plan import LayerNode
from bakery.model.progress import Note
from bakery.model.project import Project, RoleUse
from bakery.model.records import Attempt, BaseRecord, LayerRecord
from bakery.model.result import OnError
from bakery.model.run import HandedUp, Provision, RunEvent, RunResult
from bakery.planning import layer_key
from bakery.ports import TaskWatch

OnFailure = Callable[[BakeryError], OnError]


@dataclass(frozen=True)
class LayerJob:
    """Everything a node's bake depends on; ``parents`` are layer ids, base first, ``content`` their digest.

    ``fresh`` bakes although a layer with the key exists. ``on_failure`` decides what stays of a failed
    machine; ``waiting`` are the other role sets of this bake that need the layer and fail with it. ``image``
    is given where the layer is the last of an image that nobody else waits for: one run then makes both.
    """

    project: Project
    node: LayerNode
    target: str
    role_set: str
    base: BaseRecord
    parents: tuple[str, ...]
    content: str
    compression: str
    fresh: bool
    on_failure: OnFailure
    waiting: tuple[str, ...] = ()
    image: ImageOnTop | None = None


@dataclass(frozen=True)
class ImageOnTop:
    """The image on a last layer: what its steps are told, who is told that the layer is frozen, and who
    watches the run.
    """

    variables: Mapping[str, Any]
    frozen: Callable[[LayerOutcome], None]
    watch: TaskWatch


@dataclass(frozen=True)
class LayerOutcome:
    """A node's layer, and whether it was there already; ``image`` is what the run handed up of the image."""

    record: LayerRecord
    cached: bool
    image: RunResult | None = None


def obtain_layer(kitchen: Kitchen, job: LayerJob, watch: TaskWatch) -> LayerOutcome:
    """The node's layer: from the catalog, from another process that is baking it right now, or baked here."""
    key = layer_key(job.content, job.node.recipe)
    if (found := _find(kitchen, job, key)) is not None:
        return found
    with kitchen.locks.hold(f"layer-{job.node.chain}", lambda: _say_waiting(kitchen, job)):
        if (found := _find(kitchen, job, key)) is not None:
            return found
        return _bake(kitchen, job, key=key, watch=watch)


def _find(kitchen: Kitchen, job: LayerJob, key: str) -> LayerOutcome | None:
    record = None if job.fresh else kitchen.catalog.find_layer(job.target, key)
    return LayerOutcome(record, cached=True) if record else None


def _say_waiting(kitchen: Kitchen, job: LayerJob) -> None:
    kitchen.watch(
        Note(job.role_set, f"role '{job.node.use.name}' is being baked by another bake: waiting for it")
    )


def _bake(kitchen: Kitchen, job: LayerJob, *, key: str, watch: TaskWatch) -> LayerOutcome:
    frozen = _Frozen(kitchen, job, key=key, watch=watch)
    kept: str | None = None
    try:
        # The machine of the role is the first to go: what the role wrote may have left no room on the disk.
        with (
            _machine_of_image(kitchen, job) as verifier,
            minded_machine(kitchen, job.target, purpose="bake", role_set=job.role_set) as machine,
        ):
            result = _run(kitchen, job, (machine, verifier), watch=frozen.see)
            if result.failure and "layer" not in result.up:
                error = error_of(result.failure)
                # A role that Ansible could not even read was never on a machine.
                role_failed = isinstance(error, ProvisionError) and "machine" in result.up
                if role_failed and job.on_failure(error) is OnError.KEEP:
                    machine.keep_as = kept = f"{job.role_set}-{job.target}"
                raise error
            machine.gone()
    except ProvisionError as failure:
        # Not before the machine is gone, for the same reason.
        _remember_failure(kitchen, job, failure, kept=kept)
        raise
    return frozen.outcome(result)


def _machine_of_image(kitchen: Kitchen, job: LayerJob) -> AbstractContextManager[Minder | None]:
    if job.image is None:
        return nullcontext()
    return minded_machine(kitchen, job.target, purpose="verify", role_set=job.role_set)


def _run(
    kitchen: Kitchen, job: LayerJob, machines: tuple[Minder, Minder | None], *, watch: TaskWatch
) -> RunResult:
    """Bake the layer, and the image on top if the job says so: that has a machine of its own."""
    told, provision = layer_variables(job), provision_of(job.project, job.base, job.node.use)
    machine, verifier = machines
    if job.image is None or verifier is None:
        told["bakery_machine_id"] = machine.id
        return kitchen.attempt("layer.yml", job.target, told, provision=provision, watch=watch)
    told |= {
        **job.image.variables,
        "bakery_layer_machine_id": machine.id,
        "bakery_image_machine_id": verifier.id,
    }
    result = kitchen.attempt("last_layer.yml", job.target, told, provision=provision, watch=watch)
    if not result.failure or "layer" not in result.up:  # discarded, or never launched
        verifier.gone()
    return result


class _Frozen:
    """Records a layer as soon as the run hands it up: what follows in the run may fail, or be killed."""

    def __init__(self, kitchen: Kitchen, job: LayerJob, *, key: str, watch: TaskWatch) -> None:
        self._kitchen = kitchen
        self._job = job
        self._key = key
        self._watch = watch
        self._begun = time.monotonic()
        self._record: LayerRecord | None = None

    def see(self, event: RunEvent) -> None:
        layer = event.up.get("layer") if isinstance(event, HandedUp) else None
        if isinstance(layer, Mapping):
            record = self._remember(layer)
            if self._job.image:
                self._job.image.frozen(LayerOutcome(record, cached=False))
        self._watch(event)

    def outcome(self, result: RunResult) -> LayerOutcome:
        record = self._record or self._remember(result.up["layer"])
        return LayerOutcome(record, cached=False, image=result if self._job.image else None)

    def _remember(self, layer: Mapping[str, Any]) -> LayerRecord:
        seconds = time.monotonic() - self._begun
        self._record = _remember(self._kitchen, self._job, layer, key=self._key, seconds=seconds)
        return self._record


def _remember_failure(kitchen: Kitchen, job: LayerJob, failure: BakeryError, *, kept: str | None) -> None:
    """Record a failed attempt; where even that fails, the role's failure is still the one to be told."""
    try:
        _record_failure(kitchen, job, failure, kept=kept)
    except MachineError as trouble:
        kitchen.watch(Note(job.role_set, f"that it failed could not be recorded: {trouble.message}"))


def layer_variables(job: LayerJob) -> dict[str, Any]:
    """What the launch and checkpoint steps are told."""
    use = job.node.use
    version = use.version or job.node.source.version
    return {
        "bakery_parents": list(job.parents),
        "bakery_base_config": dict(job.base.config),
        "bakery_epoch": job.base.epoch,
        "bakery_apt_scope": job.base.digest,
        "bakery_compression": job.compression,
        "bakery_layer": {
            "role": use.name,
            "version": version or "",
            "created_by": f"bakery: role {use.name}" + (f" {version}" if version else ""),
        },
    }


def provision_of(project: Project, base: BaseRecord, *uses: RoleUse) -> Provision:
    """The plays of roles. Tools that honour SOURCE_DATE_EPOCH (reproducible-builds.org) get the base's
    time.
    """
    return Provision(
        uses=uses,
        roles_path=project.roles_path,
        vault=project.vault,
        environment={"SOURCE_DATE_EPOCH": str(base.epoch), "PYTHONDONTWRITEBYTECODE": "1"},
    )


def _remember(
    kitchen: Kitchen, job: LayerJob, layer: Mapping[str, Any], *, key: str, seconds: float
) -> LayerRecord:
    record = LayerRecord(
        key=key,
        recipe=job.node.recipe,
        target=job.target,
        id=str(layer["id"]),
        digest=str(layer["digest"]),
        size=int(layer["size"]),
        role=job.node.use.name,
        version=job.node.use.version or job.node.source.version,
        seconds=round(seconds, 3),
        inputs=job.node.inputs,
        detail=layer,
        made=now_text(),
    )
    before = kitchen.catalog.find_layer(job.target, key) if job.fresh else None
    if before and before.digest == record.digest:
        return replace(before, seconds=record.seconds)
    if before:
        kitchen.catalog.forget_layers(job.target, (before.id,))
    kitchen.catalog.add_layer(record)
    return record


def _record_failure(kitchen: Kitchen, job: LayerJob, failure: BakeryError, *, kept: str | None) -> None:
    """Let ``bakery shell`` find what was kept by the name of every role set that failed; forget an earlier
    failure where nothing was kept of this one.
    """
    earlier = {one.role_set for one in kitchen.catalog.attempts() if one.target == job.target}
    for name in (job.role_set, *job.waiting):
        if kept:
            kitchen.catalog.add_attempt(_attempt(job, name, failure, kept=kept))
        elif name in earlier:
            kitchen.catalog.clear_attempt(name, job.target)


def _attempt(job: LayerJob, role_set: str, failure: BakeryError, *, kept: str) -> Attempt:
    return Attempt(
        role_set=role_set,
        target=job.target,
        stage="role",
        role=job.node.use.name,
        layers=job.parents,
        epoch=job.base.epoch,
        base_digest=job.base.digest,
        kept=kept,
        artifact=None,
        message=str(failure),
        made=now_text(),
        project=job.project.name,
    )
