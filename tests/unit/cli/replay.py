"""The events of a bake of two role sets, as flows send them."""

from __future__ import annotations

from collections.abc import Iterator

from bakery.model.progress import Event, LayerReady, Note, SetStage, SetTask, Stage
from bakery.model.run import TaskEnded, TaskStarted

SETS = (("web", "container", 2), ("db", "container", 2))


def task(role_set: str, role: str, name: str, status: str) -> Iterator[Event]:
    yield SetTask(role_set, "container", TaskStarted("play", role, name, 1))
    yield SetTask(role_set, "container", TaskEnded("play", role, name, status, 1.25))


def bake_with_a_failure() -> Iterator[Event]:
    """``web`` is baked with a cached first role; the second role of ``db`` fails."""
    for name in ("web", "db"):
        yield SetStage(name, "container", Stage.BASE, None, 0, 2)
        yield SetStage(name, "container", Stage.ROLE, "common", 0, 2)
        yield LayerReady(name, "container", "common", True, 12.3, 12_345_678)
    yield SetStage("web", "container", Stage.ROLE, "nginx", 1, 2)
    yield SetStage("db", "container", Stage.ROLE, "postgresql", 1, 2)
    yield Note("db", "role 'postgresql' is being baked by another bake: waiting for it")
    yield from task("web", "nginx", "Install nginx", "changed")
    yield from task("db", "postgresql", "Start the \x1b[31mserver", "failed")
    yield LayerReady("web", "container", "nginx", False, 8.04, 3_345_678)
    yield SetStage("web", "container", Stage.CAPTURE, None, 2, 2)
    yield SetStage("web", "container", Stage.VERIFY, None, 2, 2)
    yield SetStage("web", "container", Stage.DONE, None, 2, 2)
