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
from contextlib import suppress

from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure
from ansible_collections.bakery.images.plugins.module_utils.overlay_mount import unescaped, unmount

_NETWORKS = "/run/netns"
# Nothing survives SIGKILL but a process that the kernel keeps, for example on a dead network file system.
_KILL_S = 10.0


def processes_on(directory: str) -> list[int]:
    """The processes whose root is an overlay with the upper directory ``directory/upper``, lowest first."""
    wanted = f"upperdir={os.path.join(os.path.realpath(directory), 'upper')}"
    return sorted(pid for pid in _pids() if wanted in _root_options(pid))


def ask_to_end(directory: str, *, first: int, timeout_s: float) -> None:
    """Send SIGTERM to all processes of the machine in ``directory`` but its ``first``; wait for their end."""
    deadline = time.monotonic() + timeout_s
    for pid in processes_on(directory):
        if pid != first:
            ended_by(pid, signal.SIGTERM, timeout_s=0)
    for pid in processes_on(directory):
        if pid != first:
            _await_end(pid, timeout_s=max(deadline - time.monotonic(), 0))


def _await_end(pid: int, *, timeout_s: float) -> None:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        select.select([descriptor], [], [], timeout_s)
    finally:
        os.close(descriptor)


def end_processes(directory: str) -> list[int]:
    """Kill the processes of the machine in ``directory`` and await their end; returns those there were.

    Network namespaces that an engine named for them, and now forgot, are removed too.
    """
    found = left = processes_on(directory)
    networks = set(filter(None, map(_network, found)))
    deadline = time.monotonic() + _KILL_S
    while left:
        left_s = max(deadline - time.monotonic(), 0)
        ended = [ended_by(pid, signal.SIGKILL, timeout_s=left_s) for pid in left]
        if not all(ended):
            raise MachineFailure(f"process {left[0]} of the machine in {directory} does not end when killed")
        left = processes_on(directory)  # a process may have had a child meanwhile
    _forget_networks(networks)
    return found


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
        return bool(select.select([descriptor], [], [], timeout_s)[0])
    except ProcessLookupError:
        return True
    finally:
        os.close(descriptor)


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


def _network(pid: int) -> tuple[int, int] | None:
    try:
        status = os.stat(f"/proc/{pid}/ns/net")
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
