# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The processes of a machine from the kernel's view: those whose root is the machine's overlay mount.

An engine whose own state was reset, or that is broken, knows nothing of containers that still run. The kernel
does: whoever has ``/`` on an overlay with the machine's upper directory runs in the machine.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure
from ansible_collections.bakery.images.plugins.module_utils.overlay_mount import unescaped, unmount

_NETWORKS = "/run/netns"
# Nothing survives SIGKILL but a process that the kernel keeps, for example on a dead network file system.
_KILL_S = 10.0


def processes_on(directory: str) -> list[int]:
    """The processes of the machine in ``directory``, lowest first: those whose root is an overlay with the
    upper directory ``directory/upper``, and what shares a process id namespace with one of them, as a process
    does that changed its root.
    """
    pids = list(_pids())
    wanted = _upper(directory)
    rooted = {pid for pid in pids if wanted in _root_options(pid)}
    spaces = {_namespace(pid, "pid") for pid in rooted} - {None, _namespace(os.getpid(), "pid")}
    return sorted(pid for pid in pids if pid in rooted or _namespace(pid, "pid") in spaces)


def ask_to_end(directory: str, *, first: int, timeout_s: float) -> None:
    """Send SIGTERM to all processes of the machine in ``directory`` but its ``first``; wait for their end."""
    deadline = time.monotonic() + timeout_s
    with _pinned(directory) as pinned:
        asked = [descriptor for pid, descriptor in pinned if pid != first]
        for descriptor in asked:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(descriptor, signal.SIGTERM)
        for descriptor in asked:
            _ends(descriptor, max(deadline - time.monotonic(), 0))


def end_processes(directory: str) -> list[int]:
    """Kill the processes of the machine in ``directory`` and await their end; returns those there were.

    Network namespaces that an engine named for them, and now forgot, are removed too.
    """
    found: list[int] = []
    networks: set[tuple[int, int]] = set()
    deadline = time.monotonic() + _KILL_S
    while True:  # a process may have had a child meanwhile
        with _pinned(directory) as pinned:
            if not pinned:
                break
            found += [pid for pid, _descriptor in pinned if pid not in found]
            networks |= set(filter(None, (_namespace(pid, "net") for pid, _descriptor in pinned)))
            for _pid, descriptor in pinned:
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            for pid, descriptor in pinned:
                if not _ends(descriptor, max(deadline - time.monotonic(), 0)):
                    raise MachineFailure(
                        f"process {pid} of the machine in {directory} does not end when killed"
                    )
    _forget_networks(networks)
    return sorted(found)


def ended_by(pid: int, number: int, *, timeout_s: float) -> bool:
    """Send a process a signal and wait for its end, which is later than when it gave its root up; whether
    it ended in time.
    """
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        signal.pidfd_send_signal(descriptor, number)
        return _ends(descriptor, timeout_s)
    except ProcessLookupError:
        return True
    finally:
        os.close(descriptor)


@contextmanager
def _pinned(directory: str) -> Iterator[list[tuple[int, int]]]:
    """The machine's processes with a descriptor each, opened before the last look at whose they are.

    So a process id that was given to another process meanwhile is never signalled.
    """
    descriptors: dict[int, int] = {}
    try:
        for pid in processes_on(directory):
            with suppress(ProcessLookupError):
                descriptors[pid] = os.pidfd_open(pid)
        still = set(processes_on(directory)) if descriptors else set()
        yield [(pid, descriptor) for pid, descriptor in descriptors.items() if pid in still]
    finally:
        for descriptor in descriptors.values():
            os.close(descriptor)


def _ends(descriptor: int, timeout_s: float) -> bool:
    return bool(select.select([descriptor], [], [], timeout_s)[0])


def _upper(directory: str) -> str:
    return f"upperdir={os.path.join(os.path.realpath(directory), 'upper')}"


def _pids() -> Iterator[int]:
    own = os.getpid()
    return (int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != own)


def _root_options(pid: int) -> list[str]:
    """The file system's options of what is mounted at ``/`` of a process (proc(5), mountinfo)."""
    try:
        with open(f"/proc/{pid}/mountinfo", "rb") as source:
            for line in source:
                fields = line.split()
                if fields[4] == b"/" and b"overlay" in fields:
                    return [_plain(option) for option in fields[-1].split(b",")]
    except OSError:  # gone, or a zombie
        pass
    return []


def _plain(option: bytes) -> str:
    # Overlay escapes what would end an option with a backslash, and mountinfo that backslash once more.
    return unescaped(option).replace("\\", "")


def _namespace(pid: int, kind: str) -> tuple[int, int] | None:
    try:
        status = os.stat(f"/proc/{pid}/ns/{kind}")
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _forget_networks(networks: set[tuple[int, int]]) -> None:
    """Remove the names of network namespaces (ip-netns(8)) whose last process is gone."""
    own = os.stat("/proc/self/ns/net")
    networks -= {(own.st_dev, own.st_ino)}
    if not networks or not os.path.isdir(_NETWORKS):
        return
    for name in os.listdir(_NETWORKS):
        path = os.path.join(_NETWORKS, name)
        with suppress(FileNotFoundError):
            status = os.stat(path)
            if (status.st_dev, status.st_ino) in networks:
                unmount(path)
                os.unlink(path)
