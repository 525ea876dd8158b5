"""Every verb that uses files of the store holds it meanwhile, and whoever waits for it knows for whom."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bakery.adapters.lock_holders import holders_of
from bakery.adapters.locks import FileLocks
from tests.unit.fakes import FakeCancel

ROOT = Path(__file__).parents[3]
PROJECT = """\
version: 1
bases:
  debian-12: {debian: {suite: bookworm}}
role_sets:
  web: {base: debian-12, roles: [motd]}
"""
PRUNED = "bakery: the store is being pruned: waiting for its end"
IN_USE = "bakery: the store is in use: waiting for the end of that"


def never() -> None:
    pytest.fail("somebody else has the lock")


@pytest.fixture
def locks(tmp_path: Path) -> FileLocks:
    return FileLocks(tmp_path / "home", FakeCancel())


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    project = tmp_path / "project"
    (project / "roles/motd/tasks").mkdir(parents=True)
    (project / "roles/motd/tasks/main.yml").write_text("[]\n")
    (project / "bakery.yml").write_text(PROJECT)

    def run(*words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "bakery", *words],
            cwd=project,
            env=os.environ | {"BAKERY_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT), "CI": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return run


@contextmanager
def interrupted(process: subprocess.Popen[str]) -> Iterator[None]:
    with process:
        yield
        process.send_signal(signal.SIGINT)
        process.communicate()
    assert process.returncode == 130


@pytest.mark.parametrize(
    "words",
    [
        ("export", "web", "web.tar"),
        ("load", "web"),
        ("diff", "web", "web"),
        ("verify", "web"),
        ("prune", "--dry-run"),
    ],
    ids=lambda words: words[0],
)
def test_who_uses_the_store_waits_for_a_prune_and_says_so(
    locks: FileLocks, start: Callable[..., subprocess.Popen[str]], words: tuple[str, ...]
) -> None:
    with locks.hold("store", never):
        process = start(*words)
        with interrupted(process):
            assert process.stderr is not None
            assert process.stderr.readline().startswith(f"{PRUNED} (process {os.getpid()}")


def test_a_base_is_not_made_again_while_the_store_is_pruned(
    locks: FileLocks, start: Callable[..., subprocess.Popen[str]]
) -> None:
    with locks.hold("store", never):
        process = start("base", "refresh")
        with interrupted(process):
            assert process.stdout is not None
            assert process.stdout.readline().startswith(PRUNED.removeprefix("bakery: "))


def test_a_prune_waits_for_all_who_use_the_store(
    locks: FileLocks, start: Callable[..., subprocess.Popen[str]]
) -> None:
    with locks.share("store", never):
        process = start("prune")
        with interrupted(process):
            assert process.stderr is not None
            assert process.stderr.readline().startswith(f"{IN_USE} (process {os.getpid()}")


def test_what_a_prune_would_do_is_told_while_the_store_is_used(
    locks: FileLocks, start: Callable[..., subprocess.Popen[str]]
) -> None:
    with locks.share("store", never):
        process = start("prune", "--dry-run", "--json")
        process.communicate()
        assert process.returncode == 0


HOLDER = """
import fcntl, sys
file = open(sys.argv[1])
fcntl.flock(file, fcntl.LOCK_SH)
print("held", flush=True)
sys.stdin.read()
"""


def test_who_holds_a_lock_is_told_by_his_command_and_whether_he_is_stopped(tmp_path: Path) -> None:
    program, lock = tmp_path / "bakery", tmp_path / "lock"
    program.write_text(HOLDER)
    lock.touch()
    with subprocess.Popen(
        [sys.executable, program, "lock", "web\x1b[31m"],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        told = f"process {holder.pid}: bakery lock web[31m"
        assert holders_of(lock) == (told,)
        holder.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, holder.pid, os.WSTOPPED)
        assert holders_of(lock) == (f"{told}, which is stopped",)
        holder.send_signal(signal.SIGCONT)
        holder.communicate("")
        assert holders_of(lock) == ()


def test_of_oneself_nobody_is_told(locks: FileLocks) -> None:
    with locks.hold("store", never):
        assert locks.holders("store") == ()


def test_a_home_that_cannot_be_written_is_read_without_a_lock(tmp_path: Path) -> None:
    """As root may write wherever a mode forbids it, the home is one that is not there at all."""
    locks = FileLocks(Path("/proc/1/nowhere"), FakeCancel())
    with locks.share("store", never, reading=True):
        pass
    assert locks.holders("store") == ()
