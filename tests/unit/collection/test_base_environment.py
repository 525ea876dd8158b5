"""What tasks see of a base image: its environment and its Python."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.bakery.images.plugins.module_utils.base_environment import base_environment
from ansible_collections.bakery.images.plugins.module_utils.machine_description import (
    find_python,
    task_environment,
)
from ansible_collections.bakery.images.plugins.module_utils.machine_journal import new_journal

USUAL = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def test_settings_become_variables() -> None:
    assert base_environment(["A=b=c", "EMPTY=", "LANG=C.UTF-8"]) == {
        "A": "b=c",
        "EMPTY": "",
        "LANG": "C.UTF-8",
    }


def test_what_is_no_setting_is_left_out() -> None:
    assert base_environment(["NOTHING", "=value", "A=b\0c", "A\0=b", ""]) == {}


@pytest.mark.parametrize(
    ("path", "whole"),
    [
        ("/opt/go/bin:/bin", "/opt/go/bin:/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin"),
        ("/opt/bin:$PATH", f"/opt/bin:$PATH:{USUAL}"),
        ("", USUAL),
        ("::/x", f"/x:{USUAL}"),
    ],
)
def test_a_path_stays_usable(path: str, whole: str) -> None:
    assert base_environment([f"PATH={path}"]) == {"PATH": whole}


def test_a_base_cannot_change_what_makes_bakes_equal() -> None:
    settings = ["SOURCE_DATE_EPOCH=1", "PYTHONHASHSEED=random", "PYTHONDONTWRITEBYTECODE=", "A=b"]
    journal = new_journal("m", "bake", owner=None, ttl_s=1, epoch=7, details={"env": settings})
    assert task_environment(journal) == {
        "A": "b",
        "SOURCE_DATE_EPOCH": "7",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def test_a_machine_of_an_older_bakery_has_no_environment() -> None:
    journal = new_journal("m", "image", owner=None, ttl_s=1, epoch=7, details={})
    assert task_environment(journal) == {"PYTHONDONTWRITEBYTECODE": "1"}


def test_the_python_of_the_system_comes_before_that_of_the_path(tmp_path: Path) -> None:
    tree = str(tmp_path)
    assert find_python(tree, "/opt/conda/bin") is None
    for folder in ("opt/conda/bin", "usr/bin"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "usr/bin/python3.11").touch()
    (tmp_path / "opt/conda/bin/python3").symlink_to("/usr/bin/python3.11")
    assert find_python(tree, "relative:/nowhere:/opt/conda/bin") == "/opt/conda/bin/python3"
    assert find_python(tree, "") is None
    (tmp_path / "usr/bin/python3").touch()
    assert find_python(tree, "/opt/conda/bin") == "/usr/bin/python3"
