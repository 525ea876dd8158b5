from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bakery.errors import InputErrors
from bakery.load.project import load_project
from bakery.model.project import Project
from bakery.model.target import TargetKind

BASES = ("debian", "oci")
TARGETS = (TargetKind("container", frozenset(), BASES), TargetKind("null", frozenset(), BASES))
Write = Callable[[str, str], Path]
Load = Callable[[str], Project]
Mistakes = Callable[[str], list[str]]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project directory, which is also the working directory: files are shown by their names."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def write(root: Path) -> Write:
    """Writes a file below the project directory."""

    def write_file(path: str, text: str) -> Path:
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
        return place

    return write_file


@pytest.fixture
def load(write: Write) -> Load:
    """Loads a bakery.yml with this text, beside the roles common, nginx (1.2.0) and app."""
    for role in ("common", "nginx", "app"):
        write(f"roles/{role}/tasks/main.yml", "---\n")
    write("roles/nginx/VERSION", "1.2.0\n")
    write("checks/web/test_web.py", "")

    def load_text(text: str) -> Project:
        return load_project(write("bakery.yml", text), targets=TARGETS)

    return load_text


@pytest.fixture
def mistakes(load: Load) -> Mistakes:
    """The sentences that a bakery.yml with this text is answered with."""

    def refused(text: str) -> list[str]:
        with pytest.raises(InputErrors) as caught:
            load(text)
        return [str(error) for error in caught.value.errors]

    return refused
