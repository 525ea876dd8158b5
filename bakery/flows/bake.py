"""Bake role sets: bases, then the trie of layers with its branches side by side, then an image each."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from bakery.errors import BakeryError
from bakery.flows.bases import ensure_base
from bakery.flows.images import ImageJob, UnverifiedImage, make_image, record_image
from bakery.flows.kitchen import Kitchen, LayerCorrupt
from bakery.flows.layers import LayerJob, LayerOutcome, obtain_layer
from bakery.flows.reproduction import compare_layers
from bakery.model.plan import LayerNode, Plan, SetPlan
from bakery.model.progress import LayerReady, Note, SetStage, SetTask, Stage
from bakery.model.project import Project
from bakery.model.records import BaseRecord, ImageRecord, LayerRecord
from bakery.model.result import BakeResult, Irreproducible, LayerResult, OnError, Status
from bakery.model.run import TaskEnded, TaskStarted
from bakery.planning import content_after
from bakery.ports import TaskWatch

# How often a bake starts over because the store lost a layer that the catalog knew.
_REPAIRS = 3


@dataclass(frozen=True)
class BakeRequest:
    """What the user asked for. ``replan`` reads the world anew and plans the same role sets again."""

    project: Project
    plan: Plan
    replan: Callable[[], Plan]
    jobs: int
    rebake: bool
    keep: bool
    on_failure: Callable[[BakeryError], OnError]


def bake(request: BakeRequest, kitchen: Kitchen) -> tuple[BakeResult, ...]:
    """Bake every role set of the plan. A failed one is a result with an error, not an exception."""
    plan = request.plan
    if plan.unchanged and not request.rebake:
        return tuple(_unchanged(one, kitchen) for one in plan.sets)
    failed = _make_bases(request, kitchen)
    plan = request.replan() if failed is not None else plan
    shared = _SharedLayers(request, kitchen)
    with ThreadPoolExecutor(max_workers=max(1, request.jobs), thread_name_prefix="bake") as pool:
        futures = [
            pool.submit(_bake_set, request, shared, kitchen, one, (failed or {}).get(_base_of(one)))
            for one in plan.sets
        ]
        return tuple(future.result() for future in futures)


def _base_of(one: SetPlan) -> tuple[str, str]:
    return (one.target, one.base_spec)


def _make_bases(request: BakeRequest, kitchen: Kitchen) -> dict[tuple[str, str], BakeryError] | None:
    """Make the bases that are missing; None if none was. The errors of those that could not be made."""
    missing = {_base_of(one): one for one in request.plan.sets if one.base_record is None}
    if not missing:
        return None
    failed: dict[tuple[str, str], BakeryError] = {}
    for key, one in missing.items():
        for user in request.plan.sets:
            if _base_of(user) == key:
                total = len(user.nodes)
                kitchen.watch(SetStage(user.role_set.name, user.target, Stage.BASE, None, 0, total))
        try:
            ensure_base(kitchen, one.target, one.base)
        except BakeryError as error:
            failed[key] = error
    return failed


def _bake_set(
    request: BakeRequest,
    shared: _SharedLayers,
    kitchen: Kitchen,
    plan: SetPlan,
    base_error: BakeryError | None,
) -> BakeResult:
    started = time.monotonic()
    done: list[LayerResult] = []
    try:
        if base_error:
            raise base_error
        return _bake_repairing(request, shared, kitchen, plan, done)
    except BakeryError as error:
        checks = error.checks if isinstance(error, UnverifiedImage) else None
        artifact = error.artifact if isinstance(error, UnverifiedImage) else None
        return BakeResult(
            role_set=plan.role_set.name,
            target=plan.target,
            status=Status.FAILED,
            fingerprint=plan.fingerprint,
            artifact=artifact,
            layers=tuple(done),
            checks=checks,
            seconds=time.monotonic() - started,
            error=error,
        )


def _bake_repairing(
    request: BakeRequest, shared: _SharedLayers, kitchen: Kitchen, plan: SetPlan, done: list[LayerResult]
) -> BakeResult:
    """Bake; where the store lost or spoilt a layer that the catalog knew, forget it and bake it again."""
    for _ in range(_REPAIRS):
        try:
            return _bake_one(request, shared, kitchen, plan, done)
        except LayerCorrupt as trouble:
            name = plan.role_set.name
            kitchen.watch(Note(name, f"{trouble.message}: baking it again"))
            plan = _forget_corrupt(request, kitchen, plan, trouble.layer_id)
            shared = _SharedLayers(request, kitchen)
            done.clear()
    return _bake_one(request, shared, kitchen, plan, done)


def _forget_corrupt(request: BakeRequest, kitchen: Kitchen, plan: SetPlan, layer_id: str) -> SetPlan:
    if plan.base_record and layer_id in plan.base_record.layer_ids:
        kitchen.catalog.forget_bases(plan.target, (plan.base_record.digest,))
        ensure_base(kitchen, plan.target, plan.base, refresh=True)
    kitchen.catalog.forget_layers(plan.target, (layer_id,))
    same = [one for one in request.replan().sets if (one.role_set.name, one.target) == (plan.role_set.name, plan.target)]
    return same[0]


def _bake_one(
    request: BakeRequest, shared: _SharedLayers, kitchen: Kitchen, plan: SetPlan, done: list[LayerResult]
) -> BakeResult:
    started = time.monotonic()
    name = plan.role_set.name

    def say_waiting() -> None:
        kitchen.watch(Note(name, f"'{name}' is being baked by another bake: waiting for it"))

    with kitchen.locks.hold(f"set-{plan.target}-{plan.fingerprint}", say_waiting):
        if not request.rebake and (record := _recorded(kitchen, plan)) is not None:
            return _unchanged(replace(plan, image=record), kitchen)
        base = plan.base_record
        assert base is not None, "bases are made before role sets"
        layers, irreproducible = _bake_layers(shared, kitchen, plan, base, done)
        up, record = _bake_image(request, kitchen, plan, base, layers, time.monotonic() - started)
    kitchen.watch(SetStage(name, plan.target, Stage.DONE, None, len(layers), len(layers)))
    return BakeResult(
        role_set=name,
        target=plan.target,
        status=Status.BAKED,
        fingerprint=plan.fingerprint,
        artifact=record.artifact,
        layers=tuple(done),
        checks=record.checks,
        seconds=time.monotonic() - started,
        names=record.names,
        irreproducible=irreproducible,
        machine=up.get("machine") if request.keep else None,
    )


def _recorded(kitchen: Kitchen, plan: SetPlan) -> ImageRecord | None:
    for record in reversed(kitchen.catalog.images()):
        same = record.role_set == plan.role_set.name and record.target == plan.target
        if same and (record.fingerprint, record.checks_digest) == (plan.fingerprint, plan.checks_digest):
            return record if artifact_exists(record) else None
    return None


def artifact_exists(record: ImageRecord) -> bool:
    """Whether every file that the target named as evidence of the artifact is still there."""
    return all(Path(path).exists() for path in record.artifact.get("paths", ()))


def _bake_layers(
    shared: _SharedLayers, kitchen: Kitchen, plan: SetPlan, base: BaseRecord, done: list[LayerResult]
) -> tuple[tuple[LayerRecord, ...], tuple[Irreproducible, ...]]:
    records: list[LayerRecord] = []
    different: list[Irreproducible] = []
    parents, content = base.layer_ids, base.digest
    for number, node in enumerate(plan.nodes):
        role, total = node.use.name, len(plan.nodes)
        kitchen.watch(SetStage(plan.role_set.name, plan.target, Stage.ROLE, role, number, total))
        outcome, found = shared.obtain(plan, node, base, parents, content)
        record = outcome.record
        kitchen.watch(
            LayerReady(
                plan.role_set.name, plan.target, role, outcome.cached, record.seconds, record.size
            )
        )
        records.append(record)
        different.extend(found)
        done.append(_layer_result(outcome))
        parents, content = (*parents, record.id), content_after(content, record)
    return tuple(records), tuple(different)


def _layer_result(outcome: LayerOutcome) -> LayerResult:
    record = outcome.record
    return LayerResult(
        role=record.role,
        version=record.version,
        fingerprint=record.key,
        id=record.id,
        digest=record.digest,
        size=record.size,
        cached=outcome.cached,
        seconds=0.0 if outcome.cached else record.seconds,
    )


def _bake_image(
    request: BakeRequest,
    kitchen: Kitchen,
    plan: SetPlan,
    base: BaseRecord,
    layers: tuple[LayerRecord, ...],
    seconds: float,
) -> tuple[dict[str, object], ImageRecord]:
    name, total = plan.role_set.name, len(layers)
    kitchen.watch(SetStage(name, plan.target, Stage.CAPTURE, None, total, total))
    job = ImageJob(request.project, plan, base, layers, request.keep)
    started = time.monotonic()
    up = make_image(kitchen, job, task_watch(kitchen, (plan,)))
    record = record_image(kitchen, job, up, seconds + time.monotonic() - started)
    return dict(up), record


def task_watch(kitchen: Kitchen, plans: tuple[SetPlan, ...]) -> TaskWatch:
    """Passes the tasks of a run on to the watcher, once for every role set that waits for it."""

    def watch(task: TaskStarted | TaskEnded) -> None:
        for plan in plans:
            kitchen.watch(SetTask(plan.role_set.name, plan.target, task))

    return watch


class _SharedLayers:
    """Each node of the trie is obtained once in this bake, by whichever role set comes first."""

    def __init__(self, request: BakeRequest, kitchen: Kitchen) -> None:
        self._request = request
        self._kitchen = kitchen
        self._guard = threading.Lock()
        self._nodes: dict[str, Future[tuple[LayerOutcome, tuple[Irreproducible, ...]]]] = {}

    def obtain(
        self, plan: SetPlan, node: LayerNode, base: BaseRecord, parents: tuple[str, ...], content: str
    ) -> tuple[LayerOutcome, tuple[Irreproducible, ...]]:
        """The node's layer; a role set that finds another one at work on it waits for the result."""
        with self._guard:
            future = self._nodes.get(node.chain)
            mine = future is None
            if future is None:
                future = self._nodes[node.chain] = Future()
        if not mine:
            outcome, _ = future.result()
            return replace(outcome, cached=True), ()
        try:
            made = self._make(plan, node, base, parents, content)
        except BaseException as error:
            future.set_exception(error)
            raise
        future.set_result(made)
        return made

    def _make(
        self, plan: SetPlan, node: LayerNode, base: BaseRecord, parents: tuple[str, ...], content: str
    ) -> tuple[LayerOutcome, tuple[Irreproducible, ...]]:
        job = LayerJob(
            project=self._request.project,
            node=node,
            target=plan.target,
            role_set=plan.role_set.name,
            base=base,
            parents=parents,
            content=content,
            compression=plan.role_set.image.compression,
            fresh=self._request.rebake,
            on_failure=self._request.on_failure,
        )
        sharing = tuple(
            one
            for one in self._request.plan.sets
            if one.target == plan.target and any(other.chain == node.chain for other in one.nodes)
        )
        outcome = obtain_layer(self._kitchen, job, task_watch(self._kitchen, sharing or (plan,)))
        different = (
            compare_layers(self._kitchen, node.cached, outcome.record) if self._request.rebake else ()
        )
        return outcome, different


def _unchanged(plan: SetPlan, kitchen: Kitchen) -> BakeResult:
    record = plan.image
    assert record is not None
    known = kitchen.catalog.layers() if record.layers else {}
    layers = [known[plan.target, key] for key in record.layers if (plan.target, key) in known]
    total = len(plan.nodes)
    kitchen.watch(SetStage(record.role_set, record.target, Stage.DONE, None, total, total))
    return BakeResult(
        role_set=record.role_set,
        target=record.target,
        status=Status.UNCHANGED,
        fingerprint=record.fingerprint,
        artifact=record.artifact,
        layers=tuple(_layer_result(LayerOutcome(one, cached=True)) for one in layers),
        checks=record.checks,
        seconds=0.0,
        names=record.names,
    )
