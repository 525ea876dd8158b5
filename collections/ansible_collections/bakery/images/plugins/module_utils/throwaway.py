# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of a throwaway machine: an overlay mount over layers with a container on it."""

from __future__ import annotations

import os
import pkgutil
import shutil
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.bakery.images.plugins.module_utils.apt_cache import APT_CONFIG, AptCache
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure
from ansible_collections.bakery.images.plugins.module_utils.layer_store import LayerStore
from ansible_collections.bakery.images.plugins.module_utils.machine_command import MachineCommand
from ansible_collections.bakery.images.plugins.module_utils.machine_journal import (
    Journal,
    Machines,
    new_journal,
)
from ansible_collections.bakery.images.plugins.module_utils.machine_tree import boots_systemd, make_stubs
from ansible_collections.bakery.images.plugins.module_utils.overlay_mount import (
    copy_root_attributes,
    mount_overlay,
    unmount,
)
from ansible_collections.bakery.images.plugins.module_utils.owner import Owner, process_start
from ansible_collections.bakery.images.plugins.module_utils.podman import Podman, label_options
from ansible_collections.bakery.images.plugins.module_utils.readiness import (
    wait_for_process,
    wait_for_systemd,
)
from ansible_collections.bakery.images.plugins.module_utils.sealing_rules import MOUNT_STUBS

HOSTNAME = "bakery"
# Seen inside the machine; a tmpfs holds it, so nothing of it can get into a layer.
_INSIDE = "/run/bakery"
_BOOT_TIMEOUT_S = 120
_STOP_GRACE_S = 30
_LAST_LINES = 20
# What image builds with other tools may do too: packages make devices, audit logins and set file capabilities.
_BAKE_CAPABILITIES = ("MKNOD", "AUDIT_WRITE", "NET_RAW")
# Timers of Debian that would work on the machine behind a role's back (and hold apt's lock): a condition
# keeps them from starting here, and roles may still enable, start or mask them.
_QUIET_UNITS = (
    "apt-daily",
    "apt-daily-upgrade",
    "dpkg-db-backup",
    "e2scrub_all",
    "fstrim",
    "logrotate",
    "man-db",
    "motd-news",
)


@dataclass(frozen=True)
class Wanted:
    """What to launch: layers (lowest first), times in seconds."""

    machine_id: str
    parents: tuple[str, ...]
    epoch: int
    owner: Owner | None = None
    ttl_s: int = 86_400
    apt_scope: str = ""
    apt_max_age_s: int = 86_400
    config: dict[str, Any] | None = None
    kept: str = ""
    settle_s: float = 0.5
    details: dict[str, Any] = field(default_factory=dict)

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
    lists_fetched: bool


