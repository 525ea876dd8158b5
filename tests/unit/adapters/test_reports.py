"""Reports of checks are for their owner alone, also those that an older bakery wrote."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bakery.adapters.home import ensure_home
from bakery.adapters.reports import keep_report
from bakery.errors import MachineError


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_report_is_whole_and_private(tmp_path: Path) -> None:
    path = tmp_path / "home" / "reports" / "web.json"
    keep_report(path, {"passed": 1})
    keep_report(path, {"passed": 2, "checks": [{"message": "\x1b[5m\x7f\x9b\u202e"}]})
    assert json.loads(path.read_text())["checks"][0]["message"] == "\x1b[5m\x7f\x9b\u202e"
    assert path.read_text().replace("\n", "").isprintable()
    assert list(path.parent.iterdir()) == [path]
    assert (mode(path), mode(path.parent)) == (0o600, 0o700)


def test_what_an_older_bakery_left_open_is_closed_on_use(tmp_path: Path) -> None:
    reports = tmp_path / "reports"
    reports.mkdir(mode=0o755)
    (reports / "old.json").write_text("{}")
    (reports / "old.json").chmod(0o644)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("")
    elsewhere.chmod(0o644)
    (reports / "link").symlink_to(elsewhere)
    ensure_home(tmp_path)
    assert (mode(reports), mode(reports / "old.json"), mode(elsewhere)) == (0o700, 0o600, 0o644)


def test_a_report_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("in the way")
    with pytest.raises(MachineError, match=r"the report .*web\.json cannot be written: "):
        keep_report(tmp_path / "reports" / "web.json", {})
