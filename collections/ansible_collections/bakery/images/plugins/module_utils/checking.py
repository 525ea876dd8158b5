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
from typing import Any

from ansible_collections.bakery.images.plugins.module_utils import pytest_machine
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure

_PLUGIN = "bakery_pytest_machine"
_NO_CHECKS = 5  # pytest's exit status when it collected nothing
_FAILED = (0, 1, 2, _NO_CHECKS)
_LAST_LINES = 15


@dataclass(frozen=True)
class CheckRun:
    """What to run: files or directories, in the machine that the words ``exec_words`` lead into.

    ``report`` is where the JSON report goes, ``root`` what names of checks are relative to; seconds.
    """

    paths: tuple[str, ...]
    exec_words: tuple[str, ...]
    report: str
    root: str | None = None
    timeout_s: int = 1800


def run_checks(run: CheckRun) -> dict[str, Any]:
    """Run the checks; returns ``{passed, failed, skipped, report, failures: [{check, message}]}``.

    Finding no check at all is a failure. MachineFailure if pytest cannot run.
    """
    missing = [path for path in run.paths if not os.path.exists(path)]
    if missing:
        raise MachineFailure(f"there are no checks at {', '.join(missing)}")
    _require("pytest", "testinfra")
    if not run.paths:
        outcome: dict[str, Any] = {"passed": 0, "failed": 0, "skipped": 0, "checks": []}
    else:
        outcome = _run_pytest(run)
    _write_report(run.report, outcome)
    failures = [
        {"check": check["check"], "message": check["message"]}
        for check in outcome["checks"]
        if check["outcome"] == "failed"
    ]
    counts = {name: outcome[name] for name in ("passed", "failed", "skipped")}
    return {**counts, "report": run.report, "failures": failures}


def _run_pytest(run: CheckRun) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="bakery-checks-", dir=_place()) as directory:
        with open(os.path.join(directory, f"{_PLUGIN}.py"), "w", encoding="utf-8") as plugin:
            plugin.write(inspect.getsource(pytest_machine))
        config = os.path.join(directory, "pytest.ini")
        with open(config, "w", encoding="utf-8") as out:
            out.write("[pytest]\n")
        report = os.path.join(directory, "report.json")
        done = _call(_command(run, config), _environment(run, directory, report), run)
        if done.returncode not in _FAILED or not os.path.exists(report):
            lines = (done.stderr or done.stdout).strip().splitlines()[-_LAST_LINES:]
            raise MachineFailure(
                f"pytest could not run the checks (exit status {done.returncode}): {' / '.join(lines)}"
            )
        with open(report, encoding="utf-8") as source_file:
            outcome: dict[str, Any] = json.load(source_file)
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


def _environment(run: CheckRun, directory: str, report: str) -> dict[str, str]:
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
        "BAKERY_REPORT": report,
    }


def _call(
    words: Sequence[str], environment: dict[str, str], run: CheckRun
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            env=environment,
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
        with open(path, "w", encoding="utf-8") as out:
            json.dump(outcome, out, indent=2)
            out.write("\n")
    except OSError as error:
        raise MachineFailure(f"the report {path} cannot be written: {error.strerror}") from error
