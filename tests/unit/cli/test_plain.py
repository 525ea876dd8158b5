from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable

import pytest

from bakery.cli.board import Board
from bakery.cli.plain import PlainProgress, line_of
from bakery.model.progress import SetTask
from bakery.model.run import TaskProgress
from tests.unit.cli.replay import SETS, bake_with_a_failure


def replayed(verbosity: int) -> str:
    stream = io.StringIO()
    with PlainProgress(Board(SETS), stream, verbosity=verbosity) as progress:
        for event in bake_with_a_failure():
            progress(event)
    return stream.getvalue().rstrip("\n")


def test_lines_of_a_bake(golden: Callable[[str, str], None]) -> None:
    golden("plain", replayed(0))


def test_lines_of_a_bake_with_every_task(golden: Callable[[str, str], None]) -> None:
    golden("plain_verbose", replayed(1))


@pytest.mark.parametrize(("verbosity", "line"), [(0, "web: 43%"), (-1, None)])
def test_how_far_a_task_is_is_a_line_unless_the_bake_is_quiet(verbosity: int, line: str | None) -> None:
    board = Board([("web", "ec2", 1)])
    assert line_of(board, SetTask("web", "ec2", TaskProgress("43%")), verbosity) == line


def test_a_reader_that_does_not_read_does_not_hold_up_the_bake() -> None:
    reading, writing = os.pipe()
    told = threading.Event()

    def bake() -> None:
        with PlainProgress(Board(SETS), stream) as progress:
            for _ in range(2000):  # more lines than a pipe holds (64 KiB)
                for event in bake_with_a_failure():
                    progress(event)
            told.set()

    def read_all() -> None:
        while os.read(reading, 1 << 16):
            pass

    reader = threading.Thread(target=read_all)
    with os.fdopen(writing, "w") as stream:
        baking = threading.Thread(target=bake)
        baking.start()
        held_up = not told.wait(60)
        reader.start()
        baking.join()
    reader.join()
    os.close(reading)
    assert not held_up


def test_a_reader_that_went_away_does_not_end_the_bake() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        with PlainProgress(Board(SETS), stream) as progress:
            for event in bake_with_a_failure():
                progress(event)
        os.dup2(os.open(os.devnull, os.O_WRONLY), writing)