class Throwaways:
    """Launches and discards machines of the container target at ``root`` (= ``$BAKERY_HOME/container``)."""

    def __init__(self, root: str) -> None:
        self.store = LayerStore(root)
        self.machines = Machines(root)
        self.engine = Podman()

    def launch(self, wanted: Wanted) -> Launched:
        """Make, start and await a machine; whatever goes wrong, nothing of it stays."""
        self.store.ensure()
        lowerdirs = self.store.lowerdirs(wanted.parents)
        if not lowerdirs:
            raise MachineFailure(
                f"machine '{wanted.machine_id}' has no layer to stand on; name at least the base's layers"
            )
        journal = self.machines.begin(self._first_journal(wanted))
        try:
            return self._start(journal, wanted, lowerdirs)
        except BaseException:
            # The first error is the one to tell; what cannot be removed now is left to the sweep.
            with suppress(MachineFailure):
                self.discard(journal.id, grace_s=0)
            raise

    def lowerdirs(self, wanted: Wanted) -> list[str]:
        """The trees that the machine stands on, highest first, relative to the store's root; all exist."""
        if not wanted.parents:
            raise MachineFailure(f"machine '{wanted.machine_id}' has no layer to stand on; name at least the base's layers")
        lowerdirs = self.store.lowerdirs(wanted.parents)
        if wanted.kept:
            kept = f"failed/{wanted.kept}/tree"
            if "/" in wanted.kept or not os.path.isdir(os.path.join(self.store.root, kept)):
                raise MachineFailure(f"nothing is kept of a failed bake by the name '{wanted.kept}'")
            lowerdirs.insert(0, kept)
        return lowerdirs

    def discard(self, machine_id: str, *, grace_s: int = _STOP_GRACE_S) -> bool:
        """Remove a machine and all it owns; returns whether there was one. A half-made one is fine."""
        directory = self.machines.path(machine_id)
        if not os.path.isdir(directory):
            return False
        self.engine.remove(container_name(machine_id), grace_s=grace_s)
        unmount(directory)
        self.machines.remove(machine_id)
        return True

    def stop(self, journal: Journal) -> None:
        """End the machine's services and processes, and unmount its tree; its directory stays."""
        if (
            journal.details.get("init") == "pause"
            and journal.pid
            and process_start(journal.pid) == journal.start
        ):
            _end_processes(journal)
        self.engine.remove(container_name(journal.id), grace_s=_STOP_GRACE_S)
        unmount(self.machines.path(journal.id))

    def command(self, journal: Journal) -> MachineCommand:
        """Commands inside a running machine."""
        if journal.pid is None or journal.start is None:
            raise MachineFailure(f"machine '{journal.id}' was never started; launch it again")
        return MachineCommand(journal.pid, journal.start, task_environment(journal))

    def apt_cache(self, journal: Journal) -> AptCache:
        """The apt cache of the scope that the machine was launched in."""
        return AptCache(
            self.store.root, journal.details.get("apt_scope", ""), self.machines.path(journal.id, "apt")
        )

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
            details={**wanted.details, "apt_scope": wanted.apt_scope},
        )

    def _start(self, journal: Journal, wanted: Wanted, lowerdirs: Sequence[str]) -> Launched:
        directory = self.machines.path(journal.id)
        for name in ("upper", "work", "merged", "inside", "units", "apt"):
            os.mkdir(os.path.join(directory, name), 0o755)
        tree, upper = os.path.join(directory, "merged"), os.path.join(directory, "upper")
        copy_root_attributes(os.path.join(self.store.root, lowerdirs[0]), upper)
        mount_overlay(self.store.root, lowerdirs, at=tree, upper=upper, work=os.path.join(directory, "work"))
        stubs = make_stubs(tree, MOUNT_STUBS)
        init, command = _command(wanted.config, tree)
        options = self._options(journal, wanted, init)
        apt = self._apt_options(journal, wanted, tree)
        if apt:
            options += apt
        _prepare_inside(directory, init)
        details = {**journal.details, "init": init, "apt": bool(apt), "engine": self.engine.path}
        journal = self.machines.update(journal, stubs=stubs, details=details)
        self.engine.run(container_name(journal.id), tree, command, options=options)
        return self._await(journal, wanted)

    def _await(self, journal: Journal, wanted: Wanted) -> Launched:
        name = container_name(journal.id)
        container = self.engine.inspect(name)
        start = process_start(container.pid) if container and container.pid else None
        if container is None or not container.running or start is None:
            raise MachineFailure(self._exited(name))
        journal = self.machines.update(journal, pid=container.pid, start=start)
        init = journal.details["init"]
        failed: list[str] = []
        if init == "systemd":
            failed = wait_for_systemd(self.command(journal), timeout_s=_BOOT_TIMEOUT_S)
        elif init == "image" and not wait_for_process(container.pid, settle_s=wanted.settle_s):
            raise MachineFailure(self._exited(name))
        fetched = False
        if journal.details["apt"]:
            fetched = self.apt_cache(journal).refresh(self.command(journal), max_age_s=wanted.apt_max_age_s)
        return Launched(journal, container.address, tuple(failed), fetched)

    def _exited(self, name: str) -> str:
        container = self.engine.inspect(name)
        code = container.exit_code if container else "unknown"
        lines = self.engine.logs(name, _LAST_LINES)
        return f"the machine ended as soon as it was started, exit code {code}; its last words: {lines or '(none)'}"

    def _options(self, journal: Journal, wanted: Wanted, init: str) -> list[str]:
        owner = wanted.owner
        labels = {
            "machine": journal.id,
            "home": self.store.root,
            "bake": owner.bake if owner else "",
            "kind": journal.kind,
        }
        if owner:
            labels["owner"] = f"{owner.pid}:{owner.start}:{owner.boot}"
        options = [f"--hostname={HOSTNAME}", *label_options(labels), "--stop-timeout", str(_STOP_GRACE_S)]
        directory = self.machines.path(journal.id)
        if wanted.config is not None:
            pause = [f"--volume={directory}/inside:{_INSIDE}:ro"] if init == "pause" else []
            return [*options, *image_options(wanted.config, init), *pause]
        options += [f"--cap-add={name}" for name in _BAKE_CAPABILITIES]
        options.append(f"--volume={directory}/inside:{_INSIDE}:ro")
        if init == "systemd":
            return [*options, "--systemd=always", f"--volume={directory}/units:/run/systemd/system:rw"]
        tmpfs = ["--tmpfs=/run:rw,nosuid,nodev,exec,mode=755", "--tmpfs=/tmp:rw,nosuid,nodev,exec,mode=1777"]
        return [*options, "--systemd=false", *tmpfs]

    def _apt_options(self, journal: Journal, wanted: Wanted, tree: str) -> list[str]:
        return self.apt_cache(journal).prepare(tree) if wanted.apt_scope and wanted.kind == "bake" else []


