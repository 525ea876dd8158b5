"""The connection plugin's way through the container engine, where no executor is in the machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.bakery.images.plugins.module_utils.base_store import BaseRequest, BaseStore
from ansible_collections.bakery.images.plugins.module_utils.debian_base import DebianSpec
from ansible_collections.bakery.images.plugins.module_utils.machine_description import describe
from ansible_collections.bakery.images.plugins.module_utils.throwaway import Throwaways, Wanted

MACHINE = "engine-entry"
SYSTEMD = BaseRequest("debian-12", debian=DebianSpec(suite="bookworm"))
# Every byte, more than a pipe holds, and no line end at the end.
BINARY = bytes(range(256)) * 4096 + b"\x00\xff"
# Writes its own words where the test reads them, and becomes the engine.
ENGINE = """\
#!/bin/sh
printf '%s ' "$@" >> {log}
echo >> {log}
exec {engine} "$@"
"""
TASKS: tuple[dict[str, Any], ...] = (
    {"ansible.builtin.setup": {"gather_subset": ["!all", "!min", "platform"]}},
    {"ansible.builtin.command": {"argv": ["hostname"]}},
    {"ansible.builtin.shell": "cat; exit 7", "args": {"stdin": "into the module"}, "failed_when": False},
    {"ansible.builtin.raw": "echo out; echo err >&2; exit 9", "failed_when": False},
    {
        "ansible.builtin.shell": 'echo "$OWN $PYTHONDONTWRITEBYTECODE ${OUTSIDE:-clean}"',
        "environment": {"OWN": "a b"},
    },
    {"ansible.builtin.copy": {"src": "binary", "dest": "/srv/it's a file", "mode": "0640"}},
    {"ansible.builtin.fetch": {"src": "/srv/it's a file", "dest": "fetched", "flat": True}},
    {"ansible.builtin.command": {"argv": ["id", "-un"]}, "become": True, "become_user": "nobody"},
    {"ansible.builtin.command": {"argv": ["echo", "not piped"]}, "vars": {"ansible_pipelining": False}},
    {"ansible.builtin.fetch": {"src": "/srv/gone", "dest": "gone", "flat": True}, "ignore_errors": True},
)


@pytest.fixture(scope="module")
def hostvars(home: Path) -> Iterator[dict[str, Any]]:
    """What reaches a machine on the base that the command line makes for the test project."""
    bases = BaseStore(str(home / "container"))
    with bases.locked(SYSTEMD):
        base = bases.find(SYSTEMD) or bases.make(SYSTEMD)
    parents = tuple(layer["id"] for layer in base["layers"])
    throwaways = Throwaways(str(home / "container"))
    try:
        launched = throwaways.launch(Wanted(MACHINE, parents=parents, epoch=base["epoch"], ttl_s=3600))
        told = describe(launched.journal, throwaways.machines.path(MACHINE), address=None, failed=())
        yield dict(told["hostvars"])
    finally:
        throwaways.discard(MACHINE)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory, hostvars: dict[str, Any]) -> Path:
    """The inventory of that machine, entered through an engine that writes down how it is called."""
    path = tmp_path_factory.mktemp("engine")
    engine = path / "engine"
    engine.write_text(
        ENGINE.format(log=path / "log", engine=shutil.which(hostvars["ansible_ssh_bakery_engine"]))
    )
    engine.chmod(0o755)
    reached = {**hostvars, "ansible_ssh_bakery_entry": "engine", "ansible_ssh_bakery_engine": str(engine)}
    (path / "inventory.json").write_text(json.dumps({"all": {"hosts": {"machine": reached}}}))
    (path / "binary").write_bytes(BINARY)
    return path


@pytest.fixture(scope="module")
def results(directory: Path, bin_directory: Path, repository: Path) -> list[dict[str, Any]]:
    """What each of TASKS came to."""
    told = [{**task, "register": f"told_{number}"} for number, task in enumerate(TASKS)]
    every = [f"{{{{ told_{number} }}}}" for number in range(len(TASKS))]
    write = {"content": "{{ every | to_json }}", "dest": str(directory / "told.json")}
    tasks = [
        *told,
        {
            "ansible.builtin.copy": write,
            "delegate_to": "localhost",
            "connection": "local",
            "vars": {"every": every, "ansible_python_interpreter": "{{ ansible_playbook_python }}"},
        },
    ]
    play = [{"hosts": "machine", "gather_facts": False, "tasks": tasks}]
    (directory / "play.json").write_text(json.dumps(play))
    collections = str(repository / "collections")
    done = subprocess.run(
        [bin_directory / "ansible-playbook", "-i", "inventory.json", "play.json"],
        cwd=directory,
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": collections, "OUTSIDE": "leaked"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    answers: list[dict[str, Any]] = json.loads((directory / "told.json").read_text())
    return answers


def test_modules_run_in_the_machine_through_standard_input(
    results: list[dict[str, Any]], directory: Path
) -> None:
    facts, hostname = results[0], results[1]
    assert facts["ansible_facts"]["ansible_hostname"] == hostname["stdout"] == "bakery"
    calls = (directory / "log").read_text().splitlines()
    assert {call.split()[0] for call in calls} == {"exec"}
    assert all("--interactive" in call for call in calls)


def test_input_output_and_exit_statuses_pass(results: list[dict[str, Any]]) -> None:
    piped, raw = results[2], results[3]
    assert (piped["stdout"], piped["rc"]) == ("into the module", 7)
    assert (raw["stdout"].split(), raw["rc"]) == (["out"], 9)
    assert "err" in raw["stderr"]


def test_the_environment_is_the_tasks_and_not_the_controllers(results: list[dict[str, Any]]) -> None:
    assert results[4]["stdout"] == "a b 1 clean"


def test_files_go_in_and_come_out_byte_for_byte(results: list[dict[str, Any]], directory: Path) -> None:
    copied, fetched = results[5], results[6]
    assert (copied["changed"], copied["size"], copied["mode"]) == (True, len(BINARY), "0640")
    assert (directory / "fetched").read_bytes() == BINARY
    assert fetched["checksum"] == copied["checksum"]


def test_other_users_and_modules_that_are_copied_first_work(results: list[dict[str, Any]]) -> None:
    assert (results[7]["stdout"], results[8]["stdout"]) == ("nobody", "not piped")


def test_a_file_that_is_not_there_is_a_sentence(results: list[dict[str, Any]], directory: Path) -> None:
    assert results[9]["failed"]
    assert not (directory / "gone").exists()
