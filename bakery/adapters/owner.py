"""Which process a resource lives for, and whether that process still exists."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from bakery.model.records import Owner

_PROC = Path("/proc")
# The kernel's PROC_PID_INIT_INO (include/linux/proc_ns.h): the namespace of whoever is in no container.
_FIRST_NAMESPACE = "pid:[4026531836]"
# proc(5), /proc/PID/stat: the fields after "(comm)" start with number 3, the state; starttime is number 22.
_STATE_FIELD = 3
_START_FIELD = 22


@cache
def boot_id() -> str:
    """The id of this boot of the kernel (random(4)), in a container with that of its pid_namespaces(7).

    Containers of one host have the same process ids.
    """
    boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    namespace = str((_PROC / "self" / "ns" / "pid").readlink())
    return boot if namespace == _FIRST_NAMESPACE else f"{boot}/{namespace[5:-1]}"


def this_owner(bake: str) -> Owner:
    """The owner that stands for the calling process; ``bake`` is the id of what it is doing."""
    pid = os.getpid()
    start = start_ticks(pid)
    if start is None:  # /proc is not mounted: nothing in this program works without it
        raise FileNotFoundError(_PROC / str(pid) / "stat")
    return Owner(bake=bake, pid=pid, start=start, boot=boot_id())


def alive(owner: Owner) -> bool:
    """Whether the owner's process exists: same boot, same pid, same start time, and no zombie."""
    return owner.boot == boot_id() and start_ticks(owner.pid) == owner.start


def start_ticks(pid: int) -> int | None:
    """When the process started, in clock ticks since boot; None when it is gone or a zombie."""
    fields = stat_fields(pid)
    if fields is None or fields[0] in {"Z", "X"}:
        return None
    return int(fields[_START_FIELD - _STATE_FIELD])


def stat_fields(pid: int) -> list[str] | None:
    """The fields of ``/proc/PID/stat`` from the state (number 3) on; None when the process is gone."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command name may hold anything, also spaces and parentheses.
    return text[text.rindex(")") + 2 :].split()
