"""How a run ends early, and what it leaves: nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from bakery.adapters.ansible.places import Places, find_places
from bakery.adapters.ansible.private_dir import sweep_private_dirs
from bakery.adapters.ansible.processes import processes_of_run
from bakery.adapters.ansible.runner import AnsibleRunner
from bakery.model.project import Timeouts
from bakery.model.run import FailureKind, Run, TaskEnded, TaskStarted
from tests.e2e.ansible_runs.workplace import (
    Kitchen,
    private_dirs_of,
    processes_owned_by,
    wait_for_note,
)

pytestmark = pytest.mark.e2e

LONG_TASK = """
    - name: Apply role sleeper
      hosts: localhost
      gather_facts: false
      tasks:
        - ansible.builtin.command: >-
            sh -c 'echo $BAKERY_RUN > {note}.partial && mv {note}.partial {note} && exec sleep 600'
"""


def test_the_private_directory_is_gone_afterwards(kitchen: Kitchen) -> None:
    kitchen.run("- hosts: localhost\n  gather_facts: false\n  tasks: []\n")
    assert private_dirs_of(os.getpid()) == []


def test_the_private_directory_is_gone_when_the_watcher_breaks(kitchen: Kitchen) -> None:
    def break_it(event: TaskStarted | TaskEnded) -> None:
        raise RuntimeError(event)

    (kitchen.playbooks / "it.yml").write_text(
        textwrap.dedent(LONG_TASK.format(note=kitchen.note)), encoding="utf-8"
    )
    runner = AnsibleRunner(kitchen.cancel, Places(kitchen.playbooks, find_places().collections))
    with pytest.raises(RuntimeError):
        runner.run(Run("it.yml", {}, kitchen.project), break_it)
    assert private_dirs_of(os.getpid()) == []


def test_cancelling_leaves_no_process_of_the_run(kitchen: Kitchen) -> None:
    thread, run_id = kitchen.run_until_note(LONG_TASK.format(note=kitchen.note))
    assert len(processes_of_run(run_id)) > 1
    kitchen.cancel.event.set()
    thread.join(timeout=10)
    assert not thread.is_alive()
    assert processes_of_run(run_id) == ()
    assert kitchen.result is not None
    assert kitchen.result.failure is not None
    assert kitchen.result.failure.kind is FailureKind.CANCELLED
    assert kitchen.result.failure.task == "ansible.builtin.command"


def test_a_process_that_ignores_signals_does_not_survive_a_cancel(kitchen: Kitchen) -> None:
    stubborn = """
    - hosts: localhost
      gather_facts: false
      tasks:
        - ansible.builtin.shell: |
            trap '' INT TERM HUP
            setsid sh -c 'trap "" INT TERM HUP; echo $BAKERY_RUN > {note}.p; mv {note}.p {note}; sleep 600' &
            sleep 600
    """
    thread, run_id = kitchen.run_until_note(stubborn.format(note=kitchen.note))
    kitchen.cancel.event.set()
    thread.join(timeout=15)
    assert not thread.is_alive()
    assert processes_of_run(run_id) == ()


@pytest.mark.parametrize(
    ("timeouts", "kind"),
    [
        (Timeouts(idle_s=3, total_s=60), FailureKind.IDLE),
        (Timeouts(idle_s=60, total_s=3), FailureKind.TIMEOUT),
    ],
)
def test_a_run_out_of_time_is_stopped(kitchen: Kitchen, timeouts: Timeouts, kind: FailureKind) -> None:
    result = kitchen.run(LONG_TASK.format(note=kitchen.note), timeouts=timeouts)
    assert result.failure is not None
    assert result.failure.kind is kind
    assert processes_owned_by(os.getpid()) == []


def test_what_was_handed_up_before_a_cancel_arrives(kitchen: Kitchen) -> None:
    first = """
    - hosts: localhost
      gather_facts: false
      tasks:
        - ansible.builtin.set_stats: {data: {bakery: {machine: {id: m1}}}, per_host: false, aggregate: true}
    """
    thread, _ = kitchen.run_until_note(first + LONG_TASK.format(note=kitchen.note))
    kitchen.cancel.event.set()
    thread.join()
    assert kitchen.result is not None
    assert kitchen.result.up == {"machine": {"id": "m1"}}


def test_a_shielded_run_goes_on_although_somebody_asked_to_stop(kitchen: Kitchen) -> None:
    playbook = "- hosts: localhost\n  gather_facts: false\n  tasks:\n    - ansible.builtin.debug:\n"
    (kitchen.playbooks / "it.yml").write_text(playbook, encoding="utf-8")
    kitchen.cancel.event.set()
    runner = AnsibleRunner(kitchen.cancel, Places(kitchen.playbooks, find_places().collections))
    assert runner.shielded().run(Run("it.yml", {}, kitchen.project), kitchen.events.append).failure is None


def test_nothing_starts_once_cancelled(kitchen: Kitchen) -> None:
    kitchen.cancel.event.set()
    result = kitchen.run("- hosts: localhost\n  tasks: []\n")
    assert result.failure is not None
    assert result.failure.kind is FailureKind.CANCELLED
    assert kitchen.events == []


KILLED = """
import sys
from pathlib import Path
from bakery.adapters.ansible.places import Places, find_places
from bakery.adapters.ansible.runner import AnsibleRunner
from bakery.model.run import Run

class Never:
    def requested(self): return False

playbooks, project = map(Path, sys.argv[1:])
runner = AnsibleRunner(Never(), Places(playbooks, find_places().collections))
runner.run(Run("it.yml", {}, project), lambda event: None)
"""


def test_a_killed_bakery_takes_its_run_along_and_the_sweep_removes_the_rest(kitchen: Kitchen) -> None:
    (kitchen.playbooks / "it.yml").write_text(
        textwrap.dedent(LONG_TASK.format(note=kitchen.note)), encoding="utf-8"
    )
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(kitchen.playbooks), str(kitchen.project)],
        cwd=Path(__file__).parents[2],
    ) as bakery:
        run_id = wait_for_note(kitchen.note)
        left = private_dirs_of(bakery.pid)
        assert len(left) == 1
        assert set(sweep_private_dirs(dry_run=False)).isdisjoint(left), "a live run was swept"
        bakery.send_signal(signal.SIGKILL)
    assert left[0] in sweep_private_dirs(dry_run=True)
    assert left[0].exists()
    assert left[0] in sweep_private_dirs(dry_run=False)
    assert processes_of_run(run_id) == ()
    assert private_dirs_of(bakery.pid) == []
