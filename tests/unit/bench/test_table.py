"""Timings as text."""

from __future__ import annotations

import pytest

from bench.bounds import Bound, judge
from bench.table import by_task, markdown_table, seconds, text_table, times, timing_rows, verdict_rows
from bench.timing import Timing

TIMINGS = (
    Timing("t", "bakery", (2.0, 2.5, 3.0)),
    Timing("t", "other", (25.0,)),
    Timing("t", "broken", failure="failed: no engine"),
)


def test_rows_are_relative_to_bakery() -> None:
    assert timing_rows(TIMINGS) == [
        ("bakery", "2.5 s", "2.0 s", "40%", "1.0 ×"),
        ("other", "25.0 s", "25.0 s", "", "10.0 ×"),
        ("broken", "failed: no engine"),
    ]


def test_a_task_without_bakery_shows_no_ratios() -> None:
    assert timing_rows((Timing("t", "other", (1.0,)),)) == [("other", "1.0 s", "1.0 s", "", "")]


def test_text_keeps_columns_under_each_other() -> None:
    text = text_table(("who", "median"), [("bakery", "2.5 s"), ("somebody else", "112 s")])
    assert text.splitlines() == ["who            median", "bakery          2.5 s", "somebody else   112 s"]


def test_text_of_a_failure_does_not_widen_the_columns() -> None:
    text = text_table(("who", "median", "best"), [("a", "1.0 s", "1.0 s"), ("b", "failed: " + "x" * 60)])
    assert len(text.splitlines()[1]) < 30


def test_markdown_has_as_many_cells_in_every_row() -> None:
    lines = markdown_table(("who", "a|b"), [("bakery", "1 s"), ("broken",)]).splitlines()
    assert lines[0] == "| who | a\\|b |"
    assert {line.replace("\\|", "").count("|") for line in lines} == {3}


@pytest.mark.parametrize(
    ("value", "text"), [(0.0021, "0.002 s"), (0.314, "0.31 s"), (8.21, "8.2 s"), (116.4, "116 s")]
)
def test_seconds_have_three_figures_at_most(value: float, text: str) -> None:
    assert seconds(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.05, "0.05 ×"), (3.44, "3.4 ×"), (116.4, "116 ×")])
def test_ratios_have_three_figures_at_most(value: float, text: str) -> None:
    assert times(value) == text


def test_tasks_come_in_the_order_of_their_first_timing() -> None:
    timings = (Timing("b", "x"), Timing("a", "x"), Timing("b", "y"))
    assert [(task, len(group)) for task, group in by_task(timings).items()] == [("b", 2), ("a", 1)]


def test_verdicts_show_what_was_measured() -> None:
    bounds = (Bound("half", "t", 0.5, against="other"), Bound("2 s", "t", 2.0), Bound("1 s", "u", 1.0))
    assert verdict_rows(judge(bounds, TIMINGS)) == [
        ("t", "half", "0.10 ×", "met"),
        ("t", "2 s", "2.5 s", "missed"),
        ("u", "1 s", "", "not measured"),
    ]
