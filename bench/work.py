"""One piece of work, described once for every competitor, and the project directory that all of them use."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from bench.engine import BASE

_CHECK = """def test_system_is_debian(host):
    assert host.system_info.distribution == "debian"
"""
EXECUTOR_OFF = {"ansible_ssh_bakery_executor": "off"}


@dataclass(frozen=True)
class Block:
    """The lines of a Containerfile that do what a role does.

    ``files`` are paths that the role writes; they are taken from bakery's layer of the role and lie in the
    build's context in a directory named like the role. The floor need not render templates.
    """

    role: str
    lines: tuple[str, ...]
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Work:
    """Roles to be applied to the base, in order; ``blocks`` has one entry for each.

    ``booted`` says that the roles expect a running systemd. ``net`` says that the time of applying the tasks
    is measured by itself. ``collections`` are needed by the roles beyond ansible-core.
    """

    name: str
    title: str
    sources: Mapping[str, Path]
    blocks: tuple[Block, ...]
    variables: Mapping[str, Any] = field(default_factory=dict)
    checks: Path | None = None
    booted: bool = False
    net: bool = False
    collections: tuple[Path, ...] = ()

    @property
    def last_role(self) -> str:
        return self.blocks[-1].role


@dataclass(frozen=True)
class Project:
    """A work laid out in ``directory``: for bakery, for Ansible, and for buildah (below ``shell``)."""

    work: Work
    directory: Path

    @property
    def playbook(self) -> Path:
        return self.directory / "site.yml"

    @property
    def shell(self) -> Path:
        return self.directory / "shell"

    def lay_out(self) -> None:
        shutil.rmtree(self.directory, ignore_errors=True)
        self.shell.mkdir(parents=True)
        for role, source in self.work.sources.items():
            shutil.copytree(source, self.directory / "roles" / role)
        for collection in self.work.collections:
            place = self.directory / "collections" / "ansible_collections" / collection.parent.name
            shutil.copytree(collection, place / collection.name)
        checks = self.directory / "checks"
        if self.work.checks:
            shutil.copytree(self.work.checks, checks)
        else:
            checks.mkdir()
            (checks / "test_system.py").write_text(_CHECK)
        self._write("bakery.yml", _bakery_yml(self.work))
        self._write("site.yml", _playbook(self.work))
        self.set_tasks(mark="laid out", changed=False)

    def set_tasks(self, *, mark: str, changed: bool) -> None:
        """Write ``mark`` into every role as a comment; if ``changed``, into the last alone as a new task."""
        for role, source in self.work.sources.items():
            tasks = (source / "tasks" / "main.yml").read_text()
            text = f"# {mark}\n{tasks}"
            if changed:
                text = _with_first_task(tasks, mark) if role == self.work.last_role else tasks
            (self.directory / "roles" / role / "tasks" / "main.yml").write_text(text)
        (self.shell / "Containerfile").write_text(_containerfile(self.work, mark if changed else ""))

    def _write(self, name: str, content: Any) -> None:
        (self.directory / name).write_text(yaml.safe_dump(content, sort_keys=False))


def _bakery_yml(work: Work) -> dict[str, Any]:
    role_set = {
        "base": "debian-12",
        "roles": [block.role for block in work.blocks],
        "vars": dict(work.variables),
        "checks": ["checks"],
    }
    without = {**role_set, "vars": {**work.variables, **EXECUTOR_OFF}}
    return {
        "version": 1,
        "bases": {"debian-12": {"debian": {"suite": "bookworm", "systemd": True}}},
        "role_sets": {work.name: role_set, f"{work.name}-without-executor": without},
        "defaults": {"roles_path": ["roles"]},
    }


def _playbook(work: Work) -> list[dict[str, Any]]:
    return [
        {
            "name": f"Apply {work.name}",
            "hosts": "all",
            "gather_facts": True,
            "vars": dict(work.variables),
            "roles": [block.role for block in work.blocks],
        }
    ]


def _containerfile(work: Work, mark: str) -> str:
    lines = [f"FROM {BASE}"]
    for block in work.blocks:
        if mark and block.role == work.last_role:
            lines.append(f"RUN /usr/bin/true {mark}")
        lines.extend(block.lines)
    return "\n".join(lines) + "\n"


def _with_first_task(tasks: str, mark: str) -> str:
    first = (
        f"- name: Be a changed role\n  ansible.builtin.command: /usr/bin/true {mark}\n  changed_when: false\n"
    )
    return f"---\n{first}\n{tasks.removeprefix('---')}"
