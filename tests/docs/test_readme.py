"""The README's commands: those marked runnable are run, in a shell, in an empty directory."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

RUNNABLE = re.compile(r"^<!-- runnable -->\n+```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ROOT = Path(__file__).resolve().parents[2]


def _sessions() -> list[str]:
    return RUNNABLE.findall((ROOT / "README.md").read_text())


def test_readme_has_commands_to_run() -> None:
    assert _sessions()


@pytest.mark.parametrize("session", _sessions(), ids=lambda text: text.splitlines()[0].lstrip("$ "))
def test_commands_of_the_readme_run(session: str, tmp_path: Path, bin_directory: Path) -> None:
    script = "\n".join(line.removeprefix("$ ") for line in session.splitlines() if line.startswith("$ "))
    work = tmp_path / "work"
    work.mkdir()
    environment = os.environ | {
        "PATH": f"{bin_directory}{os.pathsep}{os.environ['PATH']}",
        "BAKERY_HOME": str(tmp_path / "home"),
    }
    done = subprocess.run(
        ["sh", "-eux", "-c", script],
        cwd=work,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_targets_of_make_that_the_readme_names_exist(repository: Path) -> None:
    named = set(re.findall(r"`make ([a-z]+)`|\$ make ([a-z]+)", (repository / "README.md").read_text()))
    targets = set(re.findall(r"^([a-z][a-z-]*):", (repository / "Makefile").read_text(), re.MULTILINE))
    assert named
    assert {name for pair in named for name in pair if name} - targets == set()
