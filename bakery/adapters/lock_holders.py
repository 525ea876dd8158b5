"""Who holds a lock, from the kernel's list of locks: whoever waits wants to know for whom."""

from __future__ import annotations

import os
from pathlib import Path

from bakery.adapters.owner import stat_fields

_LOCKS = Path("/proc/locks")
# So many words of a command line say what it does.
_LONGEST = 60
_STOPPED = {"T": ", which is stopped", "t": ", which is being traced"}


def holders_of(lock: Path) -> tuple[str, ...]:
    """Each as ``process 12: bakery bake web``, without the calling process; empty where that cannot be told,
    such as from within a container.
    """
    try:
        pids = _pids(lock.stat(), _LOCKS.read_text(encoding="ascii", errors="replace"))
    except OSError:
        return ()
    told = (_describe(pid) for pid in sorted(pids - {os.getpid()}))
    return tuple(one for one in told if one)


def _pids(file: os.stat_result, locks: str) -> set[int]:
    """Who holds locks of flock(2) on the file: proc(5), /proc/locks, where waiting ones have an arrow."""
    place = f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}:{file.st_ino}"
    pids = set()
    for line in locks.splitlines():
        fields = line.split()
        if len(fields) > 5 and fields[1] == "FLOCK" and fields[5] == place and fields[4].isdigit():
            pids.add(int(fields[4]))
    return pids - {0}


def _describe(pid: int) -> str | None:
    fields = stat_fields(pid)
    if fields is None:
        return None
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace").split("\0")[:-1]
    except OSError:
        words = []
    # Without the interpreter and the paths of both.
    named = next((n for n, word in enumerate(words[:3]) if Path(word).name == "bakery"), None)
    what = " ".join(["bakery", *words[named + 1 :]]) if named is not None else ""
    what = "".join(char for char in what if char.isprintable())[:_LONGEST]
    return f"process {pid}" + (f": {what}" if what else "") + _STOPPED.get(fields[0], "")
