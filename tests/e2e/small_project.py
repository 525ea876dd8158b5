"""Projects of a few tasks, and homes that begin with a base and nothing else."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from tests.e2e.conftest import Kitchen
from tests.sharing import locked

# The base of every other end-to-end test, so that a session makes it once.
_PROJECT = """\
version: 1
bases:
  debian-12:
    debian: {suite: bookworm, systemd: true}
role_sets:
"""
_SET = """\
  {name}:
    base: debian-12
    roles: [{roles}]
    checks: [checks]
"""
_CHECK = "def test_it_booted(host):\n    assert host.file('/etc/os-release').exists\n"


def write(path: str, content: str) -> str:
    """A task list that writes a file."""
    return (
        "---\n"
        f"- name: Write {path}\n"
        "  ansible.builtin.copy:\n"
        f"    content: {content}\n"
        f"    dest: {path}\n"
        '    mode: "0644"\n'
    )


def write_project(directory: Path, roles: Mapping[str, str], sets: Mapping[str, str]) -> Path:
    """A project with ``roles`` (name to task list) and role ``sets`` (name to roles, with commas)."""
    for name, tasks in roles.items():
        file = directory / "roles" / name / "tasks" / "main.yml"
        file.parent.mkdir(parents=True)
        file.write_text(tasks)
    text = _PROJECT + "".join(_SET.format(name=name, roles=used) for name, used in sets.items())
    (directory / "bakery.yml").write_text(text)
    (directory / "checks").mkdir()
    (directory / "checks" / "test_machine.py").write_text(_CHECK)
    return directory


def edit_check(project: Path) -> None:
    """Change the checks without changing what they say: the image is captured and verified again."""
    check = project / "checks" / "test_machine.py"
    check.write_text(check.read_text() + "# and once more\n")


def make_base(kitchen: Kitchen) -> None:
    """See to it that the home, which several may have in common, has the base of these projects."""
    with locked(kitchen.home.with_suffix(".lock")):
        if not kitchen.query("select digest from base"):
            kitchen.run("base", "refresh")


def clone_home(kitchen: Kitchen, to: Path) -> Kitchen:
    """The kitchen with a home of its own at ``to``: of the old one it has the base alone."""
    source, target = kitchen.home / "container", to / "container"
    blobs = target / "oci" / "blobs" / "sha256"
    for directory in (target / "layers", target / "l", blobs):
        directory.mkdir(parents=True)
    for (record,) in kitchen.query("select record from base"):
        for layer in json.loads(record)["layers"]:
            _copy(source / "layers" / layer["id"], target / "layers")
            _copy(
                source / "oci" / "blobs" / "sha256" / layer["blob"]["digest"].removeprefix("sha256:"), blobs
            )
    for name in ("bases", "cache"):
        if (source / name).exists():
            _copy(source / name, target)
    if (kitchen.home / "secret.key").exists():  # made by the first plan
        _copy(kitchen.home / "secret.key", to)
    with (
        closing(sqlite3.connect(kitchen.home / "catalog.sqlite")) as old,
        closing(sqlite3.connect(to / "catalog.sqlite")) as new,
    ):
        old.backup(new)
        for table in ("layer", "image", "attempt", "machine"):
            new.execute(f"delete from {table}")
        new.commit()
    return replace(kitchen, home=to)


def _copy(source: Path, directory: Path) -> None:
    """Copy with all that cp(1) can preserve."""
    subprocess.run(["cp", "--archive", source, directory], check=True)
