"""The display with rows, on a pseudo terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

import pytest

from bakery.cli.board import Board
from bakery.cli.progress import LiveProgress
from bakery.model.progress import SetStage, Stage
from tests.unit.cli.replay import SETS, bake_with_a_failure


class Screen:
    """The far end of a pseudo terminal: collects what was written."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.raw = b""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        try:
            while data := os.read(self._fd, 4096):
                self.raw += data
        except OSError:
            pass  # EIO: the near end was closed

    def join(self) -> None:
        self._reader.join()

    @property
    def text(self) -> str:
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.raw.decode())


@contextmanager
def terminal(columns: int, lines: int) -> Iterator[tuple[TextIO, Screen]]:
    far, near = pty.openpty()
    fcntl.ioctl(near, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    screen = Screen(far)
    with os.fdopen(near, "w") as stream:
        yield stream, screen
    screen.join()
    os.close(far)


@pytest.fixture(autouse=True)
def xterm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "COLUMNS", "LINES", "CI", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


def test_rows_show_role_and_progress_and_are_gone_at_the_end() -> None:
    with terminal(80, 24) as (stream, screen):
        with LiveProgress(Board(SETS), stream, colour=True) as live:
            for event in bake_with_a_failure():
                live(event)
            live.pause()
            live.resume()
            live.pause()
        stream.write("after")
    last = screen.raw.rpartition(b"\x1b[2K")[2]
    assert "✓ web 2/2 done" in screen.text
    assert re.search(r"✗ db +2/2 postgresql Start the server", screen.text)
    assert "1 of 2 role sets" in screen.text
    assert "db: task 'postgresql : Start the server' failed after 1.2 s" in screen.text
    assert b"role set" not in last, "the rows are erased when the display ends"


def test_nothing_is_coloured_without_colours() -> None:
    with terminal(80, 24) as (stream, screen), LiveProgress(Board(SETS), stream, colour=False) as live:
        for event in bake_with_a_failure():
            live(event)
    assert not re.search(rb"\x1b\[[0-9;]*3[0-7]m", screen.raw)


def test_more_role_sets_than_lines_show_those_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINES", "10")
    sets = [(f"set-{number:02}", "container", 1) for number in range(40)]
    with terminal(80, 10) as (stream, screen), LiveProgress(Board(sets), stream, colour=True) as live:
        live(SetStage("set-39", "container", Stage.ROLE, "nginx", 0, 1))
    assert "set-39" in screen.text
    assert re.search(r"and \d+ role sets more", screen.text)


def test_rows_never_exceed_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")  # rich asks the terminal of the process, which a test has not
    with terminal(40, 24) as (stream, screen), LiveProgress(Board(SETS), stream, colour=True) as live:
        for event in bake_with_a_failure():
            live(event)
    rows = [line for line in re.split(r"[\r\n]+", screen.text) if "2/2" in line]
    assert rows
    assert max(len(line) for line in rows) <= 40
