"""Bake role sets: bases, then the trie of layers with its branches side by side, then an image each."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

from bakery.errors import BakeryError, ChecksError, MachineError, ProvisionError
from bakery.flows.bases import ensure_base
from bakery.flows.images import (
    ImageJob,
    UnverifiedImage,
    image_on_top,
    make_image,
    newest_of_name,
    record_image,
)
from bakery.flows.kitchen import Kitchen, LayerCorrupt, error_of
from bakery.flows.layers import ImageOnTop, LayerOutcome, OnFailure
from bakery.flows.repair import forget_layer
from bakery.flows.stages import enter, watch_image
from bakery.flows.trie import Ground, Obtained, Trie, watch_tasks
from bakery.flows.warnings import Warnings
from bakery.flows.whole import FailedOnKept, bake_whole, find_shared
from bakery.model.plan import Plan, SetPlan
from bakery.model.progress import LayerReady, Note, Stage
from bakery.model.project import Project
from bakery.model.records import BaseRecord, ImageRecord
from bakery.model.result import BakeResult, LayerResult, Status

# How often a bake starts over because the store lost a layer that the catalog knew.
_REPAIRS = 3
# The kernel gives a signal to any thread, and Python handles it in the main one: that never sleeps for long.
_ATTENTION_S = 0.2


@dataclass(frozen=True)
class BakeRequest:
    """What the user asked for. ``replan`` reads the world anew and plans the same role sets again."""

    project: Project
    plan: Plan
    replan: Callable[[], Plan]
    jobs: int
    rebake: bool
    keep: bool
    on_failure: OnFailure


def bake(request: BakeRequest, kitchen: Kitchen) -> tuple[BakeResult, ...]:
    """Bake every role set of the plan. A failed one is a result with an error, not an exception."""
    warned = Warnings(kitchen.watch)
    results = _bake(request, replace(kitchen, watch=warned.watch))
    return tuple(replace(one, warnings=(*one.warnings, *warned.of(one))) for one in results)


def _bake(request: BakeRequest, kitchen: Kitchen) -> tuple[BakeResult, ...]:
    asks = any(one.shared for one in request.plan.sets)
    if request.plan.unchanged and not request.rebake and not asks:
        return tuple(_unchanged(kitchen, one, one.image) for one in request.plan.sets if one.image)
    with kitchen.using_the_store():
        return _bake_sets(request, kitchen)


def _bake_sets(request: BakeRequest, kitchen: Kitchen) -> tuple[BakeResult, ...]:
    made = _make_bases(request, kitchen)
    if made:
        request = replace(request, plan=request.replan())
    oven = _Oven(request, kitchen)
    with ThreadPoolExecutor(max_workers=max(1, request.jobs), thread_name_prefix="bake") as pool:
        futures = [
            pool.submit(oven.bake, one, made.get(_base_of(one), _NO_BASE)) for one in request.plan.sets
        ]
        while wait(futures, timeout=_ATTENTION_S).not_done:
            pass
        return tuple(future.result() for future in futures)


@dataclass(frozen=True)
class _MadeBase:
    """How the making of a base went: how long it took, and why it failed if it did."""

    seconds: float = 0.0
    error: BakeryError | None = None


_NO_BASE = _MadeBase()


def _base_of(one: SetPlan) -> tuple[str, str]:
    return (one.target, one.base_spec)


def _make_bases(request: BakeRequest, kitchen: Kitchen) -> dict[tuple[str, str], _MadeBase]:
    """Make the bases that are missing, and tell how that went."""
    missing = {_base_of(one): one for one in request.plan.sets if one.base_record is None}
    made: dict[tuple[str, str], _MadeBase] = {}
    for key, one in missing.items():
        started, trouble = time.monotonic(), None
        users = [user for user in request.plan.sets if _base_of(user) == key]
        for user in users:
            enter(kitchen, user, Stage.BASE)
        try:
            ensure_base(kitchen, one.target, one.base, watch=watch_tasks(kitchen, *users))
        except BakeryError as error:
            trouble = error
        made[key] = _MadeBase(time.monotonic() - started, trouble)
    return made


@dataclass
class _Tray:
    """What one role set has come to so far; read also when it fails."""

    plan: SetPlan
    base_seconds: float = 0.0
    started: float = field(default_factory=time.monotonic)
    obtained: list[Obtained] = field(default_factory=list)
    machine: Mapping[str, object] | None = None

    @property
    def seconds(self) -> float:
        return self.base_seconds + time.monotonic() - self.started

    @property
    def layers(self) -> tuple[LayerResult, ...]:
        return tuple(_layer_result(one) for one in self.obtained)


class _Oven:
    """Bakes the role sets of one request; its methods may run in several threads."""

    def __init__(self, request: BakeRequest, kitchen: Kitchen) -> None:
        self._request = request
        self._kitchen = kitchen
        self._trie = self._new_trie()
        self._repairing = threading.Lock()
        self._forgotten: set[tuple[Trie, str]] = set()

    def _new_trie(self) -> Trie:
        request = self._request
        return Trie(
            self._kitchen,
            request.project,
            request.plan,
            rebake=request.rebake,
            on_failure=request.on_failure,
        )

    def bake(self, plan: SetPlan, base: _MadeBase) -> BakeResult:
        tray = _Tray(plan, base.seconds)
        try:
            if base.error:
                raise base.error
            return self._bake_repairing(tray)
        except BakeryError as error:
            enter(self._kitchen, tray.plan, Stage.FAILED, done=len(tray.obtained))
            return _failed(self._kitchen, tray, error)

    def _bake_repairing(self, tray: _Tray) -> BakeResult:
        """Bake; where the store lost or spoilt a layer that the catalog knew, forget it and bake it again."""
        trie = self._trie
        for _ in range(_REPAIRS):
            try:
                return self._bake_locked(tray, trie)
            except LayerCorrupt as trouble:
                name = tray.plan.role_set.name
                self._kitchen.watch(Note(name, f"{trouble.message}: making it again"))
                tray.plan = self._repair(tray.plan, trie, trouble.layer_id)
                tray.obtained.clear()
                trie = self._new_trie()
        return self._bake_locked(tray, trie)

    def _repair(self, plan: SetPlan, trie: Trie, layer_id: str) -> SetPlan:
        """The plan anew, without the layer. Role sets that met it in the same trie forget it once: the second
        would forget what the first one made in its place.
        """
        same = (plan.role_set.name, plan.target)
        with self._repairing:
            if (trie, layer_id) not in self._forgotten:
                self._forgotten.add((trie, layer_id))
                self._forget(plan, layer_id)
            replanned = self._request.replan()
        return next(one for one in replanned.sets if (one.role_set.name, one.target) == same)

    def _forget(self, plan: SetPlan, layer_id: str) -> None:
        forget_layer(self._kitchen, plan.target, layer_id)
        if plan.base_record and layer_id in plan.base_record.layer_ids:
            ensure_base(self._kitchen, plan.target, plan.base, refresh=True)

    def _bake_locked(self, tray: _Tray, trie: Trie) -> BakeResult:
        plan, kitchen = tray.plan, self._kitchen
        name = plan.role_set.name

        def say_waiting() -> None:
            kitchen.watch(Note(name, f"'{name}' is being baked by another bake: waiting for it"))

        with kitchen.locks.hold(f"set-{plan.target}-{plan.fingerprint}", say_waiting):
            record = None if self._request.rebake else self._find(tray)
            if record:
                return _unchanged(kitchen, plan, record)
            if plan.layered:
                self._obtain_layers(tray, trie)
            return self._finish(tray)

    def _find(self, tray: _Tray) -> ImageRecord | None:
        if tray.plan.shared:
            return find_shared(self._kitchen, self._job(tray))
        return _find_recorded(self._kitchen, tray.plan)

    def _obtain_layers(self, tray: _Tray, trie: Trie) -> None:
        plan = tray.plan
        ground = Ground.of(_made_base(plan))
        for number, node in enumerate(plan.nodes):
            enter(self._kitchen, plan, Stage.ROLE, role=node.use.name, done=number)
            last = number + 1 == len(plan.nodes) and not self._request.keep
            image = self._image_on_top(tray) if last else None
            obtained = trie.obtain(plan, node, ground, image=image)
            tray.obtained.append(obtained)
            ground = ground.with_layer(obtained.outcome)
            if obtained.outcome.image is None:
                self._say_ready(plan, obtained.outcome)

    def _say_ready(self, plan: SetPlan, outcome: LayerOutcome) -> None:
        self._kitchen.watch(
            LayerReady(
                role_set=plan.role_set.name,
                target=plan.target,
                role=outcome.record.role,
                cached=outcome.cached,
                seconds=outcome.record.seconds,
                size=outcome.record.size,
            )
        )

    def _job(self, tray: _Tray) -> ImageJob:
        layers = tuple(one.outcome.record for one in tray.obtained)
        return ImageJob(self._request.project, tray.plan, _made_base(tray.plan), layers, self._request.keep)

    def _image_on_top(self, tray: _Tray) -> ImageOnTop:
        """For the run of the last layer: it goes on to the image."""
        plan = tray.plan

        def frozen(outcome: LayerOutcome) -> None:
            self._say_ready(plan, outcome)
            enter(self._kitchen, plan, Stage.CAPTURE, done=len(plan.nodes))

        told = image_on_top(self._kitchen, self._job(tray))
        return ImageOnTop(told, frozen, watch_image(self._kitchen, plan))

    def _make_image(self, tray: _Tray, job: ImageJob) -> Mapping[str, Any]:
        """What the image's steps handed up, in a run of their own or in that of the last layer."""
        if not tray.plan.layered:
            return bake_whole(self._kitchen, job)
        made = tray.obtained[-1].outcome.image if tray.obtained else None
        if made is None:
            enter(self._kitchen, tray.plan, Stage.CAPTURE, done=len(tray.plan.nodes))
            return make_image(self._kitchen, job, watch_image(self._kitchen, tray.plan))
        if made.failure:
            raise error_of(made.failure)
        return made.up

    def _finish(self, tray: _Tray) -> BakeResult:
        plan, job = tray.plan, self._job(tray)
        up = self._make_image(tray, job)
        tray.machine = _machine(up) if self._request.keep else None
        record = record_image(self._kitchen, job, up, seconds=tray.seconds)
        enter(self._kitchen, plan, Stage.DONE, done=len(plan.nodes))
        return BakeResult(
            role_set=record.role_set,
            target=record.target,
            status=Status.BAKED,
            fingerprint=record.fingerprint,
            artifact=record.artifact,
            layers=tray.layers,
            checks=record.checks,
            seconds=tray.seconds,
            names=record.names,
            irreproducible=tuple(one for obtained in tray.obtained for one in obtained.different),
            machine=tray.machine,
        )


