# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pytest plugin: testinfra checks in a machine of bakery, and a JSON report of how they went.

Copied into a directory of its own and loaded with ``-p``; nothing here imports from the collection. The
module testinfra sets ``BAKERY_EXEC``, a JSON list of words that run the words after them in the machine, and
``BAKERY_REPORT``, where the report goes.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from typing import Any

try:
    from testinfra.backend import BACKENDS
    from testinfra.backend.base import BaseBackend
except ImportError:  # only read for its text, outside of pytest
    BACKENDS, BaseBackend = {}, object

_MESSAGE_LINES = 30
# The program of a container machine: a copy of namespaces.py.
_ENTRY = "enter.py"
# testinfra adds the host to the name of each check; there is only one.
_HOST = "[bakery://machine]"
_BLAMED = ("setup", "teardown")


class MachineBackend(BaseBackend):  # type: ignore[misc,valid-type]
    """Runs each command of a check through the machine's ``exec`` words."""

    NAME = "bakery"

    def __init__(self, name: str, *args: Any, **kwargs: Any) -> None:
        self._prefix, self._options = way_in(json.loads(os.environ["BAKERY_EXEC"]))
        super().__init__(name, *args, **kwargs)

    def run(self, command: str, *args: str, **_options: Any) -> Any:
        """See BaseBackend; the shell is the machine's own."""
        text = self.encode(self.get_command(command, *args))
        done = subprocess.run(
            [*self._prefix, "/bin/sh", "-c", text],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            **self._options,
        )
        status = 128 - done.returncode if done.returncode < 0 else done.returncode
        return self.result(status, text, done.stdout, done.stderr)


def way_in(words: list[str]) -> tuple[list[str], dict[str, Any]]:
    """What to put before a command, and options of subprocess, to have it run where ``words`` lead.

    Words that start the program which enters namespaces need no Python of their own for every command: this
    one can do what the program does.
    """
    start = [sys.executable, "-I", "-S"]
    if words[:3] != start or os.path.basename(words[3]) != _ENTRY:
        return words, {}
    spec = importlib.util.spec_from_file_location("bakery_enter", words[3])
    if spec is None or spec.loader is None:
        return words, {}
    entry = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(entry)
    return [], entry.way_in(words[4:])


class Reporter:
    """Collects how every check went; writes the report when pytest ends."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._checks: dict[str, dict[str, Any]] = {}

    def pytest_runtest_logreport(self, report: Any) -> None:
        """A phase of a check ended."""
        check = self._checks.setdefault(report.nodeid, {"outcome": "passed", "seconds": 0.0, "message": ""})
        check["seconds"] = round(check["seconds"] + report.duration, 3)
        if report.outcome == "passed" or check["outcome"] == "failed":
            return
        check["outcome"] = report.outcome
        if report.failed:
            prefix = f"{report.when} failed: " if report.when in _BLAMED else ""
            check["message"] = prefix + _message(report)

    def pytest_collectreport(self, report: Any) -> None:
        """A file of checks was read, or could not be."""
        if report.failed:
            message = f"cannot be read: {_message(report)}"
            self._checks[report.nodeid] = {"outcome": "failed", "seconds": 0.0, "message": message}

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """All is over."""
        outcomes = [check["outcome"] for check in self._checks.values()]
        report = {
            "exit_status": int(exitstatus),
            **{outcome: outcomes.count(outcome) for outcome in ("passed", "failed", "skipped")},
            "checks": [{"check": name.replace(_HOST, ""), **check} for name, check in self._checks.items()],
        }
        with open(self._path, "w", encoding="utf-8") as out:
            json.dump(report, out, indent=2)


def pytest_configure(config: Any) -> None:
    """Make the machine known to testinfra, and the reporter to pytest."""
    BACKENDS["bakery"] = f"{__name__}.MachineBackend"
    config.pluginmanager.register(Reporter(os.environ["BAKERY_REPORT"]), "bakery-reporter")


def _message(report: Any) -> str:
    """The assertion and its explanation; failing that, the end of what pytest shows."""
    crash = getattr(getattr(report, "longrepr", None), "reprcrash", None)
    text = str(crash.message) if crash else report.longreprtext
    return "\n".join(
        text.strip().splitlines()[-_MESSAGE_LINES:] if not crash else text.splitlines()[:_MESSAGE_LINES]
    )
