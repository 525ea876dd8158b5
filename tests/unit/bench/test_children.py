"""Programs that competitors are."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import children
from bench.failure import CommandFailed
from bench.peers.stopwatch import Stopwatch


def test_output_is_that_of_this_command_alone(tmp_path: Path) -> None:
    log = tmp_path / "log"
    children.run(["sh", "-c", "echo first"], log=log)
    assert children.run(["sh", "-c", "echo second; echo third >&2"], log=log).output == "second\nthird\n"
    assert log.read_text() == "first\nsecond\nthird\n"


def test_a_command_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="no such image"):
        children.run(["sh", "-c", "echo Error: no such image; exit 3"], log=tmp_path / "log")


@pytest.fixture
def interruptible() -> Iterator[None]:
    """SIGINT as in a terminal: a process that was started in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_ends_what_the_command_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = (
        "import pathlib, subprocess\n"
        "child = subprocess.Popen(['sleep', '600'])\n"
        f"pathlib.Path({str(pids)!r}).write_text(str(child.pid))\n"
        "child.wait()\n"
    )

    def interrupt_when_it_runs() -> None:
        while not (pids.exists() and pids.read_text().strip()):
            pass
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt_when_it_runs)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        children.run([sys.executable, "-c", script], log=tmp_path / "log")
    thread.join()
    assert _has_ended(int(pids.read_text()))


def test_stopwatch_times_the_work_and_not_the_version(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text(f"#!{sys.executable}\nimport sys\nprint(sys.argv[1:])\nsys.exit(len(sys.argv) - 2)\n")
    program.chmod(0o755)
    watch = Stopwatch(tmp_path / "bin", program)
    stand_in = watch.directory / "ansible-playbook"
    assert watch.seconds() is None
    assert children.run([stand_in, "--version"], log=tmp_path / "log").output == "['--version']\n"
    assert watch.seconds() is None
    with pytest.raises(CommandFailed):
        children.run([stand_in, "site.yml", "more"], log=tmp_path / "log")
    once = watch.seconds()
    assert once is not None
    children.run([stand_in, "site.yml"], log=tmp_path / "log")
    twice = watch.seconds()
    assert twice is not None
    assert twice > once


def _has_ended(pid: int) -> bool:
    """Whether a process is gone, or only waits for init to reap it (proc(5), stat)."""
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rsplit(")", 1)[1].split()[0] == "Z"
