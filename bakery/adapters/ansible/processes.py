"""The processes of a run, found by a variable in their environment.

Parentage does not help: ansible-core starts every worker in a session of its own, and one whose parent died
belongs to init.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

from bakery.adapters.owner import stat_fields

RUN_MARKER = "BAKERY_RUN"
OWNER_PID = "BAKERY_OWNER_PID"
_PARENT_FIELD = 1  # ppid is field 4 of proc(5)'s stat, the list starts with number 3
# How long to repeat SIGKILL: only a process stuck in the kernel outlives it, and nobody can end that.
_KILL_S = 5.0


def processes_of_run(run_id: str) -> tuple[int, ...]:
    """The pids of living processes whose environment holds ``BAKERY_RUN=<run_id>``, without the caller."""
    wanted = f"{RUN_MARKER}={run_id}".encode()
    me = os.getpid()
    return tuple(pid for pid in _pids() if pid != me and wanted in _environment(pid) and _is_running(pid))


def leader_of_run(run_id: str) -> int | None:
    """The process of the run that this process started itself, if it lives."""
    me = str(os.getpid())
    for pid in processes_of_run(run_id):
        fields = stat_fields(pid)
        if fields is not None and fields[_PARENT_FIELD] == me:
            return pid
    return None


def end_run(run_id: str, grace_s: float = 2.0) -> tuple[int, ...]:
    """End whatever is left of a run: SIGTERM, then SIGKILL after ``grace_s`` seconds. Returns the pids it
    found.
    """
    found = processes_of_run(run_id)
    for pid in found:
        send(pid, signal.SIGTERM)
    begun = time.monotonic()
    while (left := processes_of_run(run_id)) and time.monotonic() < begun + grace_s + _KILL_S:
        if time.monotonic() > begun + grace_s:
            for pid in left:
                send(pid, signal.SIGKILL)
        time.sleep(0.02)
    return found


def kill_runs_of_this_process() -> None:
    """Kill every process of every run that this process started, without waiting; their machines stay."""
    wanted = f"{OWNER_PID}={os.getpid()}".encode()
    for pid in _pids():
        if pid != os.getpid() and wanted in _environment(pid):
            send(pid, signal.SIGKILL)


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process that may just have ended."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _pids() -> tuple[int, ...]:
    return tuple(int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:  # gone, a zombie, or somebody else's
        return []


def _is_running(pid: int) -> bool:
    fields = stat_fields(pid)
    return fields is not None and fields[0] not in {"Z", "X"}