def container_name(machine_id: str) -> str:
    """The name of a machine's container."""
    return f"bakery-{machine_id}"


def task_environment(journal: Journal) -> dict[str, str]:
    """What every command of a bake sees (https://reproducible-builds.org/specs/source-date-epoch/)."""
    environment = {"PYTHONDONTWRITEBYTECODE": "1"}
    if journal.kind == "bake":
        environment |= {"SOURCE_DATE_EPOCH": str(journal.epoch), "PYTHONHASHSEED": "0"}
        if journal.details.get("apt"):
            environment["APT_CONFIG"] = f"{_INSIDE}/apt.conf"
    return environment


def describe(machines: Machines, launched: Launched) -> dict[str, Any]:
    """The machine as it goes up the wire."""
    journal = launched.journal
    tree = machines.path(journal.id, "merged")
    entry = machines.path(journal.id, "enter.py")
    shell = "/bin/bash" if os.path.lexists(f"{tree}/bin/bash") else "/bin/sh"
    environment = task_environment(journal)
    settings = [word for name, value in sorted(environment.items()) for word in ("--env", f"{name}={value}")]
    prefix = [
        sys.executable,
        "-I",
        "-S",
        entry,
        "--pid",
        str(journal.pid),
        "--start",
        str(journal.start),
        *settings,
        "--",
    ]
    engine, container = journal.details["engine"], journal.container or ""
    return {
        "id": journal.id,
        "kind": "container",
        "hostvars": _hostvars(journal, tree, environment),
        "exec": prefix,
        "shell": [engine, "exec", "--interactive", "--tty", "--user", "0", container, shell],
        "root": tree,
        "address": launched.address,
        "failed_units": list(launched.failed_units),
    }


