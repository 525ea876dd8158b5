"""Checks run in a pytest whose files are those of the run of Ansible, which are removed if it is killed."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.bakery.images.plugins.module_utils.checking import CheckRun, run_checks

CHECK = """
import tempfile
from pathlib import Path

def test_place(tmp_path):
    for place in (tmp_path, Path(tempfile.gettempdir())):
        assert place.is_relative_to({run!r}), place
"""


def test_temporary_files_of_checks_are_those_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, checks = tmp_path / "run", tmp_path / "checks"
    for directory in (run, checks):
        directory.mkdir()
    (checks / "test_place.py").write_text(CHECK.format(run=str(run)))
    monkeypatch.setenv("ANSIBLE_LOCAL_TEMP", str(run))
    outcome = run_checks(CheckRun((str(checks),), ("env",), str(tmp_path / "report.json")))
    assert (outcome["passed"], outcome["failures"]) == (1, [])
    assert list(run.iterdir()) == []
