"""A lock has one holder, and none once the holder is dead."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bakery.adapters.locks import FileLocks
from bakery.errors import InterruptedBake, MachineError

HOLDER = """
import sys
from pathlib import Path
from bakery.adapters.locks import FileLocks

class Never:
    def requested(self): return False

with FileLocks(Path(sys.argv[1]), Never()).hold(sys.argv[2], lambda: print("waits", flush=True)):
    print("held", flush=True)
    sys.stdin.read()
"""


class Asked:
    def __init__(self) -> None:
        self.asked = False

    def requested(self) -> bool:
        return self.asked


@pytest.fixture
def cancel() -> Asked:
    return Asked()


@pytest.fixture
def locks(tmp_path: Path, cancel: Asked) -> FileLocks:
    return FileLocks(tmp_path / "home", cancel)


def start_holder(home: Path, name: str = "set-web") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(home), name],
        cwd=Path(__file__).parents[3],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def never() -> None:
    pytest.fail("somebody else has the lock")


def test_a_free_lock_is_held_without_waiting(locks: FileLocks, tmp_path: Path) -> None:
    with locks.hold("set-web", never), locks.hold("set-api", never):
        assert sorted(path.name for path in (tmp_path / "home/locks").iterdir()) == ["set-api", "set-web"]


def test_released_locks_leave_no_file(locks: FileLocks, tmp_path: Path) -> None:
    with locks.hold("set-web", never):
        pass
    assert list((tmp_path / "home/locks").iterdir()) == []


def test_threads_exclude_one_another(locks: FileLocks) -> None:
    inside = 0
    most = 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(5):
            with locks.hold("layer", lambda: None):
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_who_waits_says_so_once_and_gets_the_lock_when_it_is_released(
    locks: FileLocks, tmp_path: Path
) -> None:
    with locks.hold("set-web", never):
        other = start_holder(tmp_path / "home")
        assert other.stdout is not None
        assert other.stdout.readline() == "waits\n"
    assert other.stdout.readline() == "held\n"
    other.communicate("")


def test_a_killed_holder_holds_nothing(locks: FileLocks, tmp_path: Path) -> None:
    with start_holder(tmp_path / "home") as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        other.send_signal(signal.SIGKILL)
    with locks.hold("set-web", never):
        assert (tmp_path / "home/locks/set-web").exists()


def test_waiting_ends_when_cancelled(locks: FileLocks, cancel: Asked, tmp_path: Path) -> None:
    def give_up() -> None:
        cancel.asked = True

    with start_holder(tmp_path / "home") as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(InterruptedBake), locks.hold("set-web", give_up):
            pytest.fail("it was held twice")
        other.communicate("")


def test_a_lock_is_released_when_its_body_raises(locks: FileLocks) -> None:
    with pytest.raises(RuntimeError), locks.hold("set-web", never):
        raise RuntimeError
    with locks.hold("set-web", never):
        pass


@pytest.mark.parametrize("name", ["../secret", "a/b", "", "x" * 300, "ünïcode", ".."])
def test_any_name_is_a_file_in_the_folder(locks: FileLocks, tmp_path: Path, name: str) -> None:
    with locks.hold(name, never):
        (file,) = (tmp_path / "home/locks").iterdir()
        assert file.is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_a_home_that_is_a_file_is_a_sentence(tmp_path: Path, cancel: Asked) -> None:
    (tmp_path / "home").write_text("")
    with (
        pytest.raises(MachineError, match="cannot create"),
        FileLocks(tmp_path / "home", cancel).hold("x", never),
    ):
        pass
