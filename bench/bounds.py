"""What bakery should reach, and whether it did in one run."""

from __future__ import annotations

from dataclasses import dataclass

from bench.peers.names import BAKERY
from bench.timing import Timing, find, ratio


@dataclass(frozen=True)
class Bound:
    """The median of ``who`` should be at most ``limit``: seconds, or times the median of ``against``."""

    words: str
    task: str
    limit: float
    who: str = BAKERY
    against: str | None = None


@dataclass(frozen=True)
class Verdict:
    """``value`` is None, and so is ``met``, where the run did not measure it."""

    bound: Bound
    value: float | None

    @property
    def met(self) -> bool | None:
        return None if self.value is None else self.value <= self.bound.limit

    @property
    def words(self) -> str:
        return {True: "met", False: "missed", None: "not measured"}[self.met]


def judge(bounds: tuple[Bound, ...], timings: tuple[Timing, ...]) -> tuple[Verdict, ...]:
    return tuple(Verdict(bound, _value(bound, timings)) for bound in bounds)


def _value(bound: Bound, timings: tuple[Timing, ...]) -> float | None:
    measured = find(timings, bound.task, bound.who)
    if measured is None or bound.against is None:
        return measured.median if measured else None
    return ratio(measured, find(timings, bound.task, bound.against))
