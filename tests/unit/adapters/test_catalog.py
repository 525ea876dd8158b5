"""The catalog remembers, whatever happens to the processes that use it."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from bakery.adapters.catalog import SqliteCatalog
from bakery.adapters.sqlite_door import SqliteDoor
from bakery.errors import MachineError
from bakery.model.records import (
    Attempt,
    BaseRecord,
    CheckReport,
    ImageRecord,
    LayerRecord,
    MachineEntry,
    Owner,
)
from bakery.ports import Catalog

BASE = BaseRecord("null", "debian", "spec1", "digest1", 7, "x86_64", True, ({"id": "b1"},), {}, "ref", "now")
LAYER = LayerRecord("key1", "recipe", "null", "l1", "sha256:1", 9, "web", None, 1.5, {"a": [1]}, {}, "now")
IMAGE = ImageRecord(
    "web", "null", "shop", "f1", "c1", {"digest": "sha256:a"}, "debian", "digest1", ("key1",), (),
    CheckReport(3, 0), ("web:latest",), 2.0, "now",
)  # fmt: skip
ATTEMPT = Attempt("web", "null", "role", "nginx", ("b1",), 7, "digest1", "web", None, "broke", "now")
MACHINE = MachineEntry("m1", "null", Owner("bake", 1, 2, "boot"), "bake", "web", "now")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def catalog(home: Path) -> SqliteCatalog:
    return SqliteCatalog(home)


def test_reading_where_nothing_is_creates_nothing(home: Path, catalog: Catalog) -> None:
    assert catalog.bases() == {}
    assert catalog.layers() == {}
    assert catalog.find_layer("null", "key1") is None
    assert (catalog.images(), catalog.attempts(), catalog.open_machines()) == ((), (), ())
    assert not home.exists()


def test_every_record_is_found_again_by_another_process_of_the_home(home: Path, catalog: Catalog) -> None:
    catalog.add_base(BASE)
    catalog.add_layer(LAYER)
    catalog.add_image(IMAGE)
    catalog.add_attempt(ATTEMPT)
    catalog.open_machine(MACHINE)
    other = SqliteCatalog(home)
    assert other.bases() == {("null", "spec1"): BASE}
    assert other.layers() == {("null", "key1"): LAYER}
    assert other.find_layer("null", "key1") == LAYER
    assert other.images() == (IMAGE,)
    assert other.attempts() == (ATTEMPT,)
    assert other.open_machines() == (MACHINE,)


def test_adding_the_same_record_again_changes_nothing(catalog: Catalog) -> None:
    for _ in range(2):
        catalog.add_base(BASE)
        catalog.add_layer(LAYER)
        catalog.add_image(IMAGE)
    assert (len(catalog.bases()), len(catalog.layers()), len(catalog.images())) == (1, 1, 1)


def test_the_first_layer_of_a_key_stays(catalog: Catalog) -> None:
    catalog.add_layer(LAYER)
    catalog.add_layer(replace(LAYER, id="l2"))
    assert catalog.layers()["null", "key1"].id == "l1"


def test_a_refreshed_base_takes_the_place_of_the_old_one(catalog: Catalog) -> None:
    catalog.add_base(BASE)
    catalog.add_base(replace(BASE, digest="digest2"))
    assert [base.digest for base in catalog.bases().values()] == ["digest2"]


def test_images_come_oldest_first(catalog: Catalog) -> None:
    images = tuple(replace(IMAGE, fingerprint=f"f{n}") for n in (3, 1, 2))
    for image in images:
        catalog.add_image(image)
    assert catalog.images() == images


def test_the_last_attempt_of_a_role_set_is_kept_until_cleared(catalog: Catalog) -> None:
    catalog.add_attempt(ATTEMPT)
    catalog.add_attempt(replace(ATTEMPT, message="broke again"))
    assert [one.message for one in catalog.attempts()] == ["broke again"]
    catalog.clear_attempt("web", "null")
    assert catalog.attempts() == ()


def test_a_machine_is_open_until_closed(catalog: Catalog) -> None:
    catalog.open_machine(MACHINE)
    catalog.open_machine(replace(MACHINE, id="m2"))
    catalog.close_machine("m1")
    assert [entry.id for entry in catalog.open_machines()] == ["m2"]


def test_only_what_is_named_is_forgotten(catalog: Catalog) -> None:
    catalog.add_layer(LAYER)
    catalog.add_layer(replace(LAYER, key="key2", id="l2"))
    catalog.add_image(IMAGE)
    catalog.add_base(BASE)
    catalog.forget_layers("container", ("l1",))
    catalog.forget_layers("null", ("l1", "unknown"))
    catalog.forget_images("null", ("sha256:a",))
    catalog.forget_bases("null", ("digest1",))
    assert list(catalog.layers()) == [("null", "key2")]
    assert (catalog.images(), catalog.bases()) == ((), {})


def test_the_file_is_for_its_owner_only(home: Path, catalog: Catalog) -> None:
    catalog.add_layer(LAYER)
    assert (home / "catalog.sqlite").stat().st_mode & 0o777 == 0o600


def test_a_thread_that_writes_gives_up_no_lock_of_another(home: Path) -> None:
    """A process that closes a file loses all its locks on it. Another process takes itself for the last one
    then, and removes the log that a connection here still writes to.
    """
    catalog = SqliteCatalog(home)
    catalog.add_layer(LAYER)
    file = home / "catalog.sqlite"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("SELECT * FROM layer").fetchall()
        thread = threading.Thread(target=lambda: catalog.add_layer(replace(LAYER, key="other")))
        thread.start()
        thread.join()
        look = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('SELECT * FROM layer').fetchall()"
        subprocess.run([sys.executable, "-c", look, file], check=True)
        assert (home / "catalog.sqlite-wal").exists()


def test_threads_and_processes_add_at_once(home: Path) -> None:
    processes = [start_writer(home, number) for number in range(3)]
    threads = [
        threading.Thread(target=lambda n=number: add_layers(home, f"thread{n}", 15)) for number in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for process in processes:
        assert process.stdout is not None
        for _ in range(15):
            assert process.stdout.readline()
        process.kill()
        process.communicate()
    layers = SqliteCatalog(home).layers()
    for writer in ("thread0", "thread1", "thread2", "process0", "process1", "process2"):
        assert {("null", f"{writer}-{n}") for n in range(15)} <= layers.keys()


def test_a_writer_killed_at_any_moment_loses_nothing_that_it_had_reported(home: Path) -> None:
    for number in range(8):
        writer = start_writer(home, number)
        assert writer.stdout is not None
        reported = [writer.stdout.readline().strip() for _ in range(number + 1)]
        writer.send_signal(signal.SIGKILL)
        rest, _ = writer.communicate()
        reported += [line for line in rest.splitlines(keepends=True) if line.endswith("\n")]
        keys = {("null", line.strip()) for line in reported}
        assert keys <= SqliteCatalog(home).layers().keys()
        with sqlite3.connect(home / "catalog.sqlite") as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        connection.close()


@pytest.mark.parametrize("rubbish", [b"not a database, but long enough to be looked at" * 40, b"\0" * 4096])
def test_a_damaged_file_is_a_sentence(home: Path, catalog: Catalog, rubbish: bytes) -> None:
    catalog.add_layer(LAYER)
    content = (home / "catalog.sqlite").read_bytes()
    (home / "catalog.sqlite").write_bytes(rubbish + content[len(rubbish) :])
    with pytest.raises(MachineError, match=r"the catalog .*catalog\.sqlite is damaged"):
        catalog.layers()
    with pytest.raises(MachineError, match=r"the catalog .*catalog\.sqlite is damaged"):
        catalog.add_layer(LAYER)


def test_a_record_that_is_none_is_a_sentence(home: Path, catalog: Catalog) -> None:
    catalog.add_layer(LAYER)
    with sqlite3.connect(home / "catalog.sqlite") as connection:
        connection.execute("UPDATE layer SET record = '[]'")
    connection.close()
    with pytest.raises(MachineError, match="holds something that is no LayerRecord"):
        catalog.layers()


def test_a_file_of_a_newer_bakery_is_left_alone(home: Path, catalog: Catalog) -> None:
    catalog.add_layer(LAYER)
    with sqlite3.connect(home / "catalog.sqlite") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    for use in (catalog.layers, lambda: catalog.add_layer(LAYER)):
        with pytest.raises(MachineError, match="was written by a newer bakery"):
            use()


def test_waiting_for_another_process_ends_in_a_sentence(tmp_path: Path) -> None:
    door = SqliteDoor(tmp_path / "file.sqlite", ("CREATE TABLE one (a)",), patience_s=0.1)
    door.write(lambda connection: None)
    other = sqlite3.connect(tmp_path / "file.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(MachineError, match=r"was locked by another process for 0\.1 s"):
        door.write(lambda connection: None)
    other.execute("ROLLBACK")
    other.close()
    door.write(lambda connection: None)


def test_a_failed_change_leaves_no_trace(tmp_path: Path) -> None:
    door = SqliteDoor(tmp_path / "file.sqlite", ("CREATE TABLE one (a)",))

    def change(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO one VALUES (1)")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        door.write(change)
    assert door.read(lambda connection: connection.execute("SELECT count(*) FROM one").fetchone()) is None


IN_SMALL_ROOM = """
set -e
mount -t tmpfs -o size={size} none {room}
{python} -c '{program}' {room}
"""
FILL = """
import sys
from pathlib import Path
from tests.unit.adapters.test_catalog import LAYER, SqliteCatalog, replace
from bakery.errors import MachineError
catalog = SqliteCatalog(Path(sys.argv[1]))
stored = 0
try:
    while True:
        catalog.add_layer(replace(LAYER, key=f"k{stored}", detail={"x": "y" * 5000}))
        stored += 1
