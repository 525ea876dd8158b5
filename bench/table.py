"""Timings and verdicts as text: aligned for a terminal, and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from bench.bounds import Verdict
from bench.packing import BY_HAND
from bench.peers.names import BAKERY
from bench.timing import Timing, find, ratio

Row = tuple[str, ...]
TIMINGS_HEAD: Row = ("who", "median", "best", "spread", "relative")
VERDICTS_HEAD: Row = ("task", "bound", "measured", "")


def by_task(timings: Sequence[Timing]) -> dict[str, tuple[Timing, ...]]:
    """In the order in which tasks first occur."""
    tasks: dict[str, tuple[Timing, ...]] = {}
    for timing in timings:
        tasks[timing.task] = (*tasks.get(timing.task, ()), timing)
    return tasks


def reference(timings: tuple[Timing, ...]) -> Timing | None:
    """Whom the others of one task are compared with: bakery, or where it is many rows, the work by hand."""
    task = timings[0].task
    return find(timings, task, BAKERY) or find(timings, task, BY_HAND)


def timing_rows(timings: tuple[Timing, ...]) -> list[Row]:
    """The cells of one task; a competitor without times shows why in place of them."""
    return [_cells(timing, reference(timings)) for timing in timings]


def verdict_rows(verdicts: Sequence[Verdict]) -> list[Row]:
    return [(one.bound.task, one.bound.words, _measured(one), one.words) for one in verdicts]


def text_table(head: Row, rows: Sequence[Row]) -> str:
    """Columns as wide as their widest cell; a row that is shorter than the head ends in a free text."""
    full = [row for row in (head, *rows) if len(row) == len(head)]
    columns = list(zip(*full, strict=True))
    widths = [max(map(len, column)) for column in columns]
    widths[0] = max([widths[0], *(len(row[0]) for row in rows)])
    right = [all(_is_figure(cell) for cell in column[1:]) for column in columns]
    return "\n".join(_aligned(row, widths, right).rstrip() for row in (head, *rows))


def markdown_table(head: Row, rows: Sequence[Row]) -> str:
    padded = [(*row, *[""] * (len(head) - len(row))) for row in rows]
    lines = [head, tuple("---" for _ in head), *padded]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def seconds(value: float) -> str:
    """Three figures at most: ``0.002 s``, ``0.31 s``, ``8.2 s``, ``116 s``."""
    digits = 3 if value < 0.1 else 2 if value < 1 else 1 if value < 100 else 0
    return f"{value:.{digits}f} s"


def times(value: float) -> str:
    """A ratio: ``0.02 ×``, ``3.4 ×``, ``116 ×``."""
    digits = 2 if value < 1 else 1 if value < 100 else 0
    return f"{value:.{digits}f} ×"


def _cells(timing: Timing, against: Timing | None) -> Row:
    if timing.failure or timing.median is None or timing.best is None:
        return (timing.who, timing.failure or "not measured")
    relative = ratio(timing, against)
    spread = "" if timing.spread is None else f"{timing.spread:.0%}"
    compared = "" if relative is None else times(relative)
    return (timing.who, seconds(timing.median), seconds(timing.best), spread, compared)


def _measured(verdict: Verdict) -> str:
    if verdict.value is None:
        return ""
    return times(verdict.value) if verdict.bound.against else seconds(verdict.value)


def _aligned(row: Row, widths: list[int], right: list[bool]) -> str:
    if len(row) < len(widths):
        return f"{row[0]:{widths[0]}}  {'  '.join(row[1:])}"
    cells = zip(row, widths, right, strict=True)
    return "  ".join(
        f"{cell:>{width}}" if rightward else f"{cell:{width}}" for cell, width, rightward in cells
    )


def _is_figure(cell: str) -> bool:
    return not cell or (cell[0].isdigit() and cell.endswith((" s", " ×", "%")))
