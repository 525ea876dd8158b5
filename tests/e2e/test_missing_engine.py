"""Without an engine, or with one that does not work: a sentence, exit code 5, and nothing left behind."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

import pytest

from tests.e2e.conftest import NOTHING, Kitchen
from tests.e2e.small_project import write, write_project

pytestmark = pytest.mark.e2e

NEW = token_hex(4)  # baked by nobody yet


@dataclass(frozen=True)
class Elsewhere(Kitchen):
    """A kitchen whose commands are looked for in ``path`` alone."""

    path: str = ""

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, "PATH": self.path}


@pytest.fixture
def dots(home: Path, bakery_command: Path, tmp_path: Path) -> Kitchen:
    roles = {"dot": write("/srv/dot", NEW)}
    project = write_project(tmp_path / "project", roles, {"dot": "dot"})
    return Kitchen(command=bakery_command, home=home, project=project)


def without_podman(directory: Path) -> str:
    """A PATH with links to every command of this process's PATH but podman."""
    directory.mkdir()
    for folder in os.get_exec_path():
        if not Path(folder).is_dir():
            continue
        for command in Path(folder).iterdir():
            link = directory / command.name
            if command.name != "podman" and not link.is_symlink():
                link.symlink_to(command)
    return str(directory)


def with_podman(directory: Path, script: str) -> str:
    """A PATH whose podman is a shell script; ``$podman`` is the real one in it."""
    path = without_podman(directory)
    command = directory / "podman"
    command.write_text(f"#!/bin/sh\npodman={shutil.which('podman')}\n{script}\n")
    command.chmod(0o755)
    return path


def elsewhere(kitchen: Kitchen, path: str) -> Kitchen:
    return Elsewhere(command=kitchen.command, home=kitchen.home, project=kitchen.project, path=path)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (None, "the container engine podman is not installed"),
        ("echo 'Error: the database is on holiday' >&2; exit 125", "the database is on holiday"),
        ('case "$*" in *run*) echo "Error: no room" >&2; exit 126;; esac; exec $podman "$@"', "no room"),
    ],
    ids=["missing", "broken", "runs-nothing"],
)
def test_an_engine_that_does_not_work_is_a_sentence(
    dots: Kitchen, tmp_path: Path, script: str | None, words: str
) -> None:
    change = dots.project / "roles" / "dot" / "tasks" / "main.yml"
    change.write_text(change.read_text().replace(NEW, f"{tmp_path.name} {NEW}"))
    bin_directory = tmp_path / "bin"
    path = with_podman(bin_directory, script) if script else without_podman(bin_directory)
    broken = elsewhere(dots, path)
    outcome = broken.run("bake", "dot", code=5)
    assert words in outcome.stderr
    assert "bakery sweep" not in outcome.stderr, "there is nothing to sweep"
    assert dots.leftovers() == NOTHING
    assert dots.bake("dot").result["status"] == "baked"


def test_a_sweep_works_without_an_engine(dots: Kitchen, tmp_path: Path) -> None:
    elsewhere(dots, without_podman(tmp_path / "bin")).run("sweep")