except MachineError as error:
    print(error)
assert len(catalog.layers()) == stored > 0
"""


@pytest.mark.e2e
def test_a_full_disk_is_a_sentence_and_what_was_stored_stays(tmp_path: Path) -> None:
    said = in_small_room(tmp_path, FILL)
    assert said.startswith("no space left for ")


READ_ONLY = """
import subprocess, sys
from pathlib import Path
from tests.unit.adapters.test_catalog import LAYER, SqliteCatalog
from bakery.errors import MachineError
catalog = SqliteCatalog(Path(sys.argv[1]))
catalog.add_layer(LAYER)
subprocess.run(["mount", "-o", "remount,ro", sys.argv[1]], check=True)
assert catalog.find_layer("null", "key1") == LAYER
try:
    catalog.add_layer(LAYER)
except MachineError as error:
    print(error)
"""


@pytest.mark.e2e
def test_a_read_only_disk_can_be_read_and_refuses_in_a_sentence(tmp_path: Path) -> None:
    assert in_small_room(tmp_path, READ_ONLY).startswith("cannot write to ")


def in_small_room(tmp_path: Path, program: str) -> str:
    """What ``program`` says with a tiny file system, in a mount namespace of its own, as its argument."""
    script = IN_SMALL_ROOM.format(
        size="512k", room=tmp_path, python=sys.executable, program=program.replace("'", '"')
    )
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


WRITER = """
import sys
from pathlib import Path
from dataclasses import replace
from tests.unit.adapters.test_catalog import LAYER, SqliteCatalog
catalog = SqliteCatalog(Path(sys.argv[1]))
for number in range(10_000):
    key = f"{sys.argv[2]}-{number}"
    catalog.add_layer(replace(LAYER, key=key))
    print(key, flush=True)
"""


def start_writer(home: Path, number: int) -> subprocess.Popen[str]:
    """A process that adds layers without end and says the key of each once it is stored."""
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(home), f"process{number}"],
        cwd=Path(__file__).parents[3],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        stdout=subprocess.PIPE,
        text=True,
    )


def add_layers(home: Path, writer: str, count: int) -> None:
    catalog = SqliteCatalog(home)
    for number in range(count):
        catalog.add_layer(replace(LAYER, key=f"{writer}-{number}"))