def _hostvars(journal: Journal, tree: str, environment: dict[str, str]) -> dict[str, Any]:
    hostvars: dict[str, Any] = {
        "ansible_connection": "bakery.images.machine",
        "ansible_bakery_machine": journal.id,
        "ansible_bakery_container": journal.container,
        "ansible_bakery_engine": journal.details["engine"],
        "ansible_bakery_pid": journal.pid,
        "ansible_bakery_start": journal.start,
        "ansible_bakery_environment": environment,
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_remote_tmp": "/run/bakery-ansible",
        "ansible_async_dir": "/run/bakery-async",
        "ansible_system_tmpdirs": ["/tmp"],
    }
    if not any(
        os.path.lexists(f"{tree}/{path}") for path in ("usr/bin/sudo", "bin/sudo", "usr/local/bin/sudo")
    ):
        # Every Debian has su. It must not start the login shell: a service account has none.
        hostvars["ansible_become_method"] = "ansible.builtin.su"
        hostvars["ansible_su_flags"] = "-s /bin/sh"
    return hostvars


def image_options(config: dict[str, Any], init: str) -> list[str]:
    """Engine options that honour an image configuration (image-spec, config.md) as ``podman run`` would."""
    options = [
        "--systemd=always" if init == "systemd" else "--systemd=true",
        "--interactive",
        "--http-proxy=false",
    ]
    options += [f"--env={setting}" for setting in config.get("Env") or []]
    options += [f"--volume={path}" for path in sorted(config.get("Volumes") or {})]
    for option, key in (("--user", "User"), ("--workdir", "WorkingDir"), ("--stop-signal", "StopSignal")):
        if config.get(key):
            options.append(f"{option}={config[key]}")
    return options


def _command(config: dict[str, Any] | None, tree: str) -> tuple[str, list[str]]:
    """Who is the machine's first process (``systemd``, ``pause``, ``image``), and its command line."""
    command = [*(config.get("Entrypoint") or []), *(config.get("Cmd") or [])] if config else []
    if command:
        names = ("/sbin/init", "/usr/sbin/init", "/lib/systemd/systemd", "/usr/lib/systemd/systemd")
        return ("systemd" if command[0] in names and boots_systemd(tree) else "image"), command
    if boots_systemd(tree):
        return "systemd", ["/sbin/init"]
    return "pause", [f"{_INSIDE}/init", "-P"]


def _prepare_inside(directory: str, init: str) -> None:
    """Files that the machine sees below /run, and the program that enters it."""
    inside, units = os.path.join(directory, "inside"), os.path.join(directory, "units")
    with open(os.path.join(inside, "apt.conf"), "w", encoding="utf-8") as out:
        out.write(APT_CONFIG)
    for unit in _QUIET_UNITS:
        dropin = os.path.join(units, f"{unit}.service.d")
        os.mkdir(dropin)
        with open(os.path.join(dropin, "bakery.conf"), "w", encoding="utf-8") as out:
            out.write(f"[Unit]\nConditionPathExists=!{_INSIDE}\n")
    if init == "pause":
        # A static program of the engine's own that does nothing but wait for children (catatonit -P).
        program = shutil.which("catatonit") or shutil.which(
            "catatonit", path="/usr/libexec/podman:/usr/lib/podman"
        )
        if program is None:
            raise MachineFailure(
                "a base without systemd needs the init program catatonit; install the package 'catatonit'"
            )
        shutil.copy2(program, os.path.join(inside, "init"))
    source = pkgutil.get_data("ansible_collections.bakery.images.plugins.module_utils", "namespaces.py")
    assert source is not None
    with open(os.path.join(directory, "enter.py"), "wb") as entry:
        entry.write(source)


def _end_processes(journal: Journal) -> None:
    """Ask every process of a machine without a service manager to end, and wait for it."""
    script = (
        "kill -TERM -1 2>/dev/null; n=0; "
        "while [ $n -lt 100 ] && set -- /proc/[0-9]* && [ $# -gt 2 ]; do n=$((n+1)); sleep 0.1; done"
    )
    assert journal.pid is not None and journal.start is not None
    MachineCommand(journal.pid, journal.start, {}).run(
        ["/bin/sh", "-c", f"trap '' TERM; {script}"], timeout_s=60
    )


__all__ = [
    "Launched",
    "Throwaways",
    "Wanted",
    "container_name",
    "describe",
    "image_options",
    "remove_directory",
]
