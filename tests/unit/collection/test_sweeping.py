"""The sweep finds what dead bakes left and never what is alive."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.bakery.images.plugins.module_utils.machine_journal import Machines, new_journal
from ansible_collections.bakery.images.plugins.module_utils.owner import (
    Owner,
    boot_id,
    own_namespace,
    process_start,
)
from ansible_collections.bakery.images.plugins.module_utils.sweeping import Sweep
from ansible_collections.bakery.images.plugins.module_utils.unfinished import unfinished

from tests.unit.collection.conftest import COLLECTIONS

GONE = Owner(bake="b", pid=2**22 + 1, start=1, boot=boot_id())


@pytest.fixture
def machines(tmp_path: Path) -> Machines:
    return Machines(str(tmp_path))


def partial_of(pid: int, start: int, namespace: str) -> str:
    return f"x.{pid}-{start}-{namespace}.0123abcd.partial"


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
    dead = tmp_path / "layers" / partial_of(GONE.pid, 1, own_namespace())
    dead.touch()
    Path(unfinished(str(tmp_path / "layers/y"))).touch()
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


PLACES = ["", "layers", "layers/0123456789abcdef", "flattened", "machines", "bases", "failed", "oci"]
PLACES += ["oci/blobs/sha256"]


@pytest.mark.parametrize("place", PLACES)
def test_unfinished_file_of_a_dead_writer_goes_wherever_it_is(tmp_path: Path, place: str) -> None:
    (tmp_path / place).mkdir(parents=True, exist_ok=True)
    (tmp_path / "layers").mkdir(exist_ok=True)
    (tmp_path / "layers/a-file").touch()
    dead = tmp_path / place / partial_of(os.getpid(), 1, own_namespace())
    dead.touch()
    assert Sweep(str(tmp_path), None).find().directories == [str(dead)]


@pytest.mark.parametrize("place", PLACES)
def test_unfinished_file_of_a_living_writer_stays_where_there_is_no_machine(
    tmp_path: Path, place: str
) -> None:
    """An export, a capture and a load have none: nobody is at work here but by the name of the file."""
    (tmp_path / place).mkdir(parents=True, exist_ok=True)
    Path(unfinished(str(tmp_path / place / "x"))).touch()
    assert not Sweep(str(tmp_path), None).find().anything


DAMAGED = [
    b"[1]",
    b'"x"',
    b"null",
    b"5",
    b"true",
    b"NaN",
    b"",
    b"\0" * 200,
    b"\xff\xfe{}",
    b"{}",
    b"[" * 100_000,
    b'{"parents":5}',
    b'{"parents":[[]]}',
]
WRONG: list[dict[str, Any]] = [
    {"owner": {"pid": "x"}},
    {"owner": {"pid": [1], "start": 1, "boot": "b"}},
    {"owner": {"pid": float("inf"), "start": 1, "boot": "b"}},
    {"owner": [1]},
    {"owner": "x"},
    {"created": "x"},
    {"created": float("nan")},
    {"created": float("inf")},
    {"created": True},
    {"created": 10**400},
    {"ttl_s": 10**400},
    {"ttl_s": "1"},
    {"ttl_s": None},
    {"details": []},
    {"pid": "1"},
    {"start": {}},
    {"container": 5},
    {"mounts": "/"},
    {"stubs": [None]},
    {"kind": None},
    {"id": 5},
    {"unheard-of": 1},
]


FIELDS = {"id": "m", "kind": "bake", "created": 1e9, "ttl_s": 1 << 30}


@pytest.mark.parametrize("content", [*DAMAGED, *(json.dumps(FIELDS | one) for one in WRONG)])
def test_machine_with_a_damaged_journal_is_swept_like_any_other(
    tmp_path: Path, machines: Machines, content: bytes | str
) -> None:
    machines.begin(new_journal("dead", "bake", owner=GONE, ttl_s=10))
    journal = tmp_path / "machines/damaged/machine.json"
    journal.parent.mkdir()
    journal.write_bytes(content.encode() if isinstance(content, str) else content)
    sweep = Sweep(str(tmp_path), None)
    swept = sweep.find()
    assert swept.machines == ["damaged", "dead"]
    sweep.remove(swept)
    assert machines.names() == []


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_directory(path: Path) -> None:
    (path / "x").mkdir(parents=True)


def make_loop(path: Path) -> None:
    path.symlink_to(path.name)


def make_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize(
    "make", [make_fifo, make_directory, make_loop, make_device], ids=lambda one: one.__name__
)
def test_journal_that_is_no_file_is_not_waited_for(
    tmp_path: Path, machines: Machines, make: Callable[[Path], None]
) -> None:
    journal = tmp_path / "machines/odd/machine.json"
    journal.parent.mkdir(parents=True)
    make(journal)
    sweep = Sweep(str(tmp_path), None)
    swept = sweep.find()
    assert swept.machines == ["odd"]
    sweep.remove(swept)
    assert machines.names() == []


def test_link_in_the_place_of_a_machine_is_not_followed(tmp_path: Path, machines: Machines) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").touch()
    (tmp_path / "machines").mkdir()
    (tmp_path / "machines/link").symlink_to(elsewhere)
    sweep = Sweep(str(tmp_path), None)
    sweep.remove(sweep.find())
    assert machines.names() == []
    assert (elsewhere / "precious").exists()


READ_ONLY = """
import subprocess, sys
from ansible_collections.bakery.images.plugins.modules.container_sweep import ensure_swept
subprocess.run(["mount", "--bind", sys.argv[1], sys.argv[1]], check=True)
subprocess.run(["mount", "-o", "remount,ro,bind", sys.argv[1]], check=True)
try:
    ensure_swept({"home": sys.argv[1]}, apply=True)
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize("content", [b"[1]", b"{}"])
def test_sweep_of_a_home_that_is_mounted_read_only_is_a_sentence(tmp_path: Path, content: bytes) -> None:
    journal = tmp_path / "container/machines/dead/machine.json"
    journal.parent.mkdir(parents=True)
    journal.write_bytes(content)
    done = subprocess.run(
        ["unshare", "--mount", sys.executable, "-c", READ_ONLY, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": COLLECTIONS},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    place = journal.parent
    assert done.stdout == f"MachineFailure the sweep stopped: cannot remove {place}: Read-only file system\n"


UNSHARE = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
IN_A_NAMESPACE_OF_ITS_OWN = [*UNSHARE, sys.executable, "-c"]
# Works in the directory, says so, and waits until it may end.
WORKER = """
import os, sys
from pathlib import Path
from ansible_collections.bakery.images.plugins.module_utils.machine_journal import Machines, new_journal
from ansible_collections.bakery.images.plugins.module_utils.owner import Owner, boot_id, process_start
from ansible_collections.bakery.images.plugins.module_utils.unfinished import unfinished
owner = Owner(bake="b", pid=os.getpid(), start=process_start(os.getpid()), boot=boot_id())
Machines(sys.argv[1]).begin(new_journal("theirs", "bake", owner=owner, ttl_s=int(sys.argv[2])))
Path(unfinished(sys.argv[1] + "/x")).touch()
print("at work", flush=True)
sys.stdin.read()
"""
SWEEPER = """
import json, sys
from ansible_collections.bakery.images.plugins.module_utils.podman import LABEL, Listed
from ansible_collections.bakery.images.plugins.module_utils.sweeping import Sweep

class Engine:
    def containers(self, label, value):
        return [Listed("c", {label: value, f"{LABEL}.owner": sys.argv[2]}, float(sys.argv[3]))]

swept = Sweep(sys.argv[1], Engine() if sys.argv[2:] else None).find()
print(json.dumps([swept.machines, len(swept.directories), swept.containers]))
"""
ENVIRONMENT = os.environ | {"PYTHONPATH": COLLECTIONS}


def start_worker(root: Path, *, ttl_s: int = 1000) -> subprocess.Popen[str]:
    worker = subprocess.Popen(
        [*IN_A_NAMESPACE_OF_ITS_OWN, WORKER, str(root), str(ttl_s)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )
    assert worker.stdout is not None
    assert worker.stdout.readline() == "at work\n"
    return worker


def sweep_elsewhere(root: Path, *container: str) -> Any:
    """What a sweep in a namespace of its own finds; ``container`` is an owner and when it was made."""
    done = subprocess.run(
        [*IN_A_NAMESPACE_OF_ITS_OWN, SWEEPER, str(root), *container],
        check=True,
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
    )
    return json.loads(done.stdout)


def test_what_belongs_to_another_namespace_is_looked_up_there(tmp_path: Path) -> None:
    with start_worker(tmp_path) as worker:
        assert not Sweep(str(tmp_path), None).find().anything
        worker.communicate("")
    swept = Sweep(str(tmp_path), None).find()
    assert (swept.machines, len(swept.directories)) == (["theirs"], 2)


def test_what_belongs_to_a_namespace_that_cannot_be_seen_stays_until_its_time(
    tmp_path: Path, machines: Machines
) -> None:
    """Neither of our own nor of a neighbour's: each may live, and each has the id of somebody here."""
    machines.begin(new_journal("ours", "bake", owner=us(), ttl_s=1000))
    with start_worker(tmp_path) as worker:
        assert sweep_elsewhere(tmp_path) == [[], 0, []]
        machines.update(machines.get("ours"), created=time.time() - 2000)
        machines.update(machines.get("theirs"), created=time.time() - 2000)
        day_old = time.time() - 90_000
        for path in tmp_path.glob("*.partial"):
            os.utime(path, (day_old, day_old))
        assert sweep_elsewhere(tmp_path) == [["ours", "theirs"], 3, []]
        worker.communicate("")


@pytest.mark.parametrize(("age_s", "found"), [(10, []), (100_000, ["c"])])
def test_container_of_an_owner_who_cannot_be_seen_stays_for_a_day(
    tmp_path: Path, age_s: int, found: list[str]
) -> None:
    assert sweep_elsewhere(tmp_path, f"1:1:{boot_id()}", str(time.time() - age_s)) == [[], 0, found]


def test_container_of_another_boot_goes_at_once(tmp_path: Path) -> None:
    assert sweep_elsewhere(tmp_path, "1:1:another-boot", str(time.time())) == [[], 0, ["c"]]
