"""Runs of the module ec2_machine and the role target_ec2 in an account that is a world."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.ec2world.world import World

# A program whose input and output lead to an address and a port.
RELAY = """\
import os, socket, sys, threading

def copy(source, sink):
    while chunk := os.read(source, 65536):
        sink(chunk)

connection = socket.create_connection((sys.argv[1], int(sys.argv[2])))
threading.Thread(target=copy, args=(0, connection.sendall), daemon=True).start()
copy(connection.fileno(), lambda chunk: os.write(1, chunk))
"""


@dataclass(frozen=True)
class Result:
    """How a playbook of one task went: what the task returned, and all that was said."""

    returned: dict[str, Any]
    output: str

    @property
    def message(self) -> str:
        assert self.returned.get("failed"), self.output
        return str(self.returned["msg"])

    @property
    def machine(self) -> dict[str, Any]:
        assert not self.returned.get("failed"), self.output
        machine: dict[str, Any] = self.returned["machine"]
        return machine

    @property
    def outcomes(self) -> list[str]:
        return [attempt["outcome"] for attempt in self.returned["attempts"]]


@dataclass(frozen=True)
class Ec2:
    """Runs the module and the role with a home of their own, in an account that is a world."""

    world: World
    home: Path
    command: Path
    collections: Path

    def launch(self, **options: Any) -> dict[str, Any]:
        return {"address": "private", "subnets": self.world.subnets, "timeout_s": 120, **options}

    def start(self, machine: str, **options: Any) -> subprocess.Popen[str]:
        """Begin to run the module."""
        arguments = {"home": str(self.home), "id": machine, "region": self.world.region, **options}
        if arguments.get("state") != "absent":
            arguments = {"image": self.world.base_image, "launch": self.launch(), **arguments}
        tasks = [
            {"bakery.images.ec2_machine": arguments, "register": "done", "ignore_errors": True},
            {"ansible.builtin.copy": {"content": "{{ done | to_json }}", "dest": str(self._result)}},
        ]
        return self.begin([self.local(tasks)])

    def run(self, machine: str, **options: Any) -> Result:
        with self.start(machine, **options) as process:
            output, _ = process.communicate()
        return Result(json.loads(self._result.read_text()), output)

    def discard(self, machine: str) -> Result:
        return self.run(machine, state="absent")

    def play(self, *plays: dict[str, Any]) -> str:
        with self.begin(list(plays)) as process:
            output, _ = process.communicate()
        assert process.returncode == 0, output
        return output

    def begin(self, plays: list[dict[str, Any]]) -> subprocess.Popen[str]:
        playbook = self.home.with_suffix(".yml")
        playbook.write_text(json.dumps(plays))
        hidden = ("AWS", "BAKERY", "ANSIBLE")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
        environment |= self.world.environment
        environment |= {"ANSIBLE_COLLECTIONS_PATH": str(self.collections), "ANSIBLE_NOCOLOR": "1"}
        environment["ANSIBLE_HOME"] = str(self.home.parent / "ansible")
        return subprocess.Popen(
            [self.command, "-vvv", "-i", "localhost,", playbook],
            env=environment,
            cwd=self.home.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def local(self, tasks: list[dict[str, Any]], **variables: Any) -> dict[str, Any]:
        """A play on this host."""
        settings = {"ansible_python_interpreter": sys.executable, "bakery_home": str(self.home), **variables}
        return {
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "vars": settings,
            "tasks": tasks,
        }

    @property
    def directories(self) -> list[str]:
        machines = self.home / "ec2" / "machines"
        return sorted(path.name for path in machines.iterdir()) if machines.exists() else []

    @property
    def _result(self) -> Path:
        return self.home.with_suffix(".json")


def nothing_left(ec2: Ec2) -> bool:
    return not any(ec2.world.left().values()) and not ec2.directories


def entry_point(name: str) -> dict[str, Any]:
    return {"ansible.builtin.include_role": {"name": "bakery.images.target_ec2", "tasks_from": name}}


def kill_tree(pid: int) -> None:
    """SIGKILL for a process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        children.setdefault(parent, []).append(int(stat.parent.name))
    doomed = [pid]
    for one in doomed:
        doomed += children.get(one, [])
    for one in doomed:
        os.kill(one, signal.SIGKILL)
