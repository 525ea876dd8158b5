"""Progress as lines, for pipes, logs and CI: what began, what each role came to, what failed."""

from __future__ import annotations

import queue
import threading
from typing import Self, TextIO

from bakery.cli.board import Board
from bakery.cli.text import one_line, seconds, size
from bakery.model.progress import Event, LayerReady, Note, SetStage, SetTask, Stage, Warned
from bakery.model.run import TaskEnded, TaskProgress

_STAGES = {
    Stage.BASE: "making the base",
    Stage.CAPTURE: "capturing the image",
    Stage.VERIFY: "booting the image and running its checks",
    Stage.DONE: "done",
    Stage.FAILED: "failed",
}
_BAD = {"failed", "unreachable"}


def line_of(board: Board, event: Event, verbosity: int = 0) -> str | None:
    """The line that tells an event, or None if it is not worth one; from ``verbosity`` 1 on tasks are."""
    match event:
        case Note(role_set=None, text=text):
            return one_line(text)
        case Note(role_set=name, text=text):
            return f"{name}: {one_line(text)}"
        case Warned(role_set=None, text=text):
            return f"warning: {one_line(text)}"
        case Warned():  # the answer ends with them
            return None
        case SetStage():
            said = _stage(event)
        case LayerReady():
            how = "cached" if event.cached else f"baked in {seconds(event.seconds)}"
            said = f"{event.role} {how}, {size(event.size)}"
        case SetTask(task=TaskEnded() as task):
            said = _task(task, verbosity)
        case SetTask(task=TaskProgress(text=text)):
            said = one_line(text) if verbosity >= 0 else None
        case _:
            said = None
    return f"{board.label(event.role_set, event.target)}: {said}" if said else None


def _stage(event: SetStage) -> str | None:
    if event.stage is Stage.ROLE:
        return f"{event.role} ({event.done + 1} of {event.total})"
    return _STAGES.get(event.stage)


def _task(task: TaskEnded, verbosity: int) -> str | None:
    name = one_line(f"{task.role} : {task.task}" if task.role else task.task)
    if task.status in _BAD:
        return f"task '{name}' {task.status} after {seconds(task.seconds)}"
    return f"{task.status:8} {name} ({seconds(task.seconds)})" if verbosity > 0 else None


class PlainProgress:
    """Writes lines from a thread of its own: whoever reads the stream slowly does not hold up the bake."""

    def __init__(self, board: Board, stream: TextIO, *, verbosity: int = 0) -> None:
        self._board = board
        self._stream = stream
        self._verbosity = verbosity
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._guard = threading.Lock()
        self._writer = threading.Thread(target=self._write, name="progress", daemon=True)

    def __enter__(self) -> Self:
        self._writer.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Everything that was told is written when this returns."""
        self._lines.put(None)
        self._writer.join()

    def __call__(self, event: Event) -> None:
        with self._guard:
            self._board.apply(event)
            line = line_of(self._board, event, self._verbosity)
            if line:
                self._lines.put(line)

    def _write(self) -> None:
        broken = False
        while (line := self._lines.get()) is not None:
            if broken:
                continue
            try:
                self._stream.write(line + "\n")
                self._stream.flush()
            except (OSError, ValueError):
                broken = True  # the reader went away; the bake goes on, its result is in the catalog
