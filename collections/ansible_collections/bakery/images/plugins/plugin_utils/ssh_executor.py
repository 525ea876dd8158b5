# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An Executor that starts every command through ssh."""

from __future__ import annotations

import secrets
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO

from ansible_collections.bakery.images.plugins.module_utils.ssh_login import SshMaster
from ansible_collections.bakery.images.plugins.plugin_utils.executor import (
    CommandsOnly,
    Outcome,
    run_process,
)

_BROKEN = 255  # ssh(1): an error occurred, or the command exited with just that
# Tells a command's own 255 by its mark ($0), and the end by a signal as a shell does, of which ssh makes 255.
# What this shell has to say of a signal is not the command's.
_GUARD = (
    f'exec 3>&2 2>/dev/null; "$@" 2>&3 3>&-; s=$?; [ "$s" -ne {_BROKEN} ] || printf %s "$0" >&3; exit "$s"'
)
# The guard leads the process group of its command: sshd starts it so. The pattern does not find itself.
_END = (
    'for f in /proc/[0-9]*/cmdline; do grep -q "[b]{}" "$f" && p=${{f#/proc/}} && kill -9 "-${{p%/*}}"; done'
)
_END_S = 10


class SshExecutor(CommandsOnly):
    """Commands in a new session of the connection each, as the user who logs in."""

    def __init__(self, master: SshMaster, environment: Mapping[str, str]) -> None:
        self.master = master
        self.environment = environment
        self._settings = [f"{name}={value}" for name, value in sorted(environment.items())]

    def run(self, command: Sequence[str], *, stdin: bytes | IO[bytes] | None = None) -> Outcome:
        """See Executor; OSError if the connection cannot be made, or broke."""
        self.master.open()
        mark = f"bakery-{secrets.token_hex(8)}"
        words = ["/bin/sh", "-c", _GUARD, mark, "env", *self._settings, *command]
        try:
            outcome = run_process(
                self.master.client(f"exec {shlex.join(words)}"), stdin, cwd=self.master.directory
            )
        except BaseException:  # the task's time is up: sshd leaves a command alone that nobody waits for
            self._end(mark)
            raise
        if outcome.status != _BROKEN:
            return outcome
        if not outcome.stderr.endswith(mark.encode()):
            raise self.master.trouble(outcome.stderr)
        return Outcome(_BROKEN, outcome.stdout, outcome.stderr.removesuffix(mark.encode()))

    def close(self) -> None:
        """See Executor; the connection stays for others."""

    def _end(self, mark: str) -> None:
        script = shlex.join(["/bin/sh", "-c", _END.format(mark[1:])])
        with suppress(OSError, subprocess.SubprocessError):
            subprocess.run(
                self.master.client(script),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                cwd=self.master.directory,
                timeout=_END_S,
                check=False,
            )
