# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a started machine can be used."""

from __future__ import annotations

import os
import select
import time
from typing import Self

from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure
from ansible_collections.bakery.images.plugins.module_utils.machine_command import (
    CommandTimeout,
    MachineCommand,
)

_POLL_S = 0.005
# A systemctl costs more than all looks at its socket, and a booting machine needs the processor itself.
_AWAIT_SYSTEMD = (
    "n=0; until [ -S /run/systemd/private ] || [ $n -ge 100 ]; do n=$((n+1)); sleep 0.02; done; "
    "exec systemctl is-system-running --wait"
)
_USABLE = ("running", "degraded")
# What a machine may say of itself: more is no name of a unit (systemd.unit(5)), or too much for a message.
_LONGEST_WORD, _MOST_UNITS, _MOST_OUTPUT = 256, 100, 1 << 16


def wait_for_systemd(command: MachineCommand, pid: int, *, timeout_s: float) -> list[str]:
    """Wait until systemd, process ``pid`` here, has started everything; returns the units that failed.

    A unit that hangs does not hold up the machine for longer than ``timeout_s``: the jobs still running
    are reported instead.
    """
    deadline = time.monotonic() + timeout_s
    state = ""
    with _Process(pid) as process:
        while time.monotonic() < deadline:
            process.must_run()
            # Before its socket exists, systemctl cannot wait for anything and says so at once.
            remaining = max(0.1, deadline - time.monotonic())
            try:
                done = command.run(["/bin/sh", "-c", _AWAIT_SYSTEMD], timeout_s=remaining)
            except CommandTimeout:
                state = "starting"
                break
            state = done.stdout[:_LONGEST_WORD].decode(errors="replace").strip()
            if state == "running":
                return []
            if state == "degraded":
                return _units(command, ["list-units", "--failed"])
            if state in ("stopping", "maintenance"):
                break
            time.sleep(_POLL_S)
    jobs = _units(command, ["list-jobs"])
    raise MachineFailure(
        f"the machine did not boot in {timeout_s:.0f} seconds (systemd says '{state or 'nothing'}'); "
        f"still starting: {', '.join(jobs) or 'unknown'}"
    )


def wait_for_process(pid: int, *, settle_s: float) -> bool:
    """Watch a container's first process for ``settle_s``; returns whether it still runs then."""
    with _Process(pid) as process:
        return not process.ended_within(settle_s)


def _units(command: MachineCommand, arguments: list[str]) -> list[str]:
    done = command.run(["systemctl", *arguments, "--plain", "--no-legend", "--no-pager"], timeout_s=10)
    lines = done.stdout[:_MOST_OUTPUT].decode(errors="replace").splitlines()[:_MOST_UNITS]
    column = 1 if arguments == ["list-jobs"] else 0
    return [line.split()[column][:_LONGEST_WORD] for line in lines if len(line.split()) > column]


class _Process:
    """A process descriptor (pidfd_open(2)): readable once the process has ended."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._descriptor = -1

    def __enter__(self) -> Self:
        try:
            self._descriptor = os.pidfd_open(self._pid)
        except ProcessLookupError:
            self._descriptor = -1
        return self

    def __exit__(self, *_error: object) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)

    def ended_within(self, seconds: float) -> bool:
        """Wait for the end of the process; returns whether it came."""
        if self._descriptor < 0:
            return True
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def must_run(self) -> None:
        """MachineFailure if the process has ended."""
        if self.ended_within(0):
            raise MachineFailure("the machine ended while it was booting")
