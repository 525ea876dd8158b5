from __future__ import annotations

import json
from pathlib import Path

import pytest

from bakery.adapters.catalog import SqliteCatalog
from bakery.model.records import MachineEntry, Owner
from bakery.testinfra_backend import MachineBackend, NoMachine, find_machine, open_way


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BAKERY_HOME", str(tmp_path))
    return tmp_path


def make(home: Path, machine: str, *, role_set: str = "", program: Path | None = None) -> None:
    directory = home / "some_kind" / "machines" / machine
    directory.mkdir(parents=True)
    words = ["/usr/bin/env", f"WHO={machine}"]
    (directory / "reach.json").write_text(json.dumps({"exec": words, "program": program and str(program)}))
    if role_set:
        owner = Owner(bake="bake", pid=1, start=1, boot="boot")
        SqliteCatalog(home).open_machine(MachineEntry(machine, "some_kind", owner, "kept", role_set, "today"))


def test_words_go_before_each_command(home: Path) -> None:
    make(home, "one")
    done = MachineBackend("one").run("echo %s $WHO; exit 5", "a b")
    assert (done.stdout, done.rc) == ("a b one\n", 5)


def test_program_beside_the_words_runs_every_command(home: Path) -> None:
    program = home / "program.py"
    program.write_text(
        "class CommandServer:\n"
        "    def __init__(self, words):\n        self.words = words\n"
        "    def run(self, command):\n        return -9, self.words[1].encode() + b' ' + command[2], b'!'\n"
    )
    make(home, "one", program=program)
    done = MachineBackend("one").run("true")
    assert (done.rc, done.stdout, done.stderr) == (137, "WHO=one true", "!")


def test_role_set_means_its_only_machine(home: Path) -> None:
    make(home, "one", role_set="web")
    make(home, "two", role_set="api")
    assert find_machine("web").parent.name == "one"


def test_instance_of_molecule_means_its_machine(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(home, "molecule-1-web")
    instances = home / "instances.yml"
    instances.write_text("- {instance: web, address: molecule-1-web}\n")
    monkeypatch.setenv("MOLECULE_INSTANCE_CONFIG", str(instances))
    assert find_machine("web").parent.name == "molecule-1-web"


def test_role_set_of_two_machines_names_them(home: Path) -> None:
    make(home, "one", role_set="web")
    make(home, "two", role_set="web")
    with pytest.raises(NoMachine, match=r"bakery://web is one of several machines: one, two"):
        find_machine("web")


def test_unknown_machine_tells_which_there_are(home: Path) -> None:
    make(home, "one")
    make(home, "two")
    with pytest.raises(NoMachine, match=r"bakery://web: .* no such machine \(running: one, two\)"):
        find_machine("web")


def test_program_that_fails_is_a_sentence(home: Path) -> None:
    program = home / "program.py"
    program.write_text("def CommandServer(words):\n    raise RuntimeError('the first process is gone')\n")
    make(home, "one", program=program)
    with pytest.raises(NoMachine, match="the machine one cannot be reached: the first process is gone"):
        open_way(find_machine("one"))
