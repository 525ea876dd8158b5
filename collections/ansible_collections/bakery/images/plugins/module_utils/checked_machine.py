# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of a machine while checks ran on it: whether it ended, and which units failed in it.

What it says is shown and decides nothing: it is cut to a size that fits a screen.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure
from ansible_collections.bakery.images.plugins.module_utils.podman import Podman

_PATIENCE_S = 10
_LAST_WORDS = 20
_LONGEST_JOURNAL = 2000
_MOST_UNITS = 10
_MOST_BYTES = 1 << 16
# A line that names the unit that the lines after it are about, and no journal has.
_MARK = "\x1e"
# $1: 1 to look for units that failed; the others are those known already. One command: entering costs most.
_SCRIPT = f"""
more=$1; shift
[ "$more" = 1 ] && set -- "$@" $(systemctl list-units --failed --plain --no-legend --no-pager | cut -d' ' -f1)
for unit in "$@"; do
  printf '{_MARK}%s\\n' "$unit"
  journalctl --unit "$unit" --lines 10 --no-pager --output cat --boot
done 2>/dev/null
"""


@dataclass(frozen=True)
class End:
    """That a machine ended, as a sentence, and when, in seconds since 1970; 0 if the engine does not know."""

    sentence: str
    at: float


def find_end(container: str) -> End | None:
    """How the machine in ``container`` ended; None while it runs, or where its engine does not tell."""
    try:
        engine = Podman()
        found = engine.inspect(container)
        if found is None or found.running:
            return None
        words = engine.logs(container, _LAST_WORDS)
    except MachineFailure:
        return None
    said = f"; its last words:\n{words[-_LONGEST_JOURNAL:]}" if words else " and said nothing"
    sentence = f"the machine ended while the checks ran, exit code {found.exit_code}{said}"
    return End(sentence, found.finished or 0.0)


def find_failed_units(words: Sequence[str], known: Sequence[str], *, more: bool) -> dict[str, str]:
    """The end of the journal of each failed unit of systemd, by name: those ``known`` and, with ``more``,
    those that failed since. Empty texts where the machine does not tell.
    """
    found = dict.fromkeys(known, "")
    if not known and not more:
        return found
    shell = ["/bin/sh", "-c", _SCRIPT, "sh", "1" if more else "0", *known[:_MOST_UNITS]]
    told = _output([*words, *shell]).decode(errors="replace").split(_MARK)[1:]
    for part in told[: 2 * _MOST_UNITS]:
        unit, _newline, journal = part.partition("\n")
        found[unit.strip()] = journal.strip()[-_LONGEST_JOURNAL:]
    return found


def _output(command: Sequence[str]) -> bytes:
    """The beginning of what a command writes within the time that we have for it."""
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        return b""

    def end() -> None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    timer = threading.Timer(_PATIENCE_S, end)
    timer.start()
    try:
        # There is one, since a pipe was asked for.
        return process.stdout.read(_MOST_BYTES) if process.stdout else b""
    finally:
        timer.cancel()
        end()
        process.wait()
        if process.stdout:
            process.stdout.close()
