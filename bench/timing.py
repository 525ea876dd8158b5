"""Rounds of competitors over the same work, and what came of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """Seconds of each round of one competitor at one task; ``bound`` is what the median should not exceed.

    ``ratio`` is the median over that of the competitor it is measured against, if there is one.
    """

    task: str
    who: str
    rounds: tuple[float, ...]
    bound: float | None = None
    ratio: float | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    @property
    def best(self) -> float:
        """The round that the rest of the host disturbed least."""
        return min(self.rounds)


def compete(
    task: str,
    competitors: Mapping[str, Callable[[], object]],
    *,
    rounds: int,
    against: str | None = None,
    prepare: Callable[[], object] = lambda: None,
) -> tuple[Timing, ...]:
    """Time every competitor ``rounds`` times, taking turns, after one round that does not count.

    ``prepare`` runs before each turn and is not timed; ratios are to the competitor named ``against``.
    """
    seconds: dict[str, list[float]] = {who: [] for who in competitors}
    for turn in range(rounds + 1):
        for who, work in competitors.items():
            prepare()
            started = time.perf_counter()
            work()
            if turn:
                seconds[who].append(time.perf_counter() - started)
    reference = statistics.median(seconds[against]) if against else None
    return tuple(
        Timing(task, who, tuple(times), ratio=statistics.median(times) / reference if reference else None)
        for who, times in seconds.items()
    )
