"""What checks say of the machine they ran on: that it ended, and units that failed.

The engine and the machine are programs of the test.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.bakery.images.plugins.module_utils.checked_machine import find_failed_units
from ansible_collections.bakery.images.plugins.module_utils.checking import CheckRun, run_checks

PASSING = "def test_ok(host):\n    assert host.run('true').rc == 0\n"
FAILING = "def test_no(host):\n    assert host.run('false').rc == 0\n"


class Place:
    """A folder with checks, and programs that play the engine and systemd."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "bin").mkdir()

    def program(self, name: str, text: str) -> None:
        path = self.root / "bin" / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def run(self, text: str, **changes: object) -> dict:
        (self.root / "test_it.py").write_text(text)
        run = CheckRun(
            paths=(str(self.root / "test_it.py"),),
            exec_words=("env",),
            report=str(self.root / "report.json"),
            root=str(self.root),
            **changes,
        )
        return run_checks(run)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    made = Place(tmp_path)
    made.program("systemctl", "exit 1")
    made.program("journalctl", 'echo "journal of $2"')
    return made


def ended(place: Place, state: dict[str, object], words: str = "no database") -> None:
    record = json.dumps([{"State": state}])
    place.program("podman", f"if [ \"$1\" = logs ]; then echo '{words}'; else echo '{record}'; fi")


def test_a_machine_that_ended_is_the_first_failure_with_its_last_words(place: Place) -> None:
    ended(place, {"Running": False, "ExitCode": 7, "FinishedAt": "2026-01-01T00:00:00Z"})
    checks = place.run(PASSING + FAILING, container="web")
    assert (checks["passed"], checks["failed"]) == (1, 2)
    first, second = checks["failures"]
    assert first == {
        "check": "the machine",
        "message": "the machine ended while the checks ran, exit code 7; its last words:\nno database",
    }
    assert second == {"check": "test_it.py::test_no", "message": "the machine ended before this check did"}


def test_a_check_that_failed_before_the_machine_ended_keeps_its_reason(place: Place) -> None:
    ended(place, {"Running": False, "ExitCode": 0, "FinishedAt": "2199-01-01T00:00:00Z"}, words="")
    first, second = place.run(FAILING, container="web")["failures"]
    assert first["message"] == "the machine ended while the checks ran, exit code 0 and said nothing"
    assert second["message"].startswith("AssertionError")


def test_the_engine_is_not_asked_where_every_check_passed(place: Place) -> None:
    place.program("podman", f"touch {place.root}/asked; exit 1")
    assert place.run(PASSING, container="web")["failed"] == 0
    assert not (place.root / "asked").exists()


@pytest.mark.parametrize("engine", ['echo \'[{"State": {"Running": true}}]\'', "exit 125"])
def test_a_machine_that_runs_or_is_unknown_is_not_blamed(place: Place, engine: str) -> None:
    place.program("podman", engine)
    assert len(place.run(FAILING, container="web")["failures"]) == 1


def test_a_unit_that_failed_at_boot_is_told_with_its_journal(place: Place) -> None:
    checks = place.run(PASSING, failed_units=("shop.service",))
    assert (checks["passed"], checks["failed"]) == (1, 0)
    assert checks["failed_units"] == [{"unit": "shop.service", "journal": "journal of shop.service"}]
    assert json.loads((place.root / "report.json").read_text())["failed_units"] == checks["failed_units"]


def test_strict_checks_fail_for_a_unit_that_failed_at_boot(place: Place) -> None:
    checks = place.run(PASSING, failed_units=("shop.service",), strict=True)
    assert (checks["passed"], checks["failed"]) == (1, 1)
    (failure,) = checks["failures"]
    assert failure["check"] == "shop.service"
    assert failure["message"] == "this unit failed while the machine booted\njournal of shop.service"
    assert place.run(PASSING, strict=True)["failed"] == 0


def test_failed_checks_have_the_units_that_failed_since(place: Place) -> None:
    place.program("systemctl", "echo 'late.service loaded failed failed Late'")
    assert place.run(PASSING)["failed_units"] == []
    units = place.run(FAILING)["failed_units"]
    assert units == [{"unit": "late.service", "journal": "journal of late.service"}]


def test_what_a_machine_says_of_its_units_has_a_bound(place: Place) -> None:
    place.program("systemctl", "i=0; while [ $i -lt 500 ]; do echo u$i.service; i=$((i+1)); done")
    place.program("journalctl", "head -c 100000 /dev/zero | tr '\\0' x")
    found = find_failed_units(("env",), ("shop.service",), more=True)
    assert len(found) <= 21
    assert all(len(journal) <= 2000 for journal in found.values())


def test_a_machine_that_never_stops_talking_is_cut_short(place: Place) -> None:
    place.program("systemctl", "echo loud.service")
    place.program("journalctl", "exec cat /dev/zero")
    assert list(find_failed_units(("env",), (), more=True)) == ["loud.service"]


def test_a_machine_that_says_nothing_still_has_the_units_known() -> None:
    assert find_failed_units(("false",), ("shop.service",), more=False) == {"shop.service": ""}
    assert find_failed_units(("/no/such/program",), ("shop.service",), more=True) == {"shop.service": ""}
    assert find_failed_units(("/no/such/program",), (), more=False) == {}
