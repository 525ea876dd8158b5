"""What is installed, and what is shipped."""

from __future__ import annotations

import os
import re
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.lint.conftest import Tool

pytestmark = pytest.mark.lint


@pytest.fixture(scope="module")
def lock(repository: Path) -> str:
    return (repository / "requirements.lock").read_text()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory, run_tool: Tool) -> Path:
    directory = tmp_path_factory.mktemp("wheel")
    run_tool("python", "-m", "build", "--wheel", "--no-isolation", f"--outdir={directory}", ".")
    (built,) = directory.iterdir()
    return built


def test_every_locked_dependency_has_a_hash(lock: str) -> None:
    entries = re.split(r"\n(?=[a-zA-Z0-9])", lock.strip())
    assert len(entries) > 20
    assert [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert [entry.splitlines()[0] for entry in entries if "==" not in entry] == []


def test_lock_names_no_index(lock: str) -> None:
    assert "://" not in lock
    assert "index-url" not in lock


def test_every_declared_dependency_is_locked(lock: str, repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text())
    declared = project["project"]["dependencies"] + project["dependency-groups"]["dev"]
    names = {re.split(r"[<>=!~;\[ ]", line)[0].lower().replace("_", "-") for line in declared}
    locked = {match.group(1).lower() for match in re.finditer(r"^([A-Za-z0-9_.-]+)==", lock, re.MULTILINE)}
    assert names - locked == set()


def test_wheel_carries_the_collection_and_the_playbooks(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert "bakery/cli/main.py" in names
    assert "bakery/_ansible/collections/ansible_collections/bakery/images/galaxy.yml" in names
    assert any(re.fullmatch(r"bakery/_ansible/playbooks/\w+\.yml", name) for name in names)
    assert [name for name in names if not name.startswith(("bakery/", "bakery-"))] == []


def test_commands_of_the_house_are_executable(repository: Path) -> None:
    for name in (".ci/run", "tools/install-packages", "tools/make-venv"):
        assert os.access(repository / name, os.X_OK), name
