"""The same inputs give the same digests elsewhere: base, layers and image, whatever differs around the bake.

The clock is the one thing that is not varied here: it cannot be moved for a container alone. That times after
the base's are cut whatever the clock says is tested where it is done (tests/unit/collection/test_sealing.py).
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import NOTHING, Kitchen
from tests.e2e.small_project import write, write_project

pytestmark = pytest.mark.e2e

PACKAGE = """\
---
- name: Install a small package
  ansible.builtin.apt:
    name: tree
    update_cache: true
"""
USER = """\
---
- name: Make a user
  ansible.builtin.user:
    name: baker
    shell: /bin/bash
    password: "!"
"""
ROLES = {"dot": write("/srv/dot", "dot"), "package": PACKAGE, "user": USER}
# Another host name, umask, time zone and language, one processor, and a Python for every task.
ELSEWHERE = """\
#!/bin/sh
umask 077
export BAKERY_EXECUTOR=off TZ=Pacific/Kiritimati LANG=C LC_ALL=C USER=nobody LOGNAME=nobody
exec unshare --uts -- sh -c 'hostname elsewhere && exec taskset --cpu-list 0 "$@"' sh {command} "$@"
"""


def baked(kitchen: Kitchen) -> dict[str, Any]:
    result = kitchen.bake("set").result
    assert result["status"] == "baked"
    return {
        "base": kitchen.query("select digest from base"),
        "layers": [(layer["role"], layer["digest"]) for layer in result["layers"]],
        "image": result["artifact"]["id"],
        "fingerprint": result["fingerprint"],
        "manifest": result["artifact"]["digest"],
    }


@pytest.mark.slow
def test_digests_are_the_same_elsewhere(home: Path, bakery_command: Path, tmp_path: Path) -> None:
    project = write_project(tmp_path / "project", ROLES, {"set": "dot, package, user"})
    here = Kitchen(command=bakery_command, home=home, project=project)
    first = baked(here)

    moved = tmp_path / "another" / "place" / "project"
    shutil.copytree(project, moved)
    command = tmp_path / "elsewhere"
    command.write_text(ELSEWHERE.format(command=bakery_command))
    command.chmod(0o755)
    there = replace(here, command=command, home=tmp_path / "another home", project=moved)
    assert baked(there) == first
    assert there.leftovers() == NOTHING, "of making the base either"
