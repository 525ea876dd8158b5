"""Owners, the home directory, the key in it, and signals."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bakery.adapters.cancel import SignalCancel
from bakery.adapters.home import ensure_home
from bakery.adapters.owner import alive, start_ticks, this_owner
from bakery.adapters.secret import load_secret
from bakery.errors import MachineError
from bakery.model.records import Owner


def test_this_process_is_alive() -> None:
    owner = this_owner("bake1")
    assert (owner.bake, owner.pid) == ("bake1", os.getpid())
    assert alive(owner)


@pytest.mark.parametrize("change", [{"start": 1}, {"boot": "another boot"}, {"pid": 2**22 + 1}])
def test_an_owner_that_differs_in_anything_is_dead(change: dict[str, object]) -> None:
    assert not alive(dataclasses.replace(this_owner("bake1"), **change))


def test_an_owner_in_another_namespace_is_let_live_where_it_cannot_be_seen() -> None:
    """And found, or not, by whoever is in no container."""
    script = """
import dataclasses, sys
from bakery.adapters.owner import alive, own_namespace, this_owner
mine = this_owner("b")
theirs = [dataclasses.replace(mine, boot=boot) for boot in (mine.boot.partition("/")[0], mine.boot + "1")]
print(alive(mine), *map(alive, theirs), alive(dataclasses.replace(mine, boot="another boot")), flush=True)
print(mine.pid, mine.start, mine.boot, flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", sys.executable, "-c", script],
        cwd=Path(__file__).parents[3],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().split() == ["True", "True", "True", "False"]
        pid, start, boot = process.stdout.readline().split()
        owner = Owner("b", int(pid), int(start), boot)
        assert alive(owner)
        assert not alive(dataclasses.replace(owner, start=owner.start + 1))
        process.communicate("")
    assert not alive(owner)


def test_an_ended_process_is_dead_even_before_it_is_reaped() -> None:
    process = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    owner = dataclasses.replace(this_owner("bake1"), pid=process.pid, start=start_ticks(process.pid))
    assert alive(owner)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not alive(owner)
    process.communicate()


def test_a_process_may_have_any_name(tmp_path: Path) -> None:
    odd = tmp_path / ") R 1 (x"
    odd.symlink_to("/bin/sleep")
    with subprocess.Popen([odd, "600"]) as process:
        assert start_ticks(process.pid) is not None
        process.kill()


def test_the_home_is_made_once(tmp_path: Path) -> None:
    home = tmp_path / "a" / "b"
    assert ensure_home(ensure_home(home)) == home
    assert home.stat().st_mode & 0o777 == (0o711 if os.geteuid() == 0 else 0o700)


def test_a_home_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(
        MachineError, match=r"cannot create .*/file/home: a file is in the way; set BAKERY_HOME"
    ):
        ensure_home(tmp_path / "file" / "home")


def test_the_key_stays_the_same_and_is_private(tmp_path: Path) -> None:
    key = load_secret(tmp_path / "home")
    assert len(key) == 32
    assert load_secret(tmp_path / "home") == key
    assert (tmp_path / "home/secret.key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["secret.key"]


def test_everybody_gets_the_same_key_from_the_start(tmp_path: Path) -> None:
    keys: set[bytes] = set()
    barrier = threading.Barrier(8)

    def load() -> None:
        barrier.wait()
        keys.add(load_secret(tmp_path / "home"))

    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 1


def test_a_key_of_another_length_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "secret.key").write_bytes(b"short")
    with pytest.raises(MachineError, match="is damaged"):
        load_secret(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_to_stop(number: signal.Signals) -> None:
    called = []
    before = signal.getsignal(number)
    with SignalCancel(lambda: called.append(number)) as cancel:
        assert not cancel.requested()
        os.kill(os.getpid(), number)
        assert cancel.requested()
    assert called == [number]
    assert signal.getsignal(number) == before


SECOND = """
import os, signal, time
from bakery.adapters.cancel import SignalCancel
with SignalCancel():
    try:
        os.kill(os.getpid(), signal.SIGINT)
        print("still here", flush=True)
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        print("cleaned up", flush=True)
"""


def test_the_second_signal_ends_at_once() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SECOND],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (130, "still here\n")


def test_another_thread_can_ask_but_sets_no_handler() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen = []

    def work() -> None:
        with SignalCancel() as cancel:
            seen.append(signal.getsignal(signal.SIGINT) == before)
            cancel.request()
            seen.append(cancel.requested())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [True, True]
