"""What a long operation tells whoever watches it. The watcher decides how it looks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from bakery.model.run import TaskEnded, TaskProgress, TaskStarted


class Stage(Enum):
    """Where a role set is; the values are shown to people."""

    WAITING = "waiting"
    BASE = "base"
    ROLE = "role"
    CAPTURE = "capture"
    VERIFY = "verify"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True)
class SetStage:
    """A role set on a target entered a stage; ``role`` is set in ``Stage.ROLE``, ``done`` of ``total`` roles
    are behind it.
    """

    role_set: str
    target: str
    stage: Stage
    role: str | None
    done: int
    total: int


@dataclass(frozen=True)
class SetTask:
    """A task began, went on or ended for a role set (for each set that shares the node)."""

    role_set: str
    target: str
    task: TaskStarted | TaskProgress | TaskEnded


@dataclass(frozen=True)
class LayerReady:
    """A layer of a role set is there, from the cache or just baked."""

    role_set: str
    target: str
    role: str
    cached: bool
    seconds: float
    size: int


@dataclass(frozen=True)
class Note:
    """A sentence for the user, such as that another bake is waited for."""

    role_set: str | None
    text: str


@dataclass(frozen=True)
class Warned:
    """A run warned of something while it worked for a role set on a target, or for none."""

    role_set: str | None
    target: str
    text: str


Event = SetStage | SetTask | LayerReady | Note | Warned
