"""The warm executor in a real machine: who reaches it, what it does not run, what happens when it dies."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest

from tests.e2e.machines import Machine, Machines

pytestmark = pytest.mark.slow

SLOWER = "tasks run slower from here"
PYTHON = " EXECUTOR python"


@pytest.fixture(scope="module")
def plays(repository: Path) -> Path:
    return repository / "tests" / "fixtures" / "executor"


@pytest.fixture
def machine(machines: Machines, request: pytest.FixtureRequest) -> Machine:
    return machines.launch(request.node.name.replace("_", "-")[5:60])


def executors(machine: Machine) -> list[str]:
    """Their process ids, without the one that carries out this request."""
    return machine.run(
        "grep -lz '[b]akery_executor' /proc/[0-9]*/cmdline 2>/dev/null | cut -d/ -f3 | grep -vx $PPID || true"
    ).split()


def test_only_root_on_this_host_reaches_it(machine: Machine, plays: Path) -> None:
    done = machine.play(plays / "hello.yml")
    assert done.returncode == 0, done.stdout
    assert done.stdout.count(PYTHON) == 3
    socket = machine.directory / "executor.sock"
    assert stat.S_IMODE(socket.stat().st_mode) == 0o600
    assert stat.S_IMODE(machine.directory.stat().st_mode) == 0o700
    assert "executor.sock" not in machine.run(
        "cat /proc/net/unix; find / -xdev -name 'executor*' 2>/dev/null"
    )


def test_one_executor_serves_every_run(machine: Machine, plays: Path) -> None:
    for _ in range(2):
        assert machine.play(plays / "hello.yml").returncode == 0
    assert len(executors(machine)) == 1


def test_it_ends_with_its_machine(machine: Machine, plays: Path) -> None:
    assert machine.play(plays / "hello.yml").returncode == 0
    machine.throwaways.discard(machine.launched.journal.id)
    left = [path for path in Path("/proc").glob("[0-9]*/cmdline") if _mentions(path, machine)]
    assert not left
    assert not machine.directory.exists()


def _mentions(cmdline: Path, machine: Machine) -> bool:
    """Whether a process is an executor that reads or writes below the machine's directory."""
    try:
        names = [str(path.readlink()) for path in (cmdline.parent / "fd").iterdir()]
        return b"bakery_executor" in cmdline.read_bytes() and any(
            str(machine.directory) in name for name in names
        )
    except OSError:
        return False


def test_module_utils_of_a_role_are_not_run_warm(machine: Machine, plays: Path) -> None:
    assert machine.play(plays / "hello.yml").returncode == 0
    done = machine.play(plays / "own.yml")
    assert done.returncode == 0, done.stdout
    assert "ordinary path: its module_utils are not those of this executor" in done.stdout
    assert PYTHON not in done.stdout


def test_executor_that_died_is_told_once_and_missed_by_nobody(machine: Machine, plays: Path) -> None:
    done = machine.play(plays / "killed_between.yml")
    assert done.returncode == 0, done.stdout
    said = done.stdout + done.stderr
    assert said.count(SLOWER) == 1
    again = machine.play(plays / "hello.yml")
    assert again.returncode == 0
    assert SLOWER not in again.stdout + again.stderr


def test_task_whose_handler_is_killed_is_not_run_twice(machine: Machine, plays: Path) -> None:
    """Nobody knows what it had done already."""
    done = machine.play(plays / "killed_within.yml")
    assert done.returncode == 4, done.stdout
    assert "the executor in the machine ended" in done.stdout


def test_python_that_cannot_be_an_executor_is_used_the_ordinary_way(machine: Machine, plays: Path) -> None:
    machine.run(
        "printf '%s\\n' '#!/bin/sh' '[ \"$1\" = -c ] && { echo no executor here >&2; exit 7; }' "
        "'exec /usr/bin/python3 \"$@\"' > /usr/local/bin/python3 && chmod 755 /usr/local/bin/python3"
    )
    other = {"ansible_python_interpreter": "/usr/local/bin/python3"}
    done = machine.play(plays / "hello.yml", variables=other)
    assert done.returncode == 0, done.stdout
    assert "ordinary path: it wants another interpreter" in done.stdout
    machine.throwaways.command(machine.launched.journal).way.retire()
    done = machine.play(plays / "hello.yml", variables=other)
    assert done.returncode == 0, done.stdout
    said = re.sub(r"\s+", " ", done.stdout + done.stderr)
    assert said.count(SLOWER) == 1
    assert "no executor here" in said


def test_machine_without_python_is_no_fault(machine: Machine, plays: Path) -> None:
    done = machine.play(plays / "hello.yml", variables={"ansible_python_interpreter": "/opt/python3"})
    assert done.returncode == 2
    assert SLOWER not in done.stdout + done.stderr


def test_change_of_what_it_started_with_starts_another(machine: Machine, plays: Path) -> None:
    before = machine.play(plays / "hello.yml")
    assert before.returncode == 0
    (first,) = executors(machine)
    done = machine.play(plays / "changed.yml")
    assert done.returncode == 0, done.stdout
    assert "what it started with has changed" in done.stdout
    assert "'new'" not in done.stderr
    (second,) = executors(machine)
    assert first != second
    assert SLOWER not in done.stdout + done.stderr
