"""A module of the collection gives the same result in Ansible's worker as in a Python of its own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.contract.conftest import Pipeline

# (module, arguments beside home, keywords of the task): successes, refusals of each kind, check mode.
CASES: tuple[tuple[str, dict[str, Any], dict[str, Any]], ...] = (
    ("scratch_layer", {"base": "b"}, {}),
    ("scratch_layer", {"base": "b", "machine_id": "m"}, {}),
    ("scratch_layer", {}, {}),
    ("scratch_machine", {"id": "new", "parents": ["gone"]}, {}),
    ("scratch_machine", {"id": "new"}, {"check_mode": True}),
    ("scratch_machine", {"state": "swept"}, {}),
    ("scratch_machine", {"state": "started"}, {}),
    ("scratch_machine", {"id": "m", "owner": {"pid": "7", "start": 1}}, {}),
    ("scratch_image", {"state": "tagged", "image": "gone", "names": ["a:b"]}, {}),
    ("container_info", {"layers": []}, {}),
    ("container_info", {"layers": "gone,too"}, {}),
    ("container_info", {"layers": [7], "files": "yes"}, {}),
    ("container_info", {"layers": [], "colour": "red"}, {}),
    ("container_layer", {"machine_id": "m", "epoch": 0, "compression": "none"}, {}),
    ("container_info", {}, {}),
    ("container_prune", {"grace_s": "12"}, {"check_mode": True}),
    ("container_sweep", {}, {"check_mode": True}),
    ("container_base", {"name": "b", "debian": {"suite": "bookworm"}}, {"check_mode": True}),
    ("container_machine", {"id": "m"}, {}),
    ("container_machine", {"id": "m", "state": "absent"}, {}),
    ("container_layer", {"machine_id": "gone", "epoch": 0}, {}),
    ("container_layer", {"machine_id": "gone", "epoch": "soon"}, {}),
    ("container_image", {"state": "tagged", "image": "gone", "names": ["a:b"]}, {}),
    ("container_export", {"image": "gone", "path": "relative.tar"}, {}),
    ("container_export", {"image": "gone"}, {}),
    ("ec2_contents", {"image": "ami-0123"}, {}),
    ("ec2_contents", {"image": "../machines/m"}, {}),
    ("ec2_estimate", {"colour": "red"}, {}),
    ("ec2_machine_info", {}, {}),
    ("ec2_machine", {"id": "m"}, {}),
    ("ec2_machine", {"id": "m", "image": "ami-1", "launch": {"address": "here"}}, {}),
    ("ec2_image", {"state": "tagged"}, {}),
    ("ec2_image_copy", {"regions": {}}, {}),
    ("ec2_image_info", {"base": {"name": "debian-*"}}, {}),
    ("ec2_image_share", {}, {}),
    ("ec2_seal", {"id": "gone"}, {}),
    ("ec2_sweep", {"colour": "red"}, {}),
    ("testinfra", {"checks": ["test_it.py"], "exec": ["env"], "report": "report.json"}, {}),
    ("testinfra", {"checks": ["gone.py"], "exec": ["env"], "report": "report.json"}, {}),
    ("testinfra", {"checks": ["a"], "exec": ["b"], "report": "c"}, {"check_mode": True}),
)
_WITHOUT_HOME = frozenset(
    {
        "testinfra",
        "ec2_estimate",
        "ec2_image_copy",
        "ec2_image_info",
        "ec2_image_share",
        "ec2_machine_info",
    }
)
# An environment of its own for a task is a reason to start a Python of its own.
WAYS: dict[str, dict[str, Any]] = {"worker": {}, "ordinary": {"environment": {"OWN": "1"}}}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, new_pipeline: Callable[[str], Pipeline]) -> dict[str, Any]:
    """What each way came to: a list of results as CASES has them, and all that Ansible said."""
    directory = tmp_path_factory.mktemp("ways")
    (directory / "test_it.py").write_text("def test_a(host):\n    assert host.run('true').rc == 0\n")
    tasks = [task(way, number) for number in range(len(CASES)) for way in WAYS]
    # Made once here, so that both ways find it.
    first = {"bakery.images.scratch_layer": {"home": str(directory), "base": "b"}}
    write = {"ansible.builtin.copy": {"content": "{{ told | to_json }}", "dest": f"{directory}/told.json"}}
    names = {way: [f"{way}_{number}" for number in range(len(CASES))] for way in WAYS}
    write["vars"] = {"told": {way: [f"{{{{ {name} }}}}" for name in names[way]] for way in WAYS}}
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}", "home": str(directory)},
        "tasks": [first, *tasks, write],
    }
    (directory / "play.yml").write_text(json.dumps([play]))
    pipeline = new_pipeline("null")
    done = subprocess.run(
        [pipeline.command, "-vvv", "-i", "localhost,", "play.yml"],
        cwd=directory,
        env=pipeline.environment | {"HANDED_UP": str(directory / "handed-up")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    return {**json.loads((directory / "told.json").read_text()), "output": done.stdout}


def task(way: str, number: int) -> dict[str, Any]:
    module, arguments, keywords = CASES[number]
    home = {} if module in _WITHOUT_HOME else {"home": "{{ home }}"}
    return {
        f"bakery.images.{module}": {**home, **arguments},
        "register": f"{way}_{number}",
        "ignore_errors": True,
        **keywords,
        **WAYS[way],
    }


@pytest.mark.parametrize("number", range(len(CASES)), ids=[f"{n}-{case[0]}" for n, case in enumerate(CASES)])
def test_a_result_is_the_same_both_ways(told: dict[str, Any], number: int) -> None:
    assert told["worker"][number] == told["ordinary"][number]


def test_the_cases_succeed_and_fail(told: dict[str, Any]) -> None:
    assert {bool(one.get("failed")) for one in told["worker"]} == {True, False}
    assert any(one.get("skipped") for one in told["worker"])


def test_only_the_ordinary_way_sends_the_module(told: dict[str, Any], repository: Path) -> None:
    plugins = repository / "collections/ansible_collections/bakery/images/plugins/modules"
    sent = [line for line in told["output"].splitlines() if line.startswith(f"Using module file {plugins}")]
    assert len(sent) == len(CASES)
    assert {case[0] for case in CASES} == {path.stem for path in plugins.glob("*.py")}
