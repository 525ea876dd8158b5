# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who owns a machine, and whether that process is still alive.

A process is named by its id, its start time and the boot it runs in, because process ids are reused, and by
the namespace of its id: jobs of a CI in containers on one host have one account of a cloud, and the same ids.
Whoever is in a container cannot look into the namespaces beside its own: what belongs to a process there is
let live until its time is over.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

# The kernel's PROC_PID_INIT_INO (include/linux/proc_ns.h): the namespace of whoever is in no container.
_FIRST_NAMESPACE = "4026531836"


class Life(Enum):
    """Whether a process lives; UNKNOWN is one in a namespace that cannot be looked into from here."""

    ALIVE = "alive"
    GONE = "gone"
    UNKNOWN = "unknown"


def own_namespace() -> str:
    """The number of the caller's pid_namespaces(7)."""
    return _namespace_of("self")


def boot_id() -> str:
    """The identity of the running kernel's boot (random(4), ``/proc/sys/kernel/random/boot_id``).

    Within a container, that of its pid_namespaces(7) is appended.
    """
    namespace = own_namespace()
    return _kernel_boot() if namespace == _FIRST_NAMESPACE else f"{_kernel_boot()}/{namespace}"


def process_start(pid: int) -> int | None:
    """When ``pid`` started, in clock ticks since boot (proc(5), field 22); None if it is gone or a zombie."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as source:
            stat = source.read()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command name, field 2, may hold spaces and parentheses: count from its last parenthesis.
    fields = stat[stat.rindex(b")") + 2 :].split()
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


def process_life(pid: int, start: int, namespace: str) -> Life:
    """Whether the process lives that has the id ``pid`` in a namespace of this boot."""
    ours = own_namespace()
    if namespace == ours:
        return Life.ALIVE if process_start(pid) == start else Life.GONE
    # The processes of all namespaces are seen from the first one, and from no other.
    if ours != _FIRST_NAMESPACE:
        return Life.UNKNOWN
    try:
        starts = list(_starts_within(namespace, pid))
    except PermissionError:
        return Life.UNKNOWN
    return Life.ALIVE if start in starts else Life.GONE


@dataclass(frozen=True)
class Owner:
    """The process that a machine belongs to, and the bake it works on."""

    bake: str
    pid: int
    start: int
    boot: str

    @classmethod
    def from_wire(cls, value: dict[str, Any] | None) -> Owner | None:
        """Read ``bakery_owner``; None or an empty mapping: nobody in particular owns the machine.

        ValueError if the mapping is no owner.
        """
        if not value:
            return None
        missing = {"pid", "start", "boot"} - set(value)
        if missing:
            raise ValueError(f"the owner has no {' and no '.join(sorted(missing))}")
        return cls(
            bake=str(value.get("bake", "")),
            pid=int(value["pid"]),
            start=int(value["start"]),
            boot=str(value["boot"]),
        )

    def to_wire(self) -> dict[str, Any]:
        """The mapping that ``from_wire`` reads."""
        return {"bake": self.bake, "pid": self.pid, "start": self.start, "boot": self.boot}

    def life(self) -> Life:
        """Whether exactly this process runs now."""
        boot, _slash, namespace = self.boot.partition("/")
        if boot != _kernel_boot():
            return Life.GONE
        return process_life(self.pid, self.start, namespace or _FIRST_NAMESPACE)

    def is_alive(self) -> bool:
        """Whether exactly this process runs now, as far as can be seen from here."""
        return self.life() is Life.ALIVE


def _kernel_boot() -> str:
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as source:
        return source.read().strip()


def _namespace_of(process: str) -> str:
    return os.readlink(f"/proc/{process}/ns/pid").removeprefix("pid:[").removesuffix("]")


def _starts_within(namespace: str, pid: int) -> Iterator[int]:
    """When the processes started that have the id ``pid`` in another namespace: one at most, if it is there.

    PermissionError if it cannot be told.
    """
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            if _innermost_pid(name) == pid and _namespace_of(name) == namespace:
                start = process_start(int(name))
                if start is not None:
                    yield start
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended meanwhile


def _innermost_pid(process: str) -> int | None:
    """The id of a process in its own namespace (proc(5), ``NSpid`` in ``/proc/PID/status``); None if that is
    ours: its place need not be asked for, which not even root may of every process.
    """
    with open(f"/proc/{process}/status", encoding="ascii", errors="replace") as source:
        line = next((line for line in source if line.startswith("NSpid:")), "")
    ids = line.split()[1:]
    return int(ids[-1]) if len(ids) > 1 else None
