"""Reports of checks are for their owner alone, also those that an older bakery wrote."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from bakery.adapters.home import ensure_home
from bakery.adapters.owner import own_namespace, start_ticks
from bakery.adapters.reports import keep_report, sweep_reports
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


def test_what_a_killed_bakery_had_not_finished_is_swept(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        os.replace = lambda *_paths: os._exit(0)  # as a kill at the last moment
        keep_report(tmp_path / "reports" / "web.json", {"passed": 1})
        os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    (dead,) = (tmp_path / "reports").iterdir()
    writer = f"{os.getpid()}-{start_ticks(os.getpid())}-{own_namespace()}"
    for name in (
        f"web.json.{writer}.0123456789abcdef.partial",
        "web.json.0123456789abcdef.partial",
        "web.json",
    ):
        (tmp_path / "reports" / name).touch()
    old = tmp_path / "reports" / "db.json.0123456789abcdef.partial"
    old.touch()
    os.utime(old, (1, 1))
    assert sweep_reports(tmp_path, True) == (old, dead)
    assert dead.exists()
    assert sweep_reports(tmp_path, False) == (old, dead)
    assert len(list((tmp_path / "reports").iterdir())) == 3
    assert sweep_reports(tmp_path, False) == ()


def test_a_home_without_reports_has_nothing_to_sweep(tmp_path: Path) -> None:
    assert sweep_reports(tmp_path, False) == ()
