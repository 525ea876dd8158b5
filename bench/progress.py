"""Lines that say how far a long run is, and when it should be over."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

_UNKNOWN_S = 30.0


def remaining(steps: tuple[str, ...], known: Mapping[str, float]) -> float:
    """Seconds that ``steps`` should take: each as long as before, else as long as others."""
    usual = sum(known.values()) / len(known) if known else _UNKNOWN_S
    return sum(known.get(step, usual) for step in steps)


def spoken(seconds: float) -> str:
    """A duration for people: ``40 s``, ``7 min``, ``1 h 05 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


@dataclass
class Progress:
    """The steps of a run in order, and how long each took here or, before that, in an earlier run."""

    known: dict[str, float] = field(default_factory=dict)
    _left: list[str] = field(default_factory=list)
    _number: int = 0

    def expect(self, *steps: str) -> None:
        self._left.extend(steps)

    @contextmanager
    def step(self, name: str, *, about: str = "") -> Iterator[None]:
        """One step; what comes out of it is the caller's to say, how long it took is said here."""
        self._number += 1
        total = self._number - 1 + len(self._left)
        left = spoken(remaining(tuple(self._left), self.known))
        print(f"bench: [{self._number}/{total}, about {left} left] {name}{about}", flush=True)
        started = time.perf_counter()
        try:
            yield
        finally:
            self.known[name] = time.perf_counter() - started
            if name in self._left:
                self._left.remove(name)
