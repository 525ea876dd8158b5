"""Bakes at the same time, in several processes: what they share is baked once, and they never collide."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

import pytest

from tests.e2e.conftest import NOTHING, Kitchen, Outcome
from tests.e2e.small_project import write, write_project

pytestmark = pytest.mark.e2e

# Goes on when the test has made the file in the machine: what happens meanwhile is certain to.
WAIT = """\
---
- name: Be ready
  ansible.builtin.debug:
    msg: {name}
- name: Wait for a sign
  ansible.builtin.wait_for:
    path: /srv/go
    sleep: 1
    timeout: 300
"""
SERVE = """\
- name: Install a small package
  ansible.builtin.apt:
    name: {package}
    update_cache: true
- name: Serve
  ansible.builtin.command:
    cmd: systemd-run --unit=serve python3 -m http.server 8765
  changed_when: true
- name: Wait for the port
  ansible.builtin.wait_for:
    port: 8765
    timeout: 60
"""


@dataclass
class Bake:
    """A bake in another process, and what it has said so far."""

    process: subprocess.Popen[str]
    said: str = ""

    def until(self, words: str) -> None:
        """Read its progress until a line with these words."""
        assert self.process.stderr
        while line := self.process.stderr.readline():
            self.said += line
            if words in line:
                return
        raise AssertionError(f"it ended without {words!r}:\n{self.said}{self.process.communicate()[0]}")

    def finish(self) -> Outcome:
        stdout, stderr = self.process.communicate()
        assert self.process.returncode == 0, self.said + stdout + stderr
        return Outcome(0, stdout, self.said + stderr)


@pytest.fixture
def start(home: Path, bakery_command: Path, tmp_path: Path) -> Callable[..., Bake]:
    """Start a bake of role sets of the project below."""
    roles = {
        "slow": WAIT.format(name=token_hex(4)),
        "dot": write("/srv/dot", token_hex(4)),
        "dash": write("/srv/dash", token_hex(4)),
    }
    project = write_project(tmp_path / "project", roles, {"one": "slow, dot", "two": "slow, dash"})
    kitchen = Kitchen(command=bakery_command, home=home, project=project)

    def run(*words: str) -> Bake:
        return Bake(kitchen.start("bake", "--json", "-vv", *words))

    return run


@pytest.fixture
def kitchen(home: Path, bakery_command: Path, tmp_path: Path) -> Kitchen:
    return Kitchen(command=bakery_command, home=home, project=tmp_path / "project")


def let_go(kitchen: Kitchen) -> None:
    """Let the only machine that there is go on."""
    (tree,) = (kitchen.home / "container" / "machines").glob("*/merged")
    (tree / "srv" / "go").write_text("")


def test_one_bakes_and_the_other_waits_for_its_image(start: Callable[..., Bake], kitchen: Kitchen) -> None:
    first = start("one")
    first.until("Be ready")
    second = start("one")
    second.until("'one' is being baked by another bake: waiting for it")
    let_go(kitchen)
    baked, waited = first.finish().result, second.finish().result
    assert (baked["status"], waited["status"]) == ("baked", "unchanged")
    assert waited["artifact"] == baked["artifact"]
    assert kitchen.leftovers() == NOTHING


def test_a_shared_prefix_is_baked_by_one_of_two_processes(
    start: Callable[..., Bake], kitchen: Kitchen
) -> None:
    first = start("one")
    first.until("Be ready")
    second = start("two")
    second.until("role 'slow' is being baked by another bake: waiting for it")
    let_go(kitchen)
    ours, theirs = first.finish().result["layers"], second.finish().result["layers"]
    assert [layer["cached"] for layer in ours] == [False, False]
    assert [layer["cached"] for layer in theirs] == [True, False]
    assert ours[0]["digest"] == theirs[0]["digest"]
    assert kitchen.leftovers() == NOTHING


def test_a_sweep_leaves_a_live_bake_alone(start: Callable[..., Bake], kitchen: Kitchen) -> None:
    bake = start("one")
    bake.until("Be ready")
    before = kitchen.leftovers()
    (swept,) = kitchen.run("sweep", "--json").document["targets"]
    assert not any(swept[kind] for kind in ("machines", "mounts", "containers", "directories"))
    assert kitchen.leftovers() == before != NOTHING
    let_go(kitchen)
    assert bake.finish().result["status"] == "baked"
    assert kitchen.leftovers() == NOTHING


def test_ports_and_package_locks_of_parallel_bakes_do_not_meet(
    home: Path, bakery_command: Path, tmp_path: Path
) -> None:
    roles = {
        name: write(f"/srv/{name}", token_hex(4)) + SERVE.format(package=package)
        for name, package in (("left", "tree"), ("middle", "dc"), ("right", "bc"))
    }
    project = write_project(tmp_path / "project", roles, {name: name for name in roles})
    kitchen = Kitchen(command=bakery_command, home=home, project=project)
    results = kitchen.bake("--all", "--jobs", "3").document["results"]
    assert [(one["role_set"], one["status"]) for one in results] == [(name, "baked") for name in roles]
    assert kitchen.leftovers() == NOTHING
