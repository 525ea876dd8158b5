"""The processes of a run, found by a variable in their environment.

Parentage does not help: ansible-core starts every worker in a session of its own, and one whose parent died
belongs to init. The environment of ansible-playbook itself and of its workers only root can read (child.py
sees to that): they have the run's private directory in their arguments, which anybody can.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from pathlib import Path

from bakery.adapters.owner import stat_fields

RUN_MARKER = "BAKERY_RUN"
OWNER_PID = "BAKERY_OWNER_PID"
_HERE = os.fsencode(Path(__file__).parent)
_PARENT_FIELD = 1  # ppid is field 4 of proc(5)'s stat, the list starts with number 3
# How long to repeat SIGKILL: only a process stuck in the kernel outlives it, and nobody can end that.
_KILL_S = 5.0


def processes_of_run(run_id: str) -> tuple[int, ...]:
    """The pids of the living processes of a run, without the caller."""
    variable = f"{RUN_MARKER}={run_id}".encode()
    argument = re.compile(rb"/bakery-run-\d+-\d+-(?:\d+-)?%s/" % run_id.encode())
    me = os.getpid()
    return tuple(
        pid for pid in _pids() if pid != me and _is_marked(pid, variable, argument) and _is_running(pid)
    )


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
    variable = f"{OWNER_PID}={os.getpid()}".encode()
    argument = re.compile(rb"/bakery-run-%d-\d+-(?:\d+-)?[0-9a-f]+/" % os.getpid())
    for pid in _pids():
        if pid != os.getpid() and _is_marked(pid, variable, argument):
            send(pid, signal.SIGKILL)


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process that may just have ended."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _pids() -> tuple[int, ...]:
    return tuple(int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _is_marked(pid: int, variable: bytes, argument: re.Pattern[bytes]) -> bool:
    if variable in _words(pid, "environ"):
        return True
    # Whoever looks at a run by hand names its directory too: only Python with a program of ours is meant.
    words = _words(pid, "cmdline")
    return len(words) > 2 and words[2].startswith(_HERE) and any(map(argument.search, words))


def _words(pid: int, file: str) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/{file}").read_bytes().split(b"\0")
    except OSError:  # gone, a zombie, or somebody else's
        return []


def _is_running(pid: int) -> bool:
    fields = stat_fields(pid)
    return fields is not None and fields[0] not in {"Z", "X"}
