"""The sweep finds what dead bakes left and never what is alive."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from ansible_collections.bakery.images.plugins.module_utils.machine_journal import Machines, new_journal
from ansible_collections.bakery.images.plugins.module_utils.owner import Owner, boot_id, process_start
from ansible_collections.bakery.images.plugins.module_utils.sweeping import Sweep

GONE = Owner(bake="b", pid=2**22 + 1, start=1, boot=boot_id())


@pytest.fixture
def machines(tmp_path: Path) -> Machines:
    return Machines(str(tmp_path))


def us() -> Owner:
    start = process_start(os.getpid())
    assert start is not None
    return Owner(bake="b", pid=os.getpid(), start=start, boot=boot_id())


def test_machine_of_a_dead_owner_is_found_and_removed(tmp_path: Path, machines: Machines) -> None:
    machines.begin(new_journal("dead", "bake", owner=GONE, ttl_s=10))
    sweep = Sweep(str(tmp_path), None)
    swept = sweep.find()
    assert swept.machines == ["dead"]
    sweep.remove(swept)
    assert machines.names() == []


def test_machine_of_a_living_owner_is_left_alone(tmp_path: Path, machines: Machines) -> None:
    machines.begin(new_journal("live", "bake", owner=us(), ttl_s=0))
    assert not Sweep(str(tmp_path), None).find().anything


def test_unfinished_files_of_a_dead_writer_go_even_while_others_work(
    tmp_path: Path, machines: Machines
) -> None:
    machines.begin(new_journal("live", "bake", owner=us(), ttl_s=0))
    (tmp_path / "layers").mkdir()
    dead = tmp_path / f"layers/x.{GONE.pid}.0123abcd.partial"
    dead.touch()
    (tmp_path / f"layers/y.{os.getpid()}.0123abcd.partial").touch()
    assert Sweep(str(tmp_path), None).find().directories == [str(dead)]


def test_unfinished_layer_stays_while_anybody_works(tmp_path: Path, machines: Machines) -> None:
    partial = tmp_path / "layers/0123456789abcdef.partial"
    partial.mkdir(parents=True)
    machines.begin(new_journal("live", "bake", owner=us(), ttl_s=0))
    assert Sweep(str(tmp_path), None).find().directories == []
    machines.remove("live")
    assert Sweep(str(tmp_path), None).find().directories == [str(partial)]


def test_directory_without_journal_is_dead(tmp_path: Path, machines: Machines) -> None:
    (tmp_path / "machines/odd").mkdir(parents=True)
    assert Sweep(str(tmp_path), None).find().machines == ["odd"]


def test_machine_without_owner_is_swept_after_its_time(tmp_path: Path, machines: Machines) -> None:
    machines.begin(new_journal("old", "bake", owner=None, ttl_s=0))
    machines.begin(new_journal("young", "bake", owner=None, ttl_s=int(time.time())))
    assert Sweep(str(tmp_path), None).find().machines == ["old"]
