# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who owns a machine, and whether that process is still alive.

A process is named by its id, its start time and the boot it runs in, because process ids are reused, and by
the namespace of its id: jobs of a CI in containers on one host have one account of a cloud, and the same ids.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

# The kernel's PROC_PID_INIT_INO (include/linux/proc_ns.h): the namespace of whoever is in no container.
_FIRST_NAMESPACE = "pid:[4026531836]"


def boot_id() -> str:
    """The identity of the running kernel's boot (random(4), ``/proc/sys/kernel/random/boot_id``).

    Within a container, that of its pid_namespaces(7) is appended.
    """
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as source:
        boot = source.read().strip()
    namespace = os.readlink("/proc/self/ns/pid")
    return boot if namespace == _FIRST_NAMESPACE else f"{boot}/{namespace[5:-1]}"


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


@dataclass(frozen=True)
class Owner:
    """The process that a machine belongs to, and the bake it works on."""

    bake: str
    pid: int
    start: int
    boot: str

    @classmethod
    def from_wire(cls, value: dict[str, Any] | None) -> Owner | None:
        """Read ``bakery_owner``; None or an empty mapping: nobody in particular owns the machine."""
        if not value:
            return None
        return cls(
            bake=str(value.get("bake", "")),
            pid=int(value["pid"]),
            start=int(value["start"]),
            boot=str(value["boot"]),
        )

    def to_wire(self) -> dict[str, Any]:
        """The mapping that ``from_wire`` reads."""
        return {"bake": self.bake, "pid": self.pid, "start": self.start, "boot": self.boot}

    def is_alive(self) -> bool:
        """Whether exactly this process runs now."""
        return self.boot == boot_id() and process_start(self.pid) == self.start
