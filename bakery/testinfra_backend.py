"""The testinfra backend ``bakery://MACHINE``: a running machine by its id, instance or role set.

How a machine is reached stands in ``reach.json`` in its directory, written by its target: ``exec``, words
that have the words after them run in the machine, and ``program``, where many commands can be had for less: a
Python file whose ``CommandServer``, made of the words, runs one after another.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from testinfra.backend.base import BaseBackend

from bakery.adapters.catalog import SqliteCatalog
from bakery.cli.session import default_home

_REACH = "reach.json"


class NoMachine(pytest.Collector.CollectError):
    """There is no such machine, or it cannot be reached; the message is a sentence."""


# Runs a command without input; returns its status as subprocess has it, its output and its errors.
RunCommand = Callable[[list[bytes]], tuple[int, bytes, bytes]]


def find_machine(name: str) -> Path:
    """The file that says how to reach a machine; NoMachine if there is none.

    ``name`` is its id; within Molecule the name of an instance; or the role set it was kept for.
    """
    home = default_home()
    if barred := [path for path in home.glob("*/machines") if not os.access(path, os.R_OK | os.X_OK)]:
        raise NoMachine(f"{barred[0]} may not be read; run pytest as the user who made the machine")
    found = {path.parent.name: path for path in home.glob(f"*/machines/*/{_REACH}")}
    entries = SqliteCatalog(home).open_machines() if (home / "catalog.sqlite").exists() else ()
    of_role_set = [entry.id for entry in entries if entry.role_set == name and entry.id in found]
    name = _of_molecule(name)
    if name in found:
        return found[name]
    if len(of_role_set) > 1:
        raise NoMachine(f"bakery://{name} is one of several machines: {', '.join(sorted(of_role_set))}")
    if not of_role_set:
        running = f"running: {', '.join(sorted(found))}" if found else "none is running"
        raise NoMachine(
            f"bakery://{name}: {home} has no such machine ({running}); "
            "'bakery bake --keep' leaves one running, and BAKERY_HOME says where"
        )
    return found[of_role_set[0]]


def _of_molecule(name: str) -> str:
    """The machine id of an instance of the scenario that is being verified; any other name as it is."""
    instances = os.environ.get("MOLECULE_INSTANCE_CONFIG", "")
    if not os.path.exists(instances):  # noqa: PTH110  # there is no Path of nothing
        return name
    for instance in yaml.safe_load(Path(instances).read_bytes()) or ():
        if instance.get("instance") == name:
            return str(instance["address"])
    return name


def open_way(path: Path) -> RunCommand:
    """What runs commands in a machine, from the file that ``find_machine`` found."""
    try:
        reach = json.loads(path.read_bytes())
        program = reach.get("program")
        if program is None:
            return partial(_run_each, [os.fsencode(word) for word in reach["exec"]])
        run: RunCommand = _load(program).CommandServer(reach["exec"]).run
    except FileNotFoundError as error:
        raise NoMachine(f"the machine {path.parent.name} was discarded") from error
    except Exception as error:  # the program is its target's: its errors have no type that is known here
        raise NoMachine(f"the machine {path.parent.name} cannot be reached: {error}") from error
    return run


def _load(program: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location("bakery_command_server", program)
    if spec is None or spec.loader is None:
        raise ImportError(f"{program} is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _run_each(words: list[bytes], command: list[bytes]) -> tuple[int, bytes, bytes]:
    done = subprocess.run([*words, *command], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return done.returncode, done.stdout, done.stderr


class MachineBackend(BaseBackend):  # type: ignore[misc]
    """Runs each command of a check in the machine."""

    NAME = "bakery"

    def __init__(self, name: str, *args: Any, **kwargs: Any) -> None:
        self._run = open_way(find_machine(name))
        super().__init__(name, *args, **kwargs)

    def run(self, command: str, *args: str, **_options: Any) -> Any:
        """See BaseBackend; the shell is the machine's own."""
        text = self.encode(self.get_command(command, *args))
        status, output, errors = self._run([b"/bin/sh", b"-c", text])
        return self.result(128 - status if status < 0 else status, text, output, errors)
