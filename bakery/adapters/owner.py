"""Which process a resource lives for, and whether that process still exists."""

from __future__ import annotations

import contextlib
import os
from enum import Enum
from functools import cache
from pathlib import Path

from bakery.model.records import Owner

_PROC = Path("/proc")
# The kernel's PROC_PID_INIT_INO (include/linux/proc_ns.h): the namespace of whoever is in no container.
_FIRST_NAMESPACE = "4026531836"
# proc(5), /proc/PID/stat: the fields after "(comm)" start with number 3, the state; starttime is number 22.
_STATE_FIELD = 3
_START_FIELD = 22


def boot_id() -> str:
    """The id of this boot of the kernel (random(4)), in a container with that of its pid_namespaces(7).

    Containers of one host have the same process ids.
    """
    namespace = own_namespace()
    return _kernel_boot() if namespace == _FIRST_NAMESPACE else f"{_kernel_boot()}/{namespace}"


@cache
def own_namespace() -> str:
    """The number of this process's pid_namespaces(7)."""
    return _namespace_of("self")


def this_owner(bake: str) -> Owner:
    """The owner that stands for the calling process; ``bake`` is the id of what it is doing."""
    pid = os.getpid()
    start = start_ticks(pid)
    if start is None:  # /proc is not mounted: nothing in this program works without it
        raise FileNotFoundError(_PROC / str(pid) / "stat")
    return Owner(bake=bake, pid=pid, start=start, boot=boot_id())


class Life(Enum):
    """Whether a process lives; UNKNOWN is one in a namespace that cannot be looked into from here."""

    ALIVE = "alive"
    GONE = "gone"
    UNKNOWN = "unknown"


def life_of(owner: Owner) -> Life:
    """Whether the owner's process exists: same boot, same pid, same start time, and no zombie."""
    boot, _, namespace = owner.boot.partition("/")
    if boot != _kernel_boot():
        return Life.GONE
    return process_life(owner.pid, owner.start, namespace or _FIRST_NAMESPACE)


def alive(owner: Owner) -> bool:
    """Whether the owner's process exists, as far as can be seen; one that cannot be seen is let live."""
    return life_of(owner) is not Life.GONE


def process_life(pid: int, start: int, namespace: str) -> Life:
    """Whether the process lives that has the id ``pid`` in a namespace of this boot."""
    if namespace == own_namespace():
        return Life.ALIVE if start_ticks(pid) == start else Life.GONE
    # The processes of all namespaces are seen from the first one, and from no other.
    if own_namespace() != _FIRST_NAMESPACE:
        return Life.UNKNOWN
    try:
        return Life.ALIVE if start in _starts_within(namespace, pid) else Life.GONE
    except PermissionError:
        return Life.UNKNOWN


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


@cache
def _kernel_boot() -> str:
    return (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _namespace_of(process: str) -> str:
    return str((_PROC / process / "ns" / "pid").readlink()).removeprefix("pid:[").removesuffix("]")


def _starts_within(namespace: str, pid: int) -> list[int]:
    """When the processes started that have the id ``pid`` in another namespace: one at most, if it is there.

    PermissionError if it cannot be told.
    """
    starts = []
    for entry in _PROC.iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            if _innermost_pid(entry) == pid and _namespace_of(entry.name) == namespace:
                starts.append(start_ticks(int(entry.name)))
    return [start for start in starts if start is not None]


def _innermost_pid(process: Path) -> int | None:
    """The id of a process in its own namespace (proc(5), ``NSpid`` in ``/proc/PID/status``); None if that is
    ours: its place need not be asked for, which not even root may of every process.
    """
    lines = (process / "status").read_text(encoding="ascii", errors="replace").splitlines()
    ids = next((line.split()[1:] for line in lines if line.startswith("NSpid:")), [])
    return int(ids[-1]) if len(ids) > 1 else None
