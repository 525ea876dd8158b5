# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running testinfra checks against a machine, in a pytest of their own."""

from __future__ import annotations

import importlib.util
import inspect
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Any

from ansible_collections.bakery.images.plugins.module_utils import pytest_machine
from ansible_collections.bakery.images.plugins.module_utils.checked_machine import (
    find_end,
    find_failed_units,
)
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure

_PLUGIN = "bakery_pytest_machine"
_NO_CHECKS = 5  # pytest's exit status when it collected nothing
_FAILED = (0, 1, 2, _NO_CHECKS)
_LAST_LINES = 15


@dataclass(frozen=True)
class CheckRun:
    """What to run: files or directories, in the machine that the words ``exec_words`` lead into.

    ``report`` is where the JSON report goes, if there is to be one, ``root`` what names of checks are
    relative to; seconds. ``container`` is the name of the container that the machine is, if it is one;
    ``failed_units`` of systemd failed while it booted, each of which is a failed check if the checks are
    ``strict``.
    """

    paths: tuple[str, ...]
    exec_words: tuple[str, ...]
    report: str | None = None
    root: str | None = None
    container: str | None = None
    failed_units: tuple[str, ...] = ()
    strict: bool = False
    timeout_s: int = 1800


def run_checks(run: CheckRun) -> dict[str, Any]:
    """Run the checks; returns ``{passed, failed, skipped, report, failures: [{check, message}], failed_units:
    [{unit, journal}]}``.

    Without a report to write there is also ``results: [{check, outcome, seconds, message}]``. Finding no
    check at all is a failure. MachineFailure if pytest cannot run.
    """
    missing = [path for path in run.paths if not os.path.exists(path)]
    if missing:
        raise MachineFailure(f"there are no checks at {', '.join(missing)}")
    _require("pytest", "testinfra")
    if not run.paths:
        outcome: dict[str, Any] = {"passed": 0, "failed": 0, "skipped": 0, "checks": []}
    else:
        outcome = _run_pytest(run)
    _look_at_machine(run, outcome)
    if run.report:
        _write_report(run.report, outcome)
    failures = [
        {"check": check["check"], "message": check["message"]}
        for check in outcome["checks"]
        if check["outcome"] == "failed"
    ]
    counts = {name: outcome[name] for name in ("passed", "failed", "skipped")}
    told = {**counts, "report": run.report, "failures": failures, "failed_units": outcome["failed_units"]}
    return told if run.report else {**told, "results": outcome["checks"]}


def _look_at_machine(run: CheckRun, outcome: dict[str, Any]) -> None:
    """Add to the outcome what became of the machine: that it ended, and the units that failed in it.

    What a check says that was not over when the machine ended is about nothing else.
    """
    end = find_end(run.container) if outcome["failed"] and run.container else None
    if end:
        for check in outcome["checks"]:
            if check["outcome"] == "failed" and check.get("ended", end.at) >= end.at:
                check["message"] = "the machine ended before this check did"
    units = dict.fromkeys(run.failed_units, "")
    if not end:
        units |= find_failed_units(run.exec_words, run.failed_units, more=outcome["failed"] > 0)
    outcome["failed_units"] = [{"unit": unit, "journal": journal} for unit, journal in units.items()]
    for unit in run.failed_units if run.strict else ():
        _add_failure(outcome, unit, f"this unit failed while the machine booted\n{units[unit]}".strip())
    if end:
        _add_failure(outcome, "the machine", end.sentence)


def _add_failure(outcome: dict[str, Any], check: str, message: str) -> None:
    """One more failed check, before all others."""
    outcome["checks"].insert(0, {"check": check, "outcome": "failed", "seconds": 0.0, "message": message})
    outcome["failed"] += 1


def _run_pytest(run: CheckRun) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="bakery-checks-", dir=_place()) as directory:
        with open(os.path.join(directory, f"{_PLUGIN}.py"), "w", encoding="utf-8") as plugin:
            plugin.write(inspect.getsource(pytest_machine))
        config = os.path.join(directory, "pytest.ini")
        with open(config, "w", encoding="utf-8") as out:
            out.write("[pytest]\n")
        # A file without a name: what checks say may be secret, and nothing of it outlives the run.
        with tempfile.TemporaryFile("r", dir=directory, encoding="utf-8") as report:
            environment = _environment(run, directory, report.fileno())
            done = _call(run, _command(run, config), environment, report=report)
            text = report.read()
        if done.returncode not in _FAILED or not text:
            lines = (done.stderr or done.stdout).strip().splitlines()[-_LAST_LINES:]
            raise MachineFailure(
                f"pytest could not run the checks (exit status {done.returncode}): {' / '.join(lines)}"
            )
        outcome: dict[str, Any] = json.loads(text)
    if done.returncode == _NO_CHECKS:
        names = ", ".join(run.paths)
        message = "no checks were found; files are called test_*.py and functions test_*"
        outcome["checks"].append({"check": names, "outcome": "failed", "seconds": 0.0, "message": message})
        outcome["failed"] += 1
    return outcome


def _place() -> str | None:
    """Where the files of a pytest go: to those of the run of Ansible, which somebody removes if it is killed;
    None for the system's own place where a run has none.
    """
    place = os.environ.get("ANSIBLE_LOCAL_TEMP", "")
    return place if os.path.isdir(place) else None


def _command(run: CheckRun, config: str) -> list[str]:
    words = [sys.executable, "-m", "pytest", "-q"]
    words += ["-p", "testinfra.plugin", "-p", _PLUGIN, "-p", "no:cacheprovider"]
    root = run.root or os.path.commonpath([os.path.dirname(os.path.abspath(path)) for path in run.paths])
    words += ["-c", config, f"--rootdir={root}", "--import-mode=importlib", "--hosts=bakery://machine"]
    return [*words, *(os.path.abspath(path) for path in run.paths)]


def _environment(run: CheckRun, directory: str, report: int) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTEST", "PYTHON", "ANSIBLE"))
    }
    return {
        **kept,
        "PYTHONPATH": directory,
        # What checks write in between, with pytest's tmp_path for example.
        "TMPDIR": directory,
        "PYTHONDONTWRITEBYTECODE": "1",
        # What else is installed must neither slow checks down nor change what they find.
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "BAKERY_EXEC": json.dumps(run.exec_words),
        "BAKERY_REPORT": f"/proc/self/fd/{report}",
    }


def _call(
    run: CheckRun, words: Sequence[str], environment: dict[str, str], *, report: IO[str]
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            env=environment,
            pass_fds=[report.fileno()],
            timeout=run.timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise MachineFailure(f"the checks took longer than {run.timeout_s} seconds") from error


def _require(*names: str) -> None:
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        raise MachineFailure(
            f"the checks need {' and '.join(missing)}, which {sys.executable} does not have; "
            "install pytest and pytest-testinfra for it"
        )


def _write_report(path: str, outcome: dict[str, Any]) -> None:
    try:
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        # What checks say may come from files that only their owner may read.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as out:
            os.fchmod(descriptor, 0o600)
            json.dump(outcome, out, indent=2)
            out.write("\n")
    except OSError as error:
        raise MachineFailure(f"the report {path} cannot be written: {error.strerror}") from error
