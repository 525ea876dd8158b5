"""Whether a run stayed in the bounds."""

from __future__ import annotations

from bench.aims import AIMS
from bench.bounds import Bound, judge
from bench.timing import Timing

RELATIVE = Bound("half of the other", "t", 0.5, against="other")


def test_a_bound_in_seconds_is_met_at_its_limit() -> None:
    (verdict,) = judge((Bound("2 s", "t", 2.0),), (Timing("t", "bakery", (1.0, 2.0, 9.0)),))
    assert (verdict.value, verdict.met, verdict.words) == (2.0, True, "met")


def test_a_relative_bound_compares_medians_of_the_same_task() -> None:
    timings = (Timing("t", "bakery", (3.0,)), Timing("u", "other", (100.0,)), Timing("t", "other", (4.0,)))
    (verdict,) = judge((RELATIVE,), timings)
    assert (verdict.value, verdict.met, verdict.words) == (0.75, False, "missed")


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    failed = (Timing("t", "bakery", (3.0,)), Timing("t", "other", failure="failed: no engine"))
    for timings in ((), failed):
        (verdict,) = judge((RELATIVE,), timings)
        assert (verdict.value, verdict.met, verdict.words) == (None, None, "not measured")


def test_every_aim_is_about_a_task_and_a_limit() -> None:
    assert all(aim.task and aim.limit > 0 for aim in AIMS)
    assert len({(aim.task, aim.words) for aim in AIMS}) == len(AIMS)
