"""What is kept of a run."""

from __future__ import annotations

from dataclasses import replace

from bench.host import Host
from bench.report import Results
from bench.timing import Timing

HOST = Host(2, 24, "x86_64", "Linux 6.1")


def _results(*timings: Timing, day: str = "2026-01-02") -> Results:
    return Results(HOST, timings, {one.task: day for one in timings}, 0.5, {})


def test_results_survive_their_file() -> None:
    results = _results(Timing("t", "bakery", (1.0, 2.0)), Timing("t", "other", failure="failed: no engine"))
    assert Results.from_json(results.to_json()) == results


def test_a_part_that_is_measured_again_replaces_that_part() -> None:
    earlier = _results(Timing("a", "bakery", (1.0,)), Timing("b", "bakery", (2.0,)), day="2026-01-01")
    merged = _results(Timing("a", "bakery", (3.0,))).merged_into(earlier)
    assert merged.timings == (Timing("a", "bakery", (3.0,)), Timing("b", "bakery", (2.0,)))
    assert merged.dates == {"a": "2026-01-02", "b": "2026-01-01"}
    assert merged.caption.startswith("2026-01-01 to 2026-01-02, 2 processors, 24 GiB of memory")


def test_figures_of_another_machine_are_not_mixed_in() -> None:
    earlier = replace(_results(Timing("b", "bakery", (2.0,))), host=replace(HOST, processors=64))
    results = _results(Timing("a", "bakery", (1.0,)))
    assert results.merged_into(earlier) == results


def test_markdown_has_a_table_for_each_task_and_the_bounds() -> None:
    text = _results(Timing("a", "bakery", (1.0,)), Timing("b", "bakery", (2.0,))).to_markdown()
    assert [line for line in text.splitlines() if line.startswith("**")] == ["**a**", "**b**", "**Bounds**"]


def test_what_could_not_run_once_is_not_kept() -> None:
    earlier = _results(Timing("b", "", failure="not run: no roles"))
    results = _results(Timing("a", "bakery", (1.0,)))
    assert results.merged_into(earlier).timings == results.timings
