"""Rounds of competitors over the same work, and what came of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """Seconds of each round of one competitor at one task; ``bound`` is what it should not exceed."""

    task: str
    who: str
    rounds: tuple[float, ...]
    bound: float | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    @property
    def spread(self) -> float:
        """Half the distance between the quickest and the slowest round."""
        return (max(self.rounds) - min(self.rounds)) / 2


def compete(task: str, competitors: Mapping[str, Callable[[], object]], *, rounds: int) -> tuple[Timing, ...]:
    """Time every competitor ``rounds`` times, taking turns, after one round that does not count."""
    seconds: dict[str, list[float]] = {who: [] for who in competitors}
    for turn in range(rounds + 1):
        for who, work in competitors.items():
            started = time.perf_counter()
            work()
            if turn:
                seconds[who].append(time.perf_counter() - started)
    return tuple(Timing(task, who, tuple(times)) for who, times in seconds.items())
