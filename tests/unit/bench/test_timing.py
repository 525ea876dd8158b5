"""Statistics of rounds."""

from __future__ import annotations

import pytest

from bench.timing import Timing, compete, find, ratio


def test_median_of_an_even_number_of_rounds_lies_between() -> None:
    assert Timing("t", "w", (1.0, 4.0, 2.0, 3.0)).median == 2.5


def test_best_is_the_quickest_round() -> None:
    assert Timing("t", "w", (3.0, 1.0, 2.0)).best == 1.0


def test_spread_is_relative_to_the_median() -> None:
    assert Timing("t", "w", (1.0, 2.0, 3.0)).spread == 1.0


def test_one_round_has_no_spread() -> None:
    assert Timing("t", "w", (1.0,)).spread is None


def test_a_failure_has_no_figures() -> None:
    failed = Timing("t", "w", failure="failed: no engine")
    assert (failed.median, failed.best, failed.spread) == (None, None, None)


def test_ratio_compares_medians() -> None:
    assert ratio(Timing("t", "slow", (8.0,)), Timing("t", "quick", (2.0,))) == 4.0


@pytest.mark.parametrize(
    "reference", [None, Timing("t", "w", failure="failed: no engine"), Timing("t", "w", (0.0,))]
)
def test_ratio_to_what_has_no_time_is_none(reference: Timing | None) -> None:
    assert ratio(Timing("t", "w", (1.0,)), reference) is None


def test_find_distinguishes_tasks() -> None:
    timings = (Timing("one", "w", (1.0,)), Timing("two", "w", (2.0,)))
    assert find(timings, "two", "w") is timings[1]
    assert find(timings, "three", "w") is None


def test_competitors_take_turns_after_a_round_that_does_not_count() -> None:
    turns: list[str] = []
    competitors = {"a": lambda: turns.append("a"), "b": lambda: turns.append("b")}
    timings = compete("t", competitors, rounds=2, prepare=lambda: turns.append("-"))
    assert "".join(turns) == "-a-b" * 3
    assert [len(one.rounds) for one in timings] == [2, 2]