def _made_base(plan: SetPlan) -> BaseRecord:
    """The base, which was made before; another process may have pruned it since."""
    if plan.base_record is None:
        raise MachineError(
            f"base '{plan.base.name}' was removed while it was needed",
            hint=f"bake again: bakery bake {plan.role_set.name}",
        )
    return plan.base_record


def _machine(up: Mapping[str, object]) -> Mapping[str, object] | None:
    machine = up.get("machine")
    return machine if isinstance(machine, Mapping) else None


def _find_recorded(kitchen: Kitchen, plan: SetPlan) -> ImageRecord | None:
    for record in reversed(kitchen.catalog.images()):
        same = record.role_set == plan.role_set.name and record.target == plan.target
        if same and (record.fingerprint, record.checks_digest) == (plan.fingerprint, plan.checks_digest):
            return record if artifact_exists(record) else None
    return None


def artifact_exists(record: ImageRecord) -> bool:
    """Whether every file that the target named as evidence of the artifact is there, as large as it was."""
    artifact = record.artifact
    pairs = zip_longest(artifact.get("paths", ()), artifact.get("sizes", ()))
    return all(_is_there(Path(path), size) for path, size in pairs)


def _is_there(path: Path, size: int | None) -> bool:
    try:
        return path.stat().st_size == size or size is None
    except OSError:
        return False


