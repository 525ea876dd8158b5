"""A stand-in for ansible-playbook that times it, for tools that start it themselves."""

from __future__ import annotations

from pathlib import Path

_SCRIPT = """#!/bin/sh
# The version is asked for before the work.
[ "${{1:-}}" = --version ] && exec '{program}' "$@"
begun=$(date +%s.%N)
'{program}' "$@"
status=$?
echo "$begun $(date +%s.%N)" >>'{times}'
exit $status
"""


class Stopwatch:
    """A directory for the front of PATH, and what was measured there."""

    def __init__(self, directory: Path, program: Path) -> None:
        self.directory = directory
        self._times = directory / "times"
        directory.mkdir(parents=True, exist_ok=True)
        self._times.unlink(missing_ok=True)
        script = directory / "ansible-playbook"
        script.write_text(_SCRIPT.format(program=program, times=self._times))
        script.chmod(0o755)

    def seconds(self) -> float | None:
        """How long it ran, all runs together; None if it never did."""
        if not self._times.exists():
            return None
        pairs = [line.split() for line in self._times.read_text().splitlines()]
        return sum(float(ended) - float(begun) for begun, ended in pairs)
