"""A machine's owner is a process, named so that a reused process id is never taken for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure
from ansible_collections.bakery.images.plugins.module_utils.machine_journal import Machines, new_journal
from ansible_collections.bakery.images.plugins.module_utils.owner import Owner, boot_id, process_start


def owner_of(pid: int) -> Owner:
    start = process_start(pid)
    assert start is not None
    return Owner(bake="b", pid=pid, start=start, boot=boot_id())


def test_running_process_is_alive() -> None:
    assert owner_of(os.getpid()).is_alive()


def test_process_that_ended_is_dead() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        owner = owner_of(process.pid)
    assert not owner.is_alive()


def test_same_id_with_another_start_is_dead() -> None:
    ours = owner_of(os.getpid())
    assert not Owner(bake="b", pid=ours.pid, start=ours.start + 1, boot=ours.boot).is_alive()


def test_same_process_in_another_boot_is_dead() -> None:
    ours = owner_of(os.getpid())
    assert not Owner(bake="b", pid=ours.pid, start=ours.start, boot="other").is_alive()


def test_owner_goes_over_the_wire_and_back() -> None:
    ours = owner_of(os.getpid())
    assert Owner.from_wire(ours.to_wire()) == ours
    assert Owner.from_wire({}) is None


def test_machine_appears_with_its_journal(tmp_path: Path) -> None:
    machines = Machines(str(tmp_path))
    machines.begin(new_journal("m", "bake", owner=None, ttl_s=10, parents=("a", "b")))
    assert machines.get("m").parents == ("a", "b")
    assert machines.names() == ["m"]


def test_second_machine_of_a_name_is_refused(tmp_path: Path) -> None:
    machines = Machines(str(tmp_path))
    machines.begin(new_journal("m", "bake", owner=None, ttl_s=10))
    with pytest.raises(MachineFailure, match="exists already"):
        machines.begin(new_journal("m", "bake", owner=None, ttl_s=10))
    assert machines.names() == ["m"]


@pytest.mark.parametrize("name", ["", "..", "a/b", ".hidden", "x.partial", "a" * 80])
def test_name_that_would_leave_the_directory_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(MachineFailure, match="is not a machine id"):
        Machines(str(tmp_path)).path(name)


def test_machine_without_owner_lives_for_its_time(tmp_path: Path) -> None:
    journal = new_journal("m", "bake", owner=None, ttl_s=10)
    assert not journal.is_dead(journal.created + 9)
    assert journal.is_dead(journal.created + 11)


def test_machine_of_a_living_owner_is_not_dead_however_old(tmp_path: Path) -> None:
    journal = new_journal("m", "bake", owner=owner_of(os.getpid()), ttl_s=10)
    assert not journal.is_dead(journal.created + 10**9)
