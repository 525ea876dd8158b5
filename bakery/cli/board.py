"""What a watcher knows of a running bake: a row per role set and target, kept up to date by events."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from bakery.model.progress import Event, LayerReady, SetStage, SetTask, Stage
from bakery.model.run import TaskEnded, TaskProgress, TaskStarted

ENDED = frozenset({Stage.DONE, Stage.FAILED})
# What is left after the roles: capture and verify.
_LAST_STEPS = 2


@dataclass
class Row:
    """One role set on one target; ``detail`` is how far its task is. Times are of the board's clock, in
    seconds.
    """

    role_set: str
    target: str
    stage: Stage = Stage.WAITING
    role: str | None = None
    task: str | None = None
    detail: str = ""
    done: int = 0
    total: int = 0
    started: float | None = None
    ended: float | None = None
    trouble: bool = False
    layers: list[LayerReady] = field(default_factory=list)

    @property
    def steps(self) -> tuple[int, int]:
        """How many steps are behind, and how many there are in all."""
        every = self.total + _LAST_STEPS
        if self.stage is Stage.DONE:
            return every, every
        extra = 1 if self.stage is Stage.VERIFY else 0
        return min(self.done + extra, every), every


class Board:
    """The rows in the order the role sets were asked for; a role set nobody announced gets a row too."""

    def __init__(
        self, sets: Iterable[tuple[str, str, int]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """``sets`` are (role set, target, number of roles)."""
        self._clock = clock
        self.started = clock()
        self._rows = {(name, target): Row(name, target, total=total) for name, target, total in sets}

    @property
    def rows(self) -> tuple[Row, ...]:
        return tuple(self._rows.values())

    def row(self, role_set: str, target: str) -> Row:
        return self._rows.setdefault((role_set, target), Row(role_set, target))

    def label(self, role_set: str, target: str) -> str:
        """The role set's name, with the target only where the name alone is not clear."""
        several = sum(row.role_set == role_set for row in self._rows.values()) > 1
        return f"{role_set} ({target})" if several else role_set

    def elapsed(self, row: Row) -> float:
        """Seconds since the row's role set began, frozen when it ended."""
        if row.started is None:
            return 0.0
        return (self._clock() if row.ended is None else row.ended) - row.started

    def in_all(self) -> float:
        return self._clock() - self.started

    def apply(self, event: Event) -> None:
        match event:
            case SetStage():
                self._enter(event)
            case SetTask(task=TaskStarted(task=name)):
                row = self.row(event.role_set, event.target)
                row.task, row.detail, row.trouble = name, "", False
            case SetTask(task=TaskProgress(text=text)):
                self.row(event.role_set, event.target).detail = text
            case SetTask(task=TaskEnded(status=status)):
                self.row(event.role_set, event.target).trouble = status in {"failed", "unreachable"}
            case LayerReady():
                self.row(event.role_set, event.target).layers.append(event)

    def _enter(self, event: SetStage) -> None:
        row = self.row(event.role_set, event.target)
        row.stage, row.role, row.done, row.total = event.stage, event.role, event.done, event.total
        row.task, row.detail, row.trouble = None, "", False
        if row.started is None and event.stage is not Stage.WAITING:
            row.started = self._clock()
        if event.stage in ENDED:
            row.ended = self._clock()
            row.trouble = event.stage is Stage.FAILED
