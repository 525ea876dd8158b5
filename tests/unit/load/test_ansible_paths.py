"""Directories that Ansible cannot use as paths are refused by name, before anything starts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bakery.errors import InputErrors
from bakery.load.project import load_project
from tests.unit.load.conftest import TARGETS, Load, Mistakes, Write

TEXT = "version: 1\nbases: {deb: {debian: {suite: bookworm}}}\nrole_sets: {web: {base: deb, roles: [app]}}\n"


def project_in(folder: Path) -> Path:
    (folder / "roles/app/tasks").mkdir(parents=True)
    (folder / "roles/app/tasks/main.yml").write_text("---\n")
    (folder / "bakery.yml").write_text(TEXT)
    return folder


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("co:lon", "a ':' separates paths in its settings"),
        ("br{{ace}}", "'{{' begins a template"),
        ("br{%ace", "'{%' begins a template"),
        ("br{#ace", "'{#' begins a template"),
        ("in$HOME", "a '$' begins the name of a variable of the environment"),
        (os.fsdecode(b"latin-\xfc"), "it is not UTF-8"),
    ],
)
def test_a_project_in_a_directory_that_ansible_misreads_is_refused(
    tmp_path: Path, name: str, why: str
) -> None:
    with pytest.raises(InputErrors) as refused:
        load_project(project_in(tmp_path / name), targets=TARGETS)
    (error,) = refused.value.errors
    assert str(error).endswith(
        f"is no path for Ansible: {why}; move it, or use a link to it that is called otherwise"
    )
    assert "bakery.yml: the project's directory" in str(error)


@pytest.mark.parametrize("name", ["with space", "ünïcode", "br{ace}", "ws@2", "a%b", "quote'", "50$", "a,b"])
def test_other_directories_are_no_trouble(tmp_path: Path, name: str) -> None:
    assert load_project(project_in(tmp_path / name), targets=TARGETS).root == tmp_path / name


def test_a_link_without_the_character_is_a_way_out(tmp_path: Path) -> None:
    project_in(tmp_path / "co:lon")
    (tmp_path / "link").symlink_to(tmp_path / "co:lon")
    assert load_project(tmp_path / "link", targets=TARGETS).root == tmp_path / "link"


def test_a_roles_path_is_refused_with_its_line(write: Write, mistakes: Mistakes) -> None:
    write("more:roles/db/tasks/main.yml", "---\n")
    (said,) = mistakes(f"{TEXT}defaults: {{roles_path: [roles, 'more:roles']}}\n")
    assert said.startswith("bakery.yml:4: the roles_path 'more:roles' is no path for Ansible")


def test_another_folder_of_roles_below_the_project_is_no_trouble(write: Write, load: Load) -> None:
    write("odd/roles/db/tasks/main.yml", "---\n")
    assert load(f"{TEXT}defaults: {{roles_path: [roles, odd/roles]}}\n").roles_path
