# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding and removing what dead bakes left, from the kernel's and the engine's view, not from memory."""

from __future__ import annotations

import fcntl
import glob
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from ansible_collections.bakery.images.plugins.module_utils.machine_journal import Machines, remove_directory
from ansible_collections.bakery.images.plugins.module_utils.machine_processes import end_processes
from ansible_collections.bakery.images.plugins.module_utils.overlay_mount import mounts_below, unmount
from ansible_collections.bakery.images.plugins.module_utils.owner import Life, Owner
from ansible_collections.bakery.images.plugins.module_utils.podman import LABEL, Listed, Podman
from ansible_collections.bakery.images.plugins.module_utils.unfinished import PARTIAL, is_abandoned

# How long a container stays whose machine has no journal and whose owner cannot be seen from here.
_UNSEEN_S = 86_400
_PARTIAL_PLACES = (
    "payloads/*",
    "",
    "layers",
    "layers/*",
    "flattened",
    "machines",
    "bases",
    "failed",
    "oci",
    "oci/blobs/sha256",
    "cache/apt/archives",
    "cache/apt/lists",
)


@dataclass
class Swept:
    """What was removed, or would be: ids of machines, mount points, container names, directories."""

    machines: list[str] = field(default_factory=list)
    mounts: list[str] = field(default_factory=list)
    containers: list[str] = field(default_factory=list)
    directories: list[str] = field(default_factory=list)

    @property
    def anything(self) -> bool:
        """Whether there was anything."""
        return bool(self.machines or self.mounts or self.containers or self.directories)


class Sweep:
    """One look at the target's directory and what the kernel and the engine have of it."""

    def __init__(self, root: str, engine: Podman | None) -> None:
        self._root = os.path.abspath(root)
        self._machines = Machines(root)
        self._engine = engine
        self._now = time.time()

    def find(self) -> Swept:
        """Everything that no living bake owns. Nothing is changed.

        Mounts and containers are listed before journals are read: a journal is older than what it owns.
        """
        swept = Swept()
        mounts = mounts_below(self._machines.directory)
        containers = self._containers()
        names = [name for name in self._machines.names() if not name.endswith(PARTIAL)]
        swept.machines = [name for name in names if not self._lives(name)]
        swept.mounts = [point for point in mounts if not self._lives(self._machine_of(point))]
        swept.containers = [one.name for one in containers if self._is_orphan(one)]
        swept.directories = [os.path.join(self._machines.directory, name) for name in swept.machines]
        busy = len(swept.machines) < len(names) or self._someone_imports()
        swept.directories += list(self._dead_partials(busy=busy))
        return swept

    def remove(self, swept: Swept) -> None:
        """Remove what ``find`` found: containers first, since they hold the mounts."""
        for name in swept.containers:
            if self._engine:
                self._engine.remove(name, grace_s=0)
        for name in swept.machines:
            # An engine whose state was reset has no container for a machine that still runs.
            end_processes(os.path.join(self._machines.directory, name))
        for point in swept.mounts:
            unmount(point)
        for path in swept.directories:
            _remove_tree(path)

    def _lives(self, name: str) -> bool:
        return self._machines.lives(name, self._now)

    def _machine_of(self, point: str) -> str:
        return os.path.relpath(point, os.path.realpath(self._machines.directory)).split("/")[0]

    def _containers(self) -> list[Listed]:
        return self._engine.containers(f"{LABEL}.home", self._root) if self._engine else []

    def _is_orphan(self, container: Listed) -> bool:
        """Whether a container's machine is dead; one without a journal is judged by its label."""
        if self._lives(container.labels.get(f"{LABEL}.machine", "")):
            return False
        pid, _colon, rest = container.labels.get(f"{LABEL}.owner", "").partition(":")
        start, _colon, boot = rest.partition(":")
        if not (pid.isdigit() and start.isdigit()):
            return True
        life = Owner(bake="", pid=int(pid), start=int(start), boot=boot).life()
        return container.created < self._now - _UNSEEN_S if life is Life.UNKNOWN else life is Life.GONE

    def _someone_imports(self) -> bool:
        """Whether somebody holds the lock of a base that is being made."""
        return any(
            is_locked(path) for path in glob.glob(os.path.join(glob.escape(self._root), "bases", "*.lock"))
        )

    def _dead_partials(self, *, busy: bool) -> Iterator[str]:
        for place in _PARTIAL_PLACES:
            for directory in glob.glob(os.path.join(glob.escape(self._root), place)):
                for name in _names_in(directory):
                    path = os.path.join(directory, name)
                    if name.endswith(PARTIAL) and is_abandoned(path, busy=busy):
                        yield path


def _names_in(directory: str) -> list[str]:
    """What is in a directory; nothing if it is none, or just went."""
    try:
        return sorted(os.listdir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return []


def is_locked(path: str) -> bool:
    """Whether somebody holds a lock (flock(2)) on the file."""
    try:
        with open(path, "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def _remove_tree(path: str) -> None:
    """Remove a file or a directory; a machine's journal goes last, so that the next sweep finds the rest."""
    if os.path.isdir(path) and not os.path.islink(path):
        unmount(path)
    remove_directory(path)
