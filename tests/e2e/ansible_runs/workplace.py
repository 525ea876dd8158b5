"""A project and a playbook folder in which a test runs ansible-playbook through bakery's door."""

from __future__ import annotations

import textwrap
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bakery.adapters.ansible.places import Places, find_places
from bakery.adapters.ansible.runner import AnsibleRunner
from bakery.errors import Place
from bakery.model.project import NO_SECRETS, RoleUse, Timeouts, VaultIdentity, VaultSpec
from bakery.model.run import Provision, Run, RunResult, TaskEnded, TaskStarted

WITH_MACHINE = """
    - hosts: localhost
      gather_facts: false
      tasks:
        - name: Add the machine
          ansible.builtin.add_host:
            name: machine
            groups: [bakery_machines]
            ansible_connection: local
            ansible_python_interpreter: "{{ ansible_playbook_python }}"
    - ansible.builtin.import_playbook: "{{ bakery_provision }}"
"""


@dataclass
class Asked:
    """A Cancel that a test sets."""

    event: threading.Event = field(default_factory=threading.Event)

    def requested(self) -> bool:
        return self.event.is_set()


class Kitchen:
    """A project and a playbook folder of a test."""

    def __init__(self, root: Path) -> None:
        self.project = root / "project"
        self.playbooks = root / "playbooks"
        self.note = root / "note"
        self.project.mkdir()
        self.playbooks.mkdir()
        self.cancel = Asked()
        self.events: list[TaskStarted | TaskEnded] = []
        self.result: RunResult | None = None

    def write(self, path: str, text: str) -> Path:
        file = self.project / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text), encoding="utf-8")
        return file

    def run(
        self, playbook: str, *, provision=None, variables=None, timeouts=None, secrets=NO_SECRETS
    ) -> RunResult:
        (self.playbooks / "it.yml").write_text(textwrap.dedent(playbook), encoding="utf-8")
        places = Places(self.playbooks, find_places().collections)
        run = Run("it.yml", variables or {}, self.project, provision, timeouts or Timeouts(), secrets)
        self.result = AnsibleRunner(self.cancel, places).run(run, self.events.append)
        return self.result

    def provision(self, role: str, *, environment=None, vault=(), **use) -> Provision:
        return Provision(
            uses=(
                RoleUse(
                    name=role,
                    version=None,
                    vars=use.get("vars", {}),
                    set_vars=use.get("set_vars", {}),
                    vars_files=use.get("vars_files", ()),
                    inputs=use.get("inputs", ()),
                    origin="web",
                    where=Place("bakery.yml", 1),
                ),
            ),
            roles_path=(self.project / "roles",),
            vault=VaultSpec(tuple(map(VaultIdentity, vault))),
            environment=environment or {},
        )

    def run_until_note(self, playbook: str, **arguments) -> tuple[threading.Thread, str]:
        """Start a run in a thread; returns once the playbook's task wrote the id of the run into the note."""
        thread = threading.Thread(target=self.run, args=(playbook,), kwargs=arguments)
        thread.start()
        return thread, wait_for_note(self.note)


def wait_for_note(note: Path) -> str:
    waiting = threading.Event()
    for _ in range(600):
        if note.exists():
            return note.read_text(encoding="utf-8").strip()
        waiting.wait(0.1)
    pytest.fail("the task never began")


def processes_owned_by(pid: int) -> list[Path]:
    """Processes of any run that the bakery ``pid`` started."""
    mark = f"BAKERY_OWNER_PID={pid}".encode()
    found = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in environment.read_bytes().split(b"\0"):
                found.append(environment.parent)
        except OSError:
            continue
    return found


def private_dirs_of(pid: int) -> list[Path]:
    return list(Path("/dev/shm").glob(f"bakery-run-{pid}-*"))
