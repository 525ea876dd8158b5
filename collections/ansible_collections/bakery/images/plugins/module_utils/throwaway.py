# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of a throwaway machine: an overlay mount over layers with a container on it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ansible_collections.bakery.images.plugins.module_utils.apt_cache import AptCache
from ansible_collections.bakery.images.plugins.module_utils.container_setup import (
    STOP_GRACE_S,
    bake_options,
    common_options,
    first_process,
    image_options,
    prepare_inside,
)
from ansible_collections.bakery.images.plugins.module_utils.engine_files import look_at_engine_files
from ansible_collections.bakery.images.plugins.module_utils.executor_client import NoExecutor
from ansible_collections.bakery.images.plugins.module_utils.executor_start import start_executor
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure
from ansible_collections.bakery.images.plugins.module_utils.layer_store import LayerStore
from ansible_collections.bakery.images.plugins.module_utils.machine_command import MachineCommand
from ansible_collections.bakery.images.plugins.module_utils.machine_description import (
    exec_words,
    find_python,
    server_program,
    task_environment,
    way_into,
)
from ansible_collections.bakery.images.plugins.module_utils.machine_journal import (
    Journal,
    Machines,
    new_journal,
)
from ansible_collections.bakery.images.plugins.module_utils.machine_network import first_address
from ansible_collections.bakery.images.plugins.module_utils.machine_processes import (
    ask_to_end,
    end_processes,
    ended_by,
)
from ansible_collections.bakery.images.plugins.module_utils.machine_reach import write_reach
from ansible_collections.bakery.images.plugins.module_utils.machine_tree import (
    make_directory,
    make_stubs,
)
from ansible_collections.bakery.images.plugins.module_utils.overlay_mount import (
    copy_root_attributes,
    mount_overlay,
    unmount,
)
from ansible_collections.bakery.images.plugins.module_utils.owner import Owner, process_start
from ansible_collections.bakery.images.plugins.module_utils.podman import Podman
from ansible_collections.bakery.images.plugins.module_utils.readiness import (
    wait_for_process,
    wait_for_systemd,
)
from ansible_collections.bakery.images.plugins.module_utils.sealing_rules import MOUNT_STUBS
from ansible_collections.bakery.images.plugins.module_utils.store_place import require_place

_BOOT_TIMEOUT_S = 120
# Longer than systemd gives a service before it kills it (systemd-system.conf(5), DefaultTimeoutStopSec).
_STOP_TIMEOUT_S = 120
_END_TIMEOUT_S = 10
_LAST_LINES = 20


@dataclass(frozen=True)
class Wanted:
    """What to launch: layers (lowest first), times in seconds; ``env`` is the ``Env`` of the base image."""

    machine_id: str
    parents: tuple[str, ...]
    epoch: int
    owner: Owner | None = None
    ttl_s: int = 86_400
    apt_scope: str = ""
    apt_max_age_s: int = 86_400
    config: dict[str, Any] | None = None
    kept: str = ""
    env: tuple[str, ...] = ()
    settle_s: float = 0.5

    @property
    def kind(self) -> str:
        """``bake`` for a machine to provision, ``image`` for one that runs an image as its users would."""
        return "bake" if self.config is None else "image"


@dataclass(frozen=True)
class Launched:
    """A machine that can be used, and the systemd units that failed in it."""

    journal: Journal
    address: str | None
    failed_units: tuple[str, ...]


