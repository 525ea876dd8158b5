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
import time
from typing import Any

try:
    from testinfra.backend import BACKENDS
    from testinfra.backend.base import BaseBackend
except ImportError:  # only read for its text, outside of pytest
    BACKENDS, BaseBackend = {}, object

_MESSAGE_LINES = 30
# A command that failed may have written anything, into one line.
_LONGEST_MESSAGE = 1 << 14
# The programs of a container machine: copies of executor_client.py.
_ENTRY = "enter.py"
_SERVER = "serve.py"
# testinfra adds the host to the name of each check; there is only one.
_HOST = "[bakery://machine]"
_BLAMED = ("setup", "teardown")


class MachineBackend(BaseBackend):  # type: ignore[misc,valid-type]
    """Runs each command of a check through the machine's ``exec`` words."""

    NAME = "bakery"

    def __init__(self, name: str, *args: Any, **kwargs: Any) -> None:
        self._words = json.loads(os.environ["BAKERY_EXEC"])
        self._server = command_server(self._words)
        super().__init__(name, *args, **kwargs)

    def run(self, command: str, *args: str, **_options: Any) -> Any:
        """See BaseBackend; the shell is the machine's own."""
        text = self.encode(self.get_command(command, *args))
        status, output, errors = self._run([b"/bin/sh", b"-c", text])
        return self.result(128 - status if status < 0 else status, text, output, errors)

    def _run(self, command: list[bytes]) -> tuple[int, bytes, bytes]:
        if self._server is not None:
            answer: tuple[int, bytes, bytes] = self._server.run(command)
            return answer
        words = [*map(os.fsencode, self._words), *command]
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        return done.returncode, done.stdout, done.stderr


def command_server(words: list[str]) -> Any:
    """What runs many commands where ``words`` lead; None where there is nothing but the words."""
    if words[:3] != [sys.executable, "-I", "-S"] or os.path.basename(words[3]) != _ENTRY:
        return None
    program = os.path.join(os.path.dirname(words[3]), _SERVER)
    spec = importlib.util.spec_from_file_location("bakery_command_server", program)
    if spec is None or spec.loader is None or not os.path.exists(program):
        return None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.CommandServer(words)


class Reporter:
    """Collects how every check went; writes the report when pytest ends."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._checks: dict[str, dict[str, Any]] = {}

    def pytest_runtest_logreport(self, report: Any) -> None:
        """A phase of a check ended."""
        check = self._checks.setdefault(report.nodeid, {"outcome": "passed", "seconds": 0.0, "message": ""})
        check["seconds"] = round(check["seconds"] + report.duration, 3)
        check["ended"] = round(time.time(), 3)
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
    lines = text.strip().splitlines()[-_MESSAGE_LINES:] if not crash else text.splitlines()[:_MESSAGE_LINES]
    message = "\n".join(lines)
    return message if len(message) <= _LONGEST_MESSAGE else f"{message[:_LONGEST_MESSAGE]} …"
