# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a running machine to a frozen layer: stop, seal, freeze, pack."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure
from ansible_collections.bakery.images.plugins.module_utils.layer_store import LayerStore, StoreError
from ansible_collections.bakery.images.plugins.module_utils.machine_journal import Journal
from ansible_collections.bakery.images.plugins.module_utils.packages import layer_packages
from ansible_collections.bakery.images.plugins.module_utils.packing import pack
from ansible_collections.bakery.images.plugins.module_utils.sealed import Sealed, Sealing
from ansible_collections.bakery.images.plugins.module_utils.sealing import seal
from ansible_collections.bakery.images.plugins.module_utils.throwaway import Throwaways


@dataclass(frozen=True)
class Frozen:
    """A layer as it goes up the wire, and what sealing had to say."""

    layer: dict[str, Any]
    sealed: Sealed


@dataclass(frozen=True)
class Checkpoint:
    """What layer is wanted. ``about``: its role, version and created_by; ``keep``: absolute paths that
    sealing leaves as they are; no time is after ``epoch`` (s).
    """

    epoch: int
    about: dict[str, Any]
    compression: str
    keep: tuple[str, ...] = ()


def checkpoint(throwaways: Throwaways, journal: Journal, wanted: Checkpoint) -> Frozen:
    """Freeze what changed in a machine as a layer over its parents, and remove the machine.

    Seconds are reported for each phase.
    """
    epoch, about = wanted.epoch, wanted.about
    store = throwaways.store
    if not throwaways.is_running(journal):
        raise MachineFailure(
            f"machine '{journal.id}' does not run any more; nothing is frozen of a machine that died"
        )
    seconds: dict[str, float] = {}
    apt_cache = throwaways.apt_cache(journal)
    with ExitStack() as rest:
        with _timed(seconds, "stop"):
            in_order = rest.enter_context(throwaways.at_rest(journal))
        if not in_order:
            raise MachineFailure(
                f"what ran in machine '{journal.id}' did not end when it was asked to and had to be killed; "
                "nothing is frozen of it"
            )
        with _timed(seconds, "seal"):
            upper = throwaways.machines.path(journal.id, "upper")
            apt_cache.harvest(upper)
            lowers = [store.tree(layer_id) for layer_id in journal.parents[::-1]]
            keep = tuple(path.strip("/") for path in wanted.keep)
            sealed = seal(upper, lowers=lowers, by=Sealing(epoch, frozenset(journal.stubs), keep))
        with _timed(seconds, "freeze"):
            record = {**about, "parents": list(journal.parents), "epoch": epoch, "created": time.time()}
            layer_id = store.commit(upper, record)
        with _removed_unless_finished(store, layer_id):
            with _timed(seconds, "pack"):
                packed = pack(store, layer_id, epoch=epoch, compression=wanted.compression)
                packages = layer_packages(store, layer_id, list(journal.parents))
            apt_cache.keep_lists(layer_id)
            with _timed(seconds, "stop"):
                rest.close()
                throwaways.machines.remove(journal.id)
            rounded = {phase: round(spent, 3) for phase, spent in seconds.items()}
            told = {"packages": packages, "sealed": sealed.to_record(), "seconds": rounded}
            store.update_record(layer_id, **told)
    layer = {"id": layer_id, **about, **packed, **told}
    return Frozen(layer, sealed)


@contextmanager
def _removed_unless_finished(store: LayerStore, layer_id: str) -> Iterator[None]:
    """A layer that could not be packed, on a full disk for example, is known to nobody: remove it."""
    try:
        yield
    except BaseException:
        with suppress(StoreError):
            store.remove(layer_id)
        raise


@contextmanager
def _timed(seconds: dict[str, float], phase: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    seconds[phase] = seconds.get(phase, 0.0) + time.monotonic() - started
