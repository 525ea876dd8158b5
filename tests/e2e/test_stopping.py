"""Ctrl-C and SIGTERM wherever a bake may be waiting: exit code 130, and nothing left."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path
from secrets import token_hex

import pytest

from tests.e2e.conftest import NOTHING, Kitchen
from tests.e2e.small_project import write_project
from tests.e2e.test_side_by_side import WAIT, Bake, let_go

pytestmark = pytest.mark.e2e


@pytest.fixture
def kitchen(home: Path, bakery_command: Path, tmp_path: Path) -> Kitchen:
    project = write_project(tmp_path / "project", {"slow": WAIT.format(name=token_hex(4))}, {"slow": "slow"})
    return Kitchen(command=bakery_command, home=home, project=project)


def start(kitchen: Kitchen) -> Bake:
    return Bake(kitchen.start("bake", "--json", "-vv", "slow", start_new_session=True))


def processes_with(text: str) -> list[str]:
    """The command lines of processes that have ``text`` in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if text in (path / "environ").read_bytes().decode(errors="replace"):
                found.append((path / "cmdline").read_text())
        except OSError:
            continue
    return found


def test_a_second_signal_does_not_wait(kitchen: Kitchen) -> None:
    """Two kinds of signal, as two of one kind may arrive as one."""
    bake = start(kitchen)
    bake.until("Be ready")
    bake.process.send_signal(signal.SIGINT)
    bake.process.send_signal(signal.SIGTERM)
    bake.process.communicate()
    assert bake.process.returncode == 130
    kitchen.run("sweep", "--json")
    assert kitchen.leftovers() == NOTHING
    assert processes_with(f"BAKERY_HOME={kitchen.home}\0") == []


def test_interrupting_a_bake_that_waits_leaves_the_other_alone(kitchen: Kitchen) -> None:
    first = start(kitchen)
    first.until("Be ready")
    second = start(kitchen)
    second.until("waiting for it")
    second.process.send_signal(signal.SIGINT)
    second.process.communicate()
    assert second.process.returncode == 130
    let_go(kitchen)
    assert first.finish().result["status"] == "baked"
    assert kitchen.leftovers() == NOTHING


def test_sigterm_while_the_base_is_made(kitchen: Kitchen, tmp_path: Path) -> None:
    fresh = replace(kitchen, home=tmp_path / "home")
    bake = start(fresh)
    machines = fresh.home / "container" / "machines"
    while bake.process.poll() is None and not list(machines.glob("*/tree/usr")):
        pass
    assert bake.process.poll() is None, "the bake ended before its base was begun"
    bake.process.send_signal(signal.SIGTERM)
    bake.process.communicate()
    assert bake.process.returncode == 130
    assert fresh.leftovers() == NOTHING
    assert processes_with(f"BAKERY_HOME={fresh.home}\0") == []
