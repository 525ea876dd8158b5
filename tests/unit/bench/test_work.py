"""The project that all competitors bake."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from bench.work import Project, Work
from bench.workloads import api, commands, mixed


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return commands.work(tmp_path / "sources")


@pytest.fixture
def project(work: Work, tmp_path: Path) -> Project:
    project = Project(work, tmp_path / "project")
    project.lay_out()
    return project


def _tasks(project: Project) -> list[dict[str, object]]:
    role = project.directory / "roles" / project.work.last_role
    tasks: list[dict[str, object]] = yaml.safe_load((role / "tasks" / "main.yml").read_text())
    return tasks


def test_commands_are_fifty_tasks_and_as_many_shell_commands(project: Project) -> None:
    assert len(_tasks(project)) == 50
    assert (project.shell / "Containerfile").read_text().count("/usr/bin/true") == 50


def test_a_mark_changes_files_and_no_task(project: Project) -> None:
    before = _tasks(project)
    project.set_tasks(mark="round 1", changed=False)
    assert _tasks(project) == before
    assert "# round 1" in (project.directory / "roles/commands/tasks/main.yml").read_text()


def test_a_changed_role_has_one_more_task_first(project: Project) -> None:
    before = _tasks(project)
    project.set_tasks(mark="turn1", changed=True)
    assert _tasks(project)[1:] == before
    assert "RUN /usr/bin/true turn1" in (project.shell / "Containerfile").read_text()


def test_everybody_gets_the_same_roles_and_variables(project: Project) -> None:
    (play,) = yaml.safe_load(project.playbook.read_text())
    role_sets = yaml.safe_load((project.directory / "bakery.yml").read_text())["role_sets"]
    assert play["roles"] == role_sets["commands"]["roles"]
    assert role_sets["commands-without-executor"]["vars"] == {"ansible_ssh_bakery_executor": "off"}


def test_mixed_is_36_runs_of_a_module() -> None:
    role = mixed.work(Path()).sources["mixed"]
    tasks = yaml.safe_load((role / "tasks" / "main.yml").read_text())
    files = yaml.safe_load((role / "defaults" / "main.yml").read_text())["mixed_files"]
    runs = [task["loop"] if isinstance(task.get("loop"), list) else files for task in tasks if "loop" in task]
    assert len(tasks) - len(runs) + sum(map(len, runs)) == 36


def test_api_is_the_sample_role_set() -> None:
    work = api.work(Path())
    assert tuple(work.sources) == tuple(block.role for block in work.blocks)
    assert work.variables["common_sudo_group"] == "operators"
