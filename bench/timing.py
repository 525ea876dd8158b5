"""Rounds of competitors over the same work, and what came of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """Seconds of each round of one competitor at one task; ``failure`` says in full why there are none."""

    task: str
    who: str
    rounds: tuple[float, ...] = ()
    failure: str | None = None

    @property
    def median(self) -> float | None:
        return statistics.median(self.rounds) if self.rounds else None

    @property
    def best(self) -> float | None:
        """The round that the rest of the host disturbed least."""
        return min(self.rounds, default=None)

    @property
    def spread(self) -> float | None:
        """From the quickest to the slowest round, as a part of the median; None for a single round."""
        middle = self.median
        if middle is None or len(self.rounds) < 2:
            return None
        return (max(self.rounds) - min(self.rounds)) / middle if middle else None


def ratio(timing: Timing, reference: Timing | None) -> float | None:
    """The median of ``timing`` over that of ``reference``; None where either has none."""
    if reference is None or timing.median is None or not reference.median:
        return None
    return timing.median / reference.median


def find(timings: tuple[Timing, ...], task: str, who: str) -> Timing | None:
    return next((one for one in timings if (one.task, one.who) == (task, who)), None)


def compete(
    task: str,
    competitors: Mapping[str, Callable[[], object]],
    *,
    rounds: int,
    prepare: Callable[[], object] = lambda: None,
) -> tuple[Timing, ...]:
    """Time every competitor ``rounds`` times, taking turns, after one round that does not count.

    ``prepare`` runs before each turn and is not timed.
    """
    seconds: dict[str, list[float]] = {who: [] for who in competitors}
    for turn in range(rounds + 1):
        for who, work in competitors.items():
            prepare()
            started = time.perf_counter()
            work()
            if turn:
                seconds[who].append(time.perf_counter() - started)
    return tuple(Timing(task, who, tuple(times)) for who, times in seconds.items())
