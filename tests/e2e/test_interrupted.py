"""A bake that is stopped or killed anywhere leaves a consistent home that a sweep makes clean."""

from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e.conftest import NOTHING, Kitchen

pytestmark = pytest.mark.e2e


def lines_until(process: subprocess.Popen[str], number: int) -> list[str]:
    """Read the progress lines of a bake until ``number`` of them came, or the bake ended."""
    assert process.stderr
    seen: list[str] = []
    while len(seen) < number and (line := process.stderr.readline()):
        seen.append(line)
    return seen


def start_talkative(kitchen: Kitchen) -> subprocess.Popen[str]:
    return kitchen.start("bake", "--json", "-vv", "note", start_new_session=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_bake_cleans_up_and_says_so(kitchen: Kitchen, number: signal.Signals) -> None:
    with start_talkative(kitchen) as process:
        lines_until(process, 4)
        process.send_signal(number)
        process.communicate()
    assert process.returncode == 130
    assert kitchen.leftovers() == NOTHING


def test_a_killed_bake_is_swept_wherever_it_was(kitchen: Kitchen) -> None:
    """Kill after the first progress line, after the second, … until a bake gets through."""
    kills = 0
    while True:
        with start_talkative(kitchen) as process:
            seen = lines_until(process, kills + 1)
            if len(seen) <= kills:
                process.communicate()
                break
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        kitchen.run("sweep", "--json")
        assert kitchen.leftovers() == NOTHING, f"after {seen[-1]!r}"
        assert kitchen.query("pragma integrity_check") == [("ok",)], f"after {seen[-1]!r}"
        kills += 1
    assert process.returncode == 0
    assert kills > 10
    assert kitchen.bake("note").result["status"] == "unchanged"


def test_a_bake_killed_while_it_makes_the_base_is_swept(kitchen: Kitchen, tmp_path: Path) -> None:
    fresh = replace(kitchen, home=tmp_path / "home")
    with start_talkative(fresh) as process:
        while process.poll() is None and not list(fresh.home.glob("container/machines/*")):
            pass
        assert process.poll() is None, "the bake ended before its base was begun"
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    fresh.run("sweep", "--json")
    assert fresh.leftovers() == NOTHING