class Throwaways:
    """Launches and discards machines of the container target at ``root`` (= ``$BAKERY_HOME/container``)."""

    def __init__(self, root: str) -> None:
        self.store = LayerStore(root)
        self.machines = Machines(root)

    @cached_property
    def engine(self) -> Podman:
        """The container engine; MachineFailure where there is none. What needs none works without it."""
        return Podman()

    def launch(self, wanted: Wanted) -> Launched:
        """Make, start and await a machine; whatever goes wrong, nothing of it stays."""
        require_place(self.store.root)
        self.store.ensure()
        lowerdirs = self.lowerdirs(wanted)
        journal = self.machines.begin(self._first_journal(wanted))
        try:
            return self._await(self._start(journal, wanted, lowerdirs), wanted)
        except BaseException:
            # The first error is the one to tell; what cannot be removed now is left to the sweep.
            with suppress(MachineFailure):
                self.discard(journal.id)
            raise

    def lowerdirs(self, wanted: Wanted) -> list[str]:
        """The trees that the machine stands on, highest first, relative to the store's root; all exist."""
        if not wanted.parents:
            raise MachineFailure(
                f"machine '{wanted.machine_id}' has no layer to stand on; name at least the base's layers"
            )
        lowerdirs = self.store.lowerdirs(wanted.parents)
        kept = self.require_kept(wanted.kept)
        return [kept, *lowerdirs] if kept else lowerdirs

    def require_kept(self, name: str) -> str | None:
        """The tree that is kept of a failed bake by this name, relative to the store's root; None without a
        name, and MachineFailure if there is none.
        """
        kept = f"failed/{name}/tree"
        if name and ("/" in name or not os.path.isdir(os.path.join(self.store.root, kept))):
            raise MachineFailure(f"nothing is kept of a failed bake by the name '{name}'")
        return kept if name else None

    def discard(self, machine_id: str) -> bool:
        """Remove a machine by force with all it owns, half-made or not; returns whether there was one."""
        directory = self.machines.path(machine_id)
        if not os.path.isdir(directory):
            return False
        refusal: MachineFailure | None = None
        try:
            self.engine.remove(container_name(machine_id), grace_s=0)
        except MachineFailure as error:
            refusal = error
        # Whatever the engine knows or says: no process of the machine outlives it, and nothing stays mounted.
        ran = end_processes(directory)
        unmount(directory)
        self.machines.remove(machine_id)
        if refusal and ran:
            raise refusal  # there is a container, which the sweep finds by its label
        return True

    @contextmanager
    def at_rest(self, journal: Journal) -> Iterator[bool]:
        """End the machine's services and unmount its tree, whose directory stays; its container goes.

        Yields whether everything in it ended when it was asked to; what did not was killed. With its first
        process gone nothing of a machine runs any more, so the engine tidies up while its tree is used.
        """
        directory = self.machines.path(journal.id)
        in_order = self._shut_down(journal)
        with self.engine.removing(container_name(journal.id)):
            killed = end_processes(directory)
            unmount(directory)
            yield in_order and not killed

    def command(self, journal: Journal) -> MachineCommand:
        """Commands inside a running machine."""
        if journal.pid is None or journal.start is None:
            raise MachineFailure(f"machine '{journal.id}' was never started; launch it again")
        return MachineCommand(way_into(journal, self.machines.path(journal.id)))

    def apt_cache(self, journal: Journal) -> AptCache:
        """The apt cache as the machine has it."""
        details = journal.details
        # What a failed role left is a layer of its own, that nobody else stands on.
        layers = (*journal.parents, *([journal.id] if details.get("kept") else ()))
        farm = self.machines.path(journal.id, "apt")
        return AptCache(self.store.root, details.get("apt_scope", ""), layers, farm=farm)

    def is_running(self, journal: Journal) -> bool:
        """Whether the machine's first process lives."""
        return journal.pid is not None and process_start(journal.pid) == journal.start

    def _first_journal(self, wanted: Wanted) -> Journal:
        return new_journal(
            wanted.machine_id,
            wanted.kind,
            owner=wanted.owner,
            ttl_s=wanted.ttl_s,
            container=container_name(wanted.machine_id),
            parents=wanted.parents,
            mounts=(self.machines.path(wanted.machine_id, "merged"),),
            epoch=wanted.epoch,
            details={
                "apt_scope": wanted.apt_scope,
                "kept": wanted.kept,
                "engine": self.engine.path,
                "env": list(wanted.env),
            },
        )

    def _start(self, journal: Journal, wanted: Wanted, lowerdirs: Sequence[str]) -> Journal:
        """Mount the machine's tree and start its container."""
        directory = self.machines.path(journal.id)
        for name in ("upper", "work", "merged", "inside", "units", "apt"):
            os.mkdir(os.path.join(directory, name), 0o755)
        tree, upper = os.path.join(directory, "merged"), os.path.join(directory, "upper")
        copy_root_attributes(os.path.join(self.store.root, lowerdirs[0]), upper)
        mount_overlay(self.store.root, lowerdirs, at=tree, upper=upper, work=os.path.join(directory, "work"))
        stubs = make_stubs(tree, MOUNT_STUBS)
        make_directory(tree, (wanted.config or {}).get("WorkingDir") or "/")
        init, command = first_process(wanted.config, tree)
        prepare_inside(directory, init)
        labels = {"machine": journal.id, "home": self.store.root, "kind": journal.kind}
        options = common_options(labels, wanted.owner)
        mounts: list[str] = []
        if wanted.config is not None:
            options += image_options(wanted.config, directory, init)
        else:
            mounts = self.apt_cache(journal).prepare(tree) if wanted.apt_scope else []
            options += [*bake_options(directory, init), *mounts]
        journal = self.machines.update(
            journal, stubs=stubs, details={**journal.details, "init": init, "apt": bool(mounts)}
        )
        name = container_name(journal.id)
        pid = self.engine.run(name, tree, command, options=options, pidfile=os.path.join(directory, "pid"))
        start = process_start(pid)
        if start is None:
            raise MachineFailure(self._exited(name))
        details = {**journal.details, "engine_files": look_at_engine_files(pid)}
        journal = self.machines.update(journal, pid=pid, start=start, details=details)
        write_reach(directory, exec_words(journal, directory), server_program(directory))
        self._start_executor(journal, find_python(tree, task_environment(journal).get("PATH", "")))
        return journal

    def _start_executor(self, journal: Journal, interpreter: str | None) -> None:
        """Have an executor in the machine if it has a Python; without one every command asks the engine."""
        if interpreter is not None:
            with suppress(NoExecutor):
                start_executor(self.command(journal).way, interpreter)

    def _await(self, journal: Journal, wanted: Wanted) -> Launched:
        """Wait until the machine can be used, and bring its package lists up to date."""
        init = journal.details["init"]
        if init == "image" and not wait_for_process(journal.pid or 0, settle_s=wanted.settle_s):
            raise MachineFailure(self._exited(container_name(journal.id)))
        command = self.command(journal)
        pid = journal.pid or 0
        failed = wait_for_systemd(command, pid, timeout_s=_BOOT_TIMEOUT_S) if init == "systemd" else []
        if journal.details["apt"]:
            self.apt_cache(journal).refresh(command, max_age_s=wanted.apt_max_age_s)
        return Launched(journal, first_address(pid), tuple(failed))

    def _shut_down(self, journal: Journal) -> bool:
        """Ask everything in the machine to end; returns whether it did."""
        init = journal.details.get("init")
        # It is no child of the first process, and a systemd that halts would wait ten seconds for its end.
        way_into(journal, self.machines.path(journal.id)).retire()
        if init == "image":  # the engine knows how the image wants to be stopped
            self.engine.remove(container_name(journal.id), grace_s=STOP_GRACE_S)
            return True
        if journal.pid is None or not self.is_running(journal):
            return True
        if init == "pause":
            directory = self.machines.path(journal.id)
            ask_to_end(directory, first=journal.pid, timeout_s=_END_TIMEOUT_S)
            # The init of a machine without systemd does nothing itself, and what is left ends with it.
            return ended_by(journal.pid, signal.SIGKILL, timeout_s=_STOP_TIMEOUT_S)
        # systemd(1): halt without rebooting.
        if ended_by(journal.pid, signal.SIGRTMIN + 3, timeout_s=_STOP_TIMEOUT_S):
            return True
        ended_by(journal.pid, signal.SIGKILL, timeout_s=_STOP_TIMEOUT_S)
        return False

    def _exited(self, name: str) -> str:
        container = self.engine.inspect(name)
        code = container.exit_code if container else "unknown"
        lines = self.engine.logs(name, _LAST_LINES)
        words = lines or "(none)"
        return f"the machine ended as soon as it was started, exit code {code}; its last words: {words}"


def container_name(machine_id: str) -> str:
    """The name of a machine's container."""
    return f"bakery-{machine_id}"
