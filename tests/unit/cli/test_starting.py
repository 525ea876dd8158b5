from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from bakery.cli.starting import files_of, plan_start, write_start
from bakery.errors import InputError

SCHEMA: dict[str, object] = {"title": "a schema"}


def start(directory: Path, name: str | None = None) -> tuple[str, ...]:
    planned = plan_start(directory, name)
    return write_start(planned, files_of(planned, SCHEMA))


def test_a_new_project_has_a_role_with_checks_and_is_named_as_its_directory(tmp_path: Path) -> None:
    written = start(tmp_path / "Web Shop")
    project = yaml.safe_load((tmp_path / "Web Shop" / "bakery.yml").read_text())
    assert list(project["role_sets"]) == ["web-shop"]
    assert project["role_sets"]["web-shop"]["roles"] == ["motd"]
    assert "roles/motd/checks/test_motd.py" in written
    assert written[-1] == "bakery.yml", "the project file is last, so that a half-written project is none"


def test_editors_find_the_schema_beside_the_project(tmp_path: Path) -> None:
    start(tmp_path, "web")
    first = (tmp_path / "bakery.yml").read_text().splitlines()[0]
    path = first.removeprefix("# yaml-language-server: $schema=")
    assert json.loads((tmp_path / path).read_text()) == SCHEMA


def test_roles_that_are_there_are_used_and_nothing_is_overwritten(tmp_path: Path) -> None:
    for role in ("nginx", "common"):
        (tmp_path / "roles" / role / "tasks").mkdir(parents=True)
        (tmp_path / "roles" / role / "tasks" / "main.yml").write_text("mine")
    start(tmp_path, "web")
    project = yaml.safe_load((tmp_path / "bakery.yml").read_text())
    assert project["role_sets"]["web"]["roles"] == ["common", "nginx"]
    assert (tmp_path / "roles" / "nginx" / "tasks" / "main.yml").read_text() == "mine"
    assert not (tmp_path / "roles" / "motd").exists()
    assert (tmp_path / "checks" / "web" / "test_web.py").exists()


def test_a_project_that_is_there_is_refused(tmp_path: Path) -> None:
    start(tmp_path, "web")
    with pytest.raises(InputError, match=r"there is a bakery\.yml"):
        start(tmp_path, "web")


@pytest.mark.parametrize("name", ["Web", "a b", "../up", "", "1st"])
def test_a_name_that_cannot_be_a_role_set_is_refused(name: str, tmp_path: Path) -> None:
    if not name:
        assert plan_start(tmp_path / "web", name).name == "web"
        return
    with pytest.raises(InputError, match="no name for a role set"):
        plan_start(tmp_path, name)


def test_a_directory_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        start(tmp_path / "file" / "project", "web")
