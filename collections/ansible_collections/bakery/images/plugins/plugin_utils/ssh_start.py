# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts a warm executor in a machine that is reached through ssh."""

from __future__ import annotations

import os
from contextlib import suppress

from ansible_collections.bakery.images.plugins.plugin_utils.ssh_executor import SshExecutor
from ansible_collections.bakery.images.plugins.plugin_utils.warm_bundle import BOOTSTRAP, boot_input
from ansible_collections.bakery.images.plugins.plugin_utils.warm_executor import LOG, SOCKET, NoExecutor

# Where the executor's socket is in the machine.
_PLACE = "executor.place"
# Nobody came for so long: the machine is being captured, or forgotten.
_IDLE_S = 1800
_NOT_FOUND = 127


class SshStarter:
    """Has an executor listen in the machine, as the user who logs in, and its socket forwarded; see Starter.

    The executor outlives the connection: what comes back finds the same one.
    """

    inherits_environment = True
    forwards = True
    carries_all = False

    def __init__(self, executor: SshExecutor) -> None:
        self._executor = executor
        self._master = executor.master
        self.environment = executor.environment
        self.directory = executor.master.directory

    def start(self, interpreter: str) -> None:
        """See Starter."""
        if not self.reconnect():
            self._forward(self._spawn(interpreter))

    def reconnect(self) -> bool:
        """See Starter."""
        place = self._place()
        if place is None:
            return False
        if self._executor.run(["/bin/sh", "-c", 'test -S "$1"', "sh", place]).status:
            self._lose(place)
            return False
        self._forward(place)
        return True

    def forget(self) -> None:
        """See Starter."""
        place = self._place()
        if place is not None:
            self._executor.run(["rm", "-rf", os.path.dirname(place)])
            self._lose(place)

    def _lose(self, place: str) -> None:
        self._master.cancel(SOCKET, place)
        with suppress(FileNotFoundError):
            os.unlink(self._path(_PLACE))

    def _spawn(self, interpreter: str) -> str:
        """Path of a new executor's socket in the machine."""
        boot = boot_input(interpreter=interpreter, idle_s=_IDLE_S)
        outcome = self._executor.run([interpreter, "-c", BOOTSTRAP], stdin=boot)
        if outcome.status == _NOT_FOUND:
            raise NoExecutor(f"the machine has no {interpreter}", expected=True)
        with open(self._path(LOG), "wb") as log:
            log.write(outcome.stderr)
        place = outcome.stdout.decode(errors="replace").rstrip("\n")
        if outcome.status or not _is_place(place):
            said = outcome.stderr.decode(errors="replace").strip().split("\n")[-1]
            raise NoExecutor(said or f"{interpreter} exited with {outcome.status}")
        with open(self._path(_PLACE), "w", encoding="utf-8") as out:
            out.write(place)
        return place

    def _forward(self, place: str) -> None:
        self._master.cancel(SOCKET, place)
        with suppress(FileNotFoundError):
            os.unlink(self._path(SOCKET))
        try:
            self._master.forward(SOCKET, place)
        except OSError as error:
            raise NoExecutor(f"its socket cannot be forwarded: {error}") from error

    def _place(self) -> str | None:
        try:
            with open(self._path(_PLACE), encoding="utf-8") as source:
                return source.read()
        except FileNotFoundError:
            return None

    def _path(self, name: str) -> str:
        return os.path.join(self.directory, name)


def _is_place(path: str) -> bool:
    """Whether ``path`` can be what the program says: its directory is removed later."""
    return os.path.isabs(path) and os.path.basename(os.path.dirname(path)).startswith("bakery-executor-")