def _layer_result(obtained: Obtained) -> LayerResult:
    outcome, record = obtained.outcome, obtained.outcome.record
    return LayerResult(
        role=record.role,
        version=record.version,
        fingerprint=record.key,
        id=record.id,
        digest=record.digest,
        size=record.size,
        cached=outcome.cached,
        seconds=0.0 if outcome.cached else record.seconds,
        reproduced=obtained.reproduced,
    )


def _failed(kitchen: Kitchen, tray: _Tray, error: BakeryError) -> BakeResult:
    unverified = error if isinstance(error, UnverifiedImage) else None
    kept = isinstance(error, ProvisionError | ChecksError) and _has_attempt(kitchen, tray.plan)
    return BakeResult(
        role_set=tray.plan.role_set.name,
        target=tray.plan.target,
        status=Status.FAILED,
        fingerprint=tray.plan.fingerprint,
        artifact=unverified.artifact if unverified else None,
        layers=tray.layers,
        checks=unverified.checks if unverified else None,
        seconds=tray.seconds,
        error=error,
        machine=error.machine if isinstance(error, FailedOnKept) else tray.machine,
        kept=kept,
    )


def _has_attempt(kitchen: Kitchen, plan: SetPlan) -> bool:
    mine = (plan.role_set.name, plan.target)
    return any((one.role_set, one.target) == mine for one in kitchen.catalog.attempts())


def _unchanged(kitchen: Kitchen, plan: SetPlan, record: ImageRecord) -> BakeResult:
    if _has_attempt(kitchen, plan):
        # The last bake did not fail; written only if there is something to forget.
        kitchen.catalog.clear_attempt(record.role_set, record.target)
    known = kitchen.catalog.layers()
    layers = [known[plan.target, key] for key in record.layers if (plan.target, key) in known]
    enter(kitchen, plan, Stage.DONE, done=len(plan.nodes))
    return BakeResult(
        role_set=record.role_set,
        target=record.target,
        status=Status.UNCHANGED,
        fingerprint=record.fingerprint,
        artifact=record.artifact,
        layers=tuple(_layer_result(Obtained(LayerOutcome(one, cached=True))) for one in layers),
        checks=record.checks,
        seconds=0.0,
        warnings=tuple(
            f"{one['unit']} failed while the machine booted" for one in record.checks.failed_units
        ),
        names=_true_names(kitchen, record),
    )


def _true_names(kitchen: Kitchen, record: ImageRecord) -> tuple[str, ...]:
    """The names that still mean this image: ``NAME:latest`` is that of the newest one of any project."""
    newest = newest_of_name(kitchen.catalog.images(), record)
    same = newest is None or newest.artifact["digest"] == record.artifact["digest"]
    return tuple(name for name in record.names if same or not name.endswith(":latest"))
