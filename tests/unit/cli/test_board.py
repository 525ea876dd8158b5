from __future__ import annotations

from bakery.cli.board import Board
from bakery.model.progress import SetStage, SetTask, Stage
from bakery.model.run import TaskProgress, TaskStarted
from tests.unit.cli.replay import SETS, bake_with_a_failure, task


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def stage(stage: Stage, role: str | None = None, done: int = 0) -> SetStage:
    return SetStage("web", "container", stage, role, done, 2)


def test_rows_are_in_the_order_they_were_asked_for() -> None:
    board = Board(SETS)
    for event in bake_with_a_failure():
        board.apply(event)
    assert [row.role_set for row in board.rows] == ["web", "db"]


def test_the_time_of_a_row_runs_from_its_first_stage_until_it_is_done() -> None:
    clock = Clock()
    board = Board(SETS, clock)
    row = board.row("web", "container")
    clock.now += 5
    board.apply(stage(Stage.WAITING))
    assert board.elapsed(row) == 0
    board.apply(stage(Stage.BASE))
    clock.now += 7
    assert board.elapsed(row) == 7
    board.apply(stage(Stage.DONE))
    clock.now += 100
    assert board.elapsed(row) == 7


def test_steps_count_roles_then_capture_and_checks() -> None:
    board = Board(SETS)
    seen = []
    for event in (
        stage(Stage.BASE),
        stage(Stage.ROLE, "nginx", 1),
        stage(Stage.CAPTURE, done=2),
        stage(Stage.VERIFY, done=2),
        stage(Stage.DONE, done=2),
    ):
        board.apply(event)
        seen.append(board.row("web", "container").steps)
    assert seen == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_failed_task_is_trouble_until_the_next_one_begins() -> None:
    board = Board(SETS)
    for event in task("web", "nginx", "Install", "failed"):
        board.apply(event)
    assert board.row("web", "container").trouble
    board.apply(SetTask("web", "container", TaskStarted("play", "nginx", "Rescue", 2)))
    assert not board.row("web", "container").trouble


def test_what_a_task_says_of_itself_counts_until_the_next_one_begins() -> None:
    board = Board(SETS)
    board.apply(SetTask("web", "container", TaskStarted("play", None, "Make the image", 1)))
    board.apply(SetTask("web", "container", TaskProgress("43%")))
    assert board.row("web", "container").detail == "43%"
    board.apply(SetTask("web", "container", TaskStarted("play", None, "Boot it", 2)))
    assert not board.row("web", "container").detail


def test_the_target_is_named_only_where_a_role_set_has_several() -> None:
    board = Board([("web", "one", 1), ("web", "two", 1), ("db", "one", 1)])
    assert board.label("web", "two") == "web (two)"
    assert board.label("db", "one") == "db"


def test_a_role_set_that_nobody_announced_gets_a_row() -> None:
    board = Board([])
    board.apply(stage(Stage.ROLE, "nginx", 0))
    assert [row.role_set for row in board.rows] == ["web"]
