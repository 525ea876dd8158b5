"""The question of --on-error ask, on a pseudo terminal."""

from __future__ import annotations

import os
import pty
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bakery.cli.asking import Asking, can_ask
from bakery.errors import ProvisionError
from bakery.model.result import OnError


@pytest.fixture
def far_end(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The keyboard side of a terminal that is this process's stdin."""
    far, near = pty.openpty()
    with os.fdopen(near, "r") as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        yield far
    os.close(far)


class Display:
    """Counts how often it was paused."""

    def __init__(self) -> None:
        self.pauses = 0

    @contextmanager
    def paused(self) -> Iterator[None]:
        self.pauses += 1
        yield


@pytest.mark.parametrize(
    ("typed", "decided", "shells"),
    [
        (b"\n", OnError.KEEP, 0),
        (b"k\n", OnError.KEEP, 0),
        (b"D\n", OnError.DISCARD, 0),
        (b"s\n", OnError.KEEP, 1),
        (b"\xff\n", OnError.KEEP, 0),
    ],
)
def test_replies(
    typed: bytes, decided: OnError, shells: int, far_end: int, capsys: pytest.CaptureFixture[str]
) -> None:
    os.write(far_end, typed)
    display = Display()
    asking = Asking(display.paused, lambda: False)
    assert asking(ProvisionError("role 'nginx' failed")) is decided
    assert (len(asking.shells), display.pauses) == (shells, 1)
    said = capsys.readouterr()
    assert "role 'nginx' failed" in said.err
    assert said.out == ""


def test_a_request_to_stop_answers_with_discard(far_end: int) -> None:
    asking = Asking(Display().paused, lambda: True)
    assert asking(ProvisionError("x")) is OnError.DISCARD


def test_without_a_terminal_there_is_nobody_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path(os.devnull).open() as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        assert not can_ask()
