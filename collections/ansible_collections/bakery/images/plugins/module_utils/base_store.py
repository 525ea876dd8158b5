# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bases: made once from their source, remembered as ``bases/<key>.json``, made anew on request only."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ansible_collections.bakery.images.plugins.module_utils.blob_store import sha256
from ansible_collections.bakery.images.plugins.module_utils.debian_base import (
    DebianSpec,
    clear_devices,
    make_tree,
    newest_changelog,
)
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure
from ansible_collections.bakery.images.plugins.module_utils.layer_store import (
    LayerStore,
    StoreError,
    canonical_json,
    write_atomically,
)
from ansible_collections.bakery.images.plugins.module_utils.machine_journal import Machines, new_journal
from ansible_collections.bakery.images.plugins.module_utils.oci_image import host_platform
from ansible_collections.bakery.images.plugins.module_utils.oci_source import import_oci_source
from ansible_collections.bakery.images.plugins.module_utils.overlay_mount import unmount
from ansible_collections.bakery.images.plugins.module_utils.owner import Owner, boot_id, process_start
from ansible_collections.bakery.images.plugins.module_utils.packages import layer_packages
from ansible_collections.bakery.images.plugins.module_utils.packing import pack
from ansible_collections.bakery.images.plugins.module_utils.sealed import Sealing
from ansible_collections.bakery.images.plugins.module_utils.sealing import seal
from ansible_collections.bakery.images.plugins.module_utils.store_place import require_place

_TTL_S = 86_400
_KEY_LENGTH = 16


@dataclass(frozen=True)
class BaseRequest:
    """A base by name and source; exactly one of ``debian`` and ``oci`` (a reference) is given."""

    name: str
    debian: DebianSpec | None = None
    oci: str | None = None
    machine_id: str = ""

    @property
    def key(self) -> str:
        """What the base is remembered by: its source, not its name."""
        source = {"debian": vars(self.debian)} if self.debian else {"oci": self.oci}
        return hashlib.sha256(canonical_json(source)).hexdigest()[:_KEY_LENGTH]


class BaseStore:
    """The bases of the container target at ``root``."""

    def __init__(self, root: str) -> None:
        self.store = LayerStore(root)
        self._directory = os.path.join(self.store.root, "bases")
        self._machines = Machines(root)

    def find(self, request: BaseRequest) -> dict[str, Any] | None:
        """The remembered base, if all of its layers are still there."""
        try:
            with open(self._path(request), "rb") as source:
                base = json.load(source)
            complete = all(self.store.exists(layer["id"]) for layer in base["layers"])
        except (FileNotFoundError, ValueError, KeyError, TypeError, RecursionError, StoreError):
            return None  # never made, or damaged: made again
        return {**base, "name": request.name} if complete else None

    @contextmanager
    def locked(self, request: BaseRequest) -> Iterator[None]:
        """Of several who want the same base at once, one makes it and the others wait."""
        require_place(self.store.root)
        self.store.ensure()
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        with open(self._path(request) + ".lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def make(self, request: BaseRequest) -> dict[str, Any]:
        """Make the base and remember it."""
        if request.debian:
            machine_id = request.machine_id or f"base-{request.key}-{os.getpid()}"
            base = self._make_debian(request.debian, machine_id)
        else:
            base = import_oci_source(self.store, request.oci or "")
            base["layers"] = [self._layer(layer_id) for layer_id in base["layers"]]
        now = datetime.now(UTC).replace(microsecond=0)
        base |= {"name": request.name, "created": now.isoformat().replace("+00:00", "Z")}
        write_atomically(self._path(request), canonical_json(base) + b"\n")
        return base

    def _make_debian(self, spec: DebianSpec, machine_id: str) -> dict[str, Any]:
        owner = Owner(bake="base", pid=os.getpid(), start=process_start(os.getpid()) or 0, boot=boot_id())
        self._machines.begin(new_journal(machine_id, "base", owner=owner, ttl_s=_TTL_S))
        directory = self._machines.path(machine_id)
        try:
            tree = os.path.join(directory, "tree")
            make_tree(spec, tree)
            clear_devices(tree)
            epoch = newest_changelog(tree)
            seal(tree, lowers=(), by=Sealing(epoch))
            layer_id = self._commit(tree, spec, epoch)
        finally:
            # The first error is the one to tell; the sweep removes what cannot be removed now.
            with suppress(MachineFailure):
                unmount(directory)
                self._machines.remove(machine_id)
        layer = self._layer(layer_id)
        digest = sha256(canonical_json({"diff_ids": [layer["digest"]], "config": {}}))
        return {
            "layers": [layer],
            "digest": digest,
            "epoch": epoch,
            "architecture": host_platform()["architecture"],
            "systemd": spec.systemd,
            "config": {},
            "resolved": f"debian:{spec.suite}@{layer['digest']}",
        }

    def _commit(self, tree: str, spec: DebianSpec, epoch: int) -> str:
        """Freeze a tree as a layer; an equal one that is there already is taken instead."""
        created_by = f"bakery base debian {spec.suite}"
        record = {"role": None, "version": None, "created_by": created_by, "parents": [], "epoch": epoch}
        layer_id = self.store.commit(tree, record)
        try:
            digest = pack(self.store, layer_id, epoch=epoch)["digest"]
        except BaseException:
            with suppress(StoreError):  # the first error is the one to tell
                self.store.remove(layer_id)
            raise
        for other in self.store.ids():
            if other != layer_id and self._digest(other) == digest:
                self.store.remove(layer_id)
                return other
        self.store.update_record(layer_id, packages=layer_packages(self.store, layer_id, []))
        return layer_id

    def _digest(self, layer_id: str) -> str | None:
        try:
            return self.store.record(layer_id).get("digest")
        except StoreError:
            return None

    def _layer(self, layer_id: str) -> dict[str, Any]:
        record = self.store.record(layer_id)
        names = ("digest", "size", "files", "created_by")
        blob = next(iter(record.get("blobs", {}).values()), None)
        return {"id": layer_id, **{name: record.get(name) for name in names}, "blob": blob}

    def _path(self, request: BaseRequest) -> str:
        return os.path.join(self._directory, f"{request.key}.json")
