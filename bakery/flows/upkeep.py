"""``bakery sweep`` and ``bakery prune``: what dead bakes left, and what nothing refers to any more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from bakery.errors import BakeryError, InterruptedBake
from bakery.flows.handed_up import handed_up
from bakery.flows.kitchen import KEEPING, KEPT, STORE_LOCK, Kitchen
from bakery.model.records import ImageRecord, LayerRecord, Owner


@dataclass(frozen=True)
class Swept:
    """What a sweep removed (or would) on one target: what the target found, the journal entries closed, and
    the machines that had been kept on purpose. With ``error`` it could not be swept, or not to the end.
    """

    target: str
    report: Mapping[str, Any]
    journal: tuple[str, ...]
    kept: tuple[str, ...] = ()
    error: BakeryError | None = None


@dataclass(frozen=True)
class SweepRequest:
    """``alive`` tells whether the owner of a machine still runs; ``kept`` wants machines of --keep too."""

    targets: tuple[str, ...]
    alive: Callable[[Owner], bool]
    dry_run: bool
    kept: bool = False


def sweep(kitchen: Kitchen, request: SweepRequest) -> tuple[Swept, ...]:
    """Remove what dead bakes left. Never touches what belongs to a live one.

    A target that cannot be swept keeps no other from it.
    """
    return tuple(_sweep_if_possible(kitchen, request, target) for target in request.targets)


def _sweep_if_possible(kitchen: Kitchen, request: SweepRequest, target: str) -> Swept:
    try:
        return _sweep_target(kitchen, request, target)
    except InterruptedBake:
        raise
    except BakeryError as error:
        return Swept(target, {}, (), error=error)


def _sweep_target(kitchen: Kitchen, request: SweepRequest, target: str) -> Swept:
    entries = [one for one in kitchen.catalog.open_machines() if one.target == target]
    dead = [one for one in entries if one.purpose != KEPT and not request.alive(one.owner)]
    kept = [one for one in entries if one.purpose == KEPT] if request.kept else []
    # The target knows no owner of a machine that was to be kept, so it spares it until its time is over.
    ours = [*kept, *(one for one in dead if one.purpose == KEEPING)]
    if not request.dry_run:
        for entry in ours:
            kitchen.run("discard.yml", target, {"bakery_machine_id": entry.id})
    up = kitchen.run("sweep.yml", target, {"bakery_dry_run": request.dry_run})
    swept = handed_up(up, "swept", target)
    if not request.dry_run:
        for machine_id in {*(one.id for one in (*dead, *kept)), *map(str, swept.get("machines") or ())}:
            kitchen.catalog.close_machine(machine_id)
    return Swept(target, swept, tuple(one.id for one in dead), tuple(one.id for one in kept))


def alone_in_the_store(kitchen: Kitchen) -> AbstractContextManager[None]:
    """Hold the store for a prune: a bake under way has layers that nothing refers to yet, and whoever reads
    an image needs all of its files.
    """

    def say_waiting() -> None:
        kitchen.say_waiting(None, "the store is in use: waiting for the end of that", lock=STORE_LOCK)

    return kitchen.locks.hold(STORE_LOCK, say_waiting)


@dataclass(frozen=True)
class Keep:
    """What a prune spares: this many images of each role set and target, and no more than ``max_size`` bytes
    of layers.
    """

    last: int
    max_size: int | None


@dataclass(frozen=True)
class PrunePlan:
    """What would go and stay on one target. Pure value: printing it is the dry run."""

    target: str
    images: tuple[ImageRecord, ...]
    layers: tuple[LayerRecord, ...]
    keep_images: tuple[str, ...]
    keep_layers: tuple[str, ...]
    keep_bases: tuple[str, ...]


def plan_prune(kitchen: Kitchen, target: str, *, wanted_bases: frozenset[str], keep: Keep) -> PrunePlan:
    """Keep the newest images of every role set with their layers; ``wanted_bases`` are spec digests in
    use.
    """
    images = [one for one in kitchen.catalog.images() if one.target == target]
    layers = {key: one for (kind, key), one in kitchen.catalog.layers().items() if kind == target}
    kept = _newest(images, keep.last)
    if keep.max_size is not None:
        kept = _within(kept, layers, keep.max_size)
    used = {key for image in kept for key in image.layers}
    kept_digests = {str(image.artifact["digest"]) for image in kept}
    base_digests = {image.base_digest for image in kept}
    bases = [
        one
        for (kind, spec), one in kitchen.catalog.bases().items()
        if kind == target and (spec in wanted_bases or one.digest in base_digests)
    ]
    attempts = [one for one in kitchen.catalog.attempts() if one.target == target]
    # A failed bake keeps what 'bakery shell' needs to look inside.
    kept_digests |= {str(one.artifact["digest"]) for one in attempts if one.artifact}
    keep_layers = {
        *(layers[key].id for key in used if key in layers),
        *(layer for base in bases for layer in base.layer_ids),
        # A base that was renewed is not among the bases, but images made from the old one still need it.
        *(layer for image in kept for layer in image.inputs.get("base_layers", ())),
        *(layer for one in attempts for layer in one.layers),
    }
    return PrunePlan(
        target=target,
        images=tuple(one for one in images if str(one.artifact["digest"]) not in kept_digests),
        layers=tuple(one for one in layers.values() if one.id not in keep_layers),
        keep_images=tuple(sorted(kept_digests)),
        keep_layers=tuple(sorted(keep_layers)),
        keep_bases=tuple(sorted(base.digest for base in bases)),
    )


def _newest(images: list[ImageRecord], last: int) -> list[ImageRecord]:
    by_set: dict[str, list[ImageRecord]] = {}
    for image in images:
        by_set.setdefault(image.role_set, []).append(image)
    return [image for mine in by_set.values() for image in mine[max(0, len(mine) - last) :]]


def _within(images: list[ImageRecord], layers: Mapping[str, LayerRecord], budget: int) -> list[ImageRecord]:
    """The newest images whose layers, each counted once, fit into ``budget`` bytes."""
    kept: list[ImageRecord] = []
    counted: set[str] = set()
    used = 0
    for image in sorted(images, key=lambda one: one.made)[::-1]:
        new = [key for key in image.layers if key not in counted and key in layers]
        size = sum(layers[key].size for key in new)
        if used + size > budget:
            continue
        kept.append(image)
        counted.update(new)
        used += size
    return kept


def prune(kitchen: Kitchen, plan: PrunePlan, *, dry_run: bool) -> Mapping[str, Any]:
    """Carry a prune plan out: first the catalog forgets, then the store removes. Returns the target's
    report.
    """
    if not dry_run:
        kitchen.catalog.forget_images(plan.target, tuple(str(one.artifact["digest"]) for one in plan.images))
        kitchen.catalog.forget_layers(plan.target, tuple(one.id for one in plan.layers))
        stale = tuple(
            record.digest
            for (kind, _), record in kitchen.catalog.bases().items()
            if kind == plan.target and record.digest not in plan.keep_bases
        )
        kitchen.catalog.forget_bases(plan.target, stale)
    up = kitchen.run(
        "prune.yml",
        plan.target,
        {
            "bakery_keep_layers": list(plan.keep_layers),
            "bakery_keep_images": list(plan.keep_images),
            "bakery_keep_bases": list(plan.keep_bases),
            "bakery_dry_run": dry_run,
        },
    )
    return handed_up(up, "pruned", plan.target)
