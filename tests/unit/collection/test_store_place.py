"""Homes that cannot hold machines are refused before anything is made, and all others are not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.bakery.images.plugins.module_utils.base_store import BaseRequest, BaseStore
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure
from ansible_collections.bakery.images.plugins.module_utils.store_place import is_overlay, require_place
from ansible_collections.bakery.images.plugins.module_utils.throwaway import Throwaways, Wanted
from ansible_collections.bakery.images.plugins.module_utils.wire import encodable

from tests.unit.collection.conftest import COLLECTIONS

GOOD = [
    "plain",
    "with space",
    "with,comma",
    "müller",
    "日本",
    "quo'te",
    'dou"ble',
    "{{x}}",
    "$x",
    "-x",
    "x\\y",
]
BAD = {"with:colon": "a ':' ends a path", "not-utf8-\udcff": "not UTF-8", "two\nlines": "control character"}


@pytest.mark.parametrize("name", GOOD)
def test_any_name_that_engines_can_say_may_hold_machines(tmp_path: Path, name: str) -> None:
    require_place(str(tmp_path / name / "container"))


@pytest.mark.parametrize(("name", "why"), BAD.items())
def test_home_that_cannot_hold_machines_is_refused_before_anything_is_made(
    tmp_path: Path, name: str, why: str
) -> None:
    root = str(tmp_path / name / "container")
    with pytest.raises(MachineFailure, match=why):
        Throwaways(root).launch(Wanted("m", parents=("0" * 16,), epoch=0))
    with pytest.raises(MachineFailure, match=why), BaseStore(root).locked(BaseRequest("b", oci="oci:x")):
        pytest.fail("it was locked")
    assert list(tmp_path.iterdir()) == []


ON_OVERLAY = """
import subprocess, sys
from ansible_collections.bakery.images.plugins.module_utils.store_place import require_place
options = "lowerdir=lower,upperdir=upper,workdir=work"
subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, "merged"], check=True)
require_place(sys.argv[1] + "/merged/home/container")
"""


def test_home_on_an_overlay_is_refused(tmp_path: Path) -> None:
    for name in ("lower", "upper", "work", "merged"):
        (tmp_path / name).mkdir()
    done = subprocess.run(
        ["unshare", "--mount", sys.executable, "-c", ON_OVERLAY, str(tmp_path)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": COLLECTIONS},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "is on an overlay file system" in done.stderr


def test_directory_that_is_not_there_is_on_the_file_system_above() -> None:
    assert not is_overlay("/proc/1/not/there")


def test_names_that_are_not_utf8_are_escaped_in_results() -> None:
    told = encodable({"a\udcff": ["x\udc80y", {"n": 1, "ü": None}]})
    assert told == {"a\\xff": ["x\\x80y", {"n": 1, "ü": None}]}
