# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The null target: a scratch directory plays the machine, a frozen copy of it the layer.

It needs neither root nor an engine, so that a pipeline can be tried in a second.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ansible_collections.bakery.images.plugins.module_utils.directory_chain import delete_tree
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure
from ansible_collections.bakery.images.plugins.module_utils.layer_store import LayerStore
from ansible_collections.bakery.images.plugins.module_utils.machine_journal import (
    Journal,
    Machines,
    new_journal,
)
from ansible_collections.bakery.images.plugins.module_utils.machine_reach import write_reach
from ansible_collections.bakery.images.plugins.module_utils.owner import Owner
from ansible_collections.bakery.images.plugins.module_utils.unfinished import PARTIAL, is_abandoned

_BLOCK = 1 << 20


@dataclass(frozen=True)
class ScratchWanted:
    """A machine to make from layers (lowest first) or from what was kept of another."""

    machine_id: str
    parents: tuple[str, ...]
    epoch: int
    owner: Owner | None
    ttl_s: int
    kept: str = ""


class Scratch:
    """Machines and layers of the null target at ``root`` (= ``$BAKERY_HOME/null``)."""

    def __init__(self, root: str) -> None:
        self.store = LayerStore(root)
        self.machines = Machines(root)

    def launch(self, wanted: ScratchWanted) -> Journal:
        """Make the machine's directory: a copy of its highest parent, whose tree is whole."""
        source = self._source(wanted)
        journal = self.machines.begin(
            new_journal(
                wanted.machine_id,
                "scratch",
                owner=wanted.owner,
                ttl_s=wanted.ttl_s,
                parents=wanted.parents,
                epoch=wanted.epoch,
            )
        )
        self._copy(source, self.tree(journal.id))
        write_reach(self.machines.path(journal.id), _exec_words(self.tree(journal.id)))
        return journal

    def tree(self, machine_id: str) -> str:
        """The directory that plays the machine."""
        return self.machines.path(machine_id, "root")

    def discard(self, machine_id: str) -> bool:
        """Remove a machine; returns whether there was one."""
        if not os.path.isdir(self.machines.path(machine_id)):
            return False
        self.machines.remove(machine_id)
        return True

    def keep(self, journal: Journal, name: str) -> str:
        """Keep a machine's tree as ``failed/<name>``, in place of an earlier one; returns that directory."""
        if not name or "/" in name or name.startswith("."):
            raise MachineFailure(f"'{name}' cannot be the name of a kept machine")
        directory = os.path.join(self.store.root, "failed", name)
        try:
            delete_tree(directory)
            os.makedirs(directory)
            os.rename(self.tree(journal.id), os.path.join(directory, "tree"))
        except OSError as error:
            raise MachineFailure(
                f"machine '{journal.id}' cannot be kept as {directory}: {error.strerror}"
            ) from error
        return directory

    def freeze(self, journal: Journal, about: dict[str, Any]) -> dict[str, Any]:
        """Freeze a machine as a layer by a rename, and remove the machine."""
        started = time.monotonic()
        layer = self.commit(self.tree(journal.id), {**about, "parents": list(journal.parents)})
        self.machines.remove(journal.id)
        return {
            **layer,
            "seconds": {
                "stop": 0.0,
                "seal": 0.0,
                "freeze": round(time.monotonic() - started, 3),
                "pack": 0.0,
            },
        }

    def commit(self, tree: str, about: dict[str, Any]) -> dict[str, Any]:
        """Move a tree into the store; returns the layer as it goes up the wire."""
        digest, size, files = measure(tree)
        blob = {"digest": digest, "size": size, "media_type": "application/vnd.bakery.scratch.tree"}
        packages: dict[str, list[Any]] = {"added": [], "removed": [], "changed": []}
        record = {**about, "digest": digest, "size": size, "files": files, "packages": packages}
        self.store.ensure()
        layer_id = self.store.commit(tree, record)
        return {"id": layer_id, **record, "blob": blob}

    def swept(self) -> list[str]:
        """Names of machines that nobody needs any more."""
        now = time.time()
        names = self.machines.names()
        unfinished = [name for name in names if name.endswith(PARTIAL)]
        dead = [name for name in names if name not in unfinished and not self.machines.lives(name, now)]
        return [*dead, *(name for name in unfinished if is_abandoned(self._path(name), busy=True))]

    def _path(self, name: str) -> str:
        return os.path.join(self.machines.directory, name)

    def _source(self, wanted: ScratchWanted) -> str:
        if wanted.kept:
            kept = os.path.join(self.store.root, "failed", wanted.kept, "tree")
            if "/" in wanted.kept or not os.path.isdir(kept):
                raise MachineFailure(f"nothing is kept of a failed bake by the name '{wanted.kept}'")
            return kept
        if not wanted.parents:
            raise MachineFailure(
                f"machine '{wanted.machine_id}' has no layer to stand on; name at least the base's layers"
            )
        for layer_id in wanted.parents:
            self.store.record(layer_id)
        return self.store.tree(wanted.parents[-1])

    @staticmethod
    def _copy(source: str, target: str) -> None:
        try:
            shutil.copytree(source, target, symlinks=True)
        except (OSError, shutil.Error) as error:
            raise MachineFailure(f"{source} cannot be copied to {target}: {error}") from error


def describe_scratch(scratch: Scratch, journal: Journal) -> dict[str, Any]:
    """The machine as it goes up the wire: tasks run on this host and find the directory in a variable."""
    root = scratch.tree(journal.id)
    return {
        "id": journal.id,
        "kind": "null",
        "hostvars": {
            "ansible_connection": "ansible.builtin.local",
            "ansible_python_interpreter": sys.executable,
            "bakery_machine_root": root,
        },
        "exec": _exec_words(root),
        "shell": [*_exec_words(root), "/bin/sh"],
        "root": root,
        "address": None,
        "failed_units": [],
    }


def _exec_words(root: str) -> list[str]:
    return ["/usr/bin/env", f"--chdir={root}", f"BAKERY_MACHINE_ROOT={root}"]


def measure(tree: str) -> tuple[str, int, int]:
    """Digest of a tree's names, modes and contents (never of times and owners), bytes of content, entries."""
    digest = hashlib.sha256()
    size = files = 0
    for path, status in _entries(tree):
        relative = os.path.relpath(path, tree)
        digest.update(f"{relative}\0{status.st_mode:o}\0".encode(errors="surrogateescape"))
        files += 1
        if stat.S_ISLNK(status.st_mode):
            digest.update(os.fsencode(os.readlink(path)))
        elif stat.S_ISREG(status.st_mode):
            size += status.st_size
            with open(path, "rb") as source:
                while block := source.read(_BLOCK):
                    digest.update(block)
    return f"sha256:{digest.hexdigest()}", size, files


def files_of(tree: str) -> dict[str, str]:
    """Path -> digest of each entry of a tree, for comparing two."""
    found = {}
    for path, status in _entries(tree):
        if stat.S_ISREG(status.st_mode):
            with open(path, "rb") as source:
                found[os.path.relpath(path, tree)] = (
                    f"{status.st_mode:o} {hashlib.sha256(source.read()).hexdigest()}"
                )
        else:
            link = os.readlink(path) if stat.S_ISLNK(status.st_mode) else ""
            found[os.path.relpath(path, tree)] = f"{status.st_mode:o} {link}"
    return found


def _entries(tree: str) -> Iterator[tuple[str, os.stat_result]]:
    for directory, names, others in os.walk(tree):
        names.sort()
        for name in sorted(names + others):
            path = os.path.join(directory, name)
            yield path, os.lstat(path)
