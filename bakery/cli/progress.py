"""Progress on a terminal: a row per role set and a bar over everything, gone when the bake is over."""

from __future__ import annotations

import threading
from collections import deque
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Column, Table
from rich.text import Text

from bakery.cli.board import ENDED, Board, Row
from bakery.cli.plain import line_of
from bakery.cli.text import clock, one_line, plural
from bakery.model.progress import Event, Note, SetTask, Stage, Warned

_REFRESHES_PER_SECOND = 8
_WORDS = {
    Stage.WAITING: "waiting",
    Stage.BASE: "making the base",
    Stage.CAPTURE: "capturing",
    Stage.VERIFY: "checking",
    Stage.DONE: "done",
    Stage.FAILED: "failed",
}


class LiveProgress:
    """A board that redraws itself. Only its own thread writes: a slow terminal does not hold up the bake."""

    def __init__(self, board: Board, stream: TextIO, *, colour: bool, verbosity: int = 0) -> None:
        self._board = board
        self._verbosity = verbosity
        self._console = Console(file=stream, no_color=not colour, highlight=False, soft_wrap=False)
        self._guard = threading.Lock()
        self._lines: deque[str] = deque()
        self._spinner = Spinner("dots", style="cyan")
        self._live = Live(
            console=self._console,
            auto_refresh=False,
            transient=True,
            get_renderable=self._render,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._stop = threading.Event()
        self._drawer: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.resume()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.pause()

    def __call__(self, event: Event) -> None:
        with self._guard:
            self._board.apply(event)
            if isinstance(event, Note | SetTask | Warned):
                line = line_of(self._board, event, self._verbosity - 1)
                if line:
                    self._lines.append(line)

    def pause(self) -> None:
        """Clear the rows, for a question or for good."""
        if self._drawer:
            self._stop.set()
            self._drawer.join()
            self._drawer = None

    def resume(self) -> None:
        self._stop.clear()
        self._drawer = threading.Thread(target=self._draw, name="progress", daemon=True)
        self._drawer.start()

    def _draw(self) -> None:
        with self._live:
            while True:
                stopping = self._stop.wait(1 / _REFRESHES_PER_SECOND)
                self._print_lines()
                if stopping:
                    return
                self._live.refresh()

    def _print_lines(self) -> None:
        while self._lines:
            self._console.print(Text(self._lines.popleft(), style="dim"))

    def _render(self) -> RenderableType:
        with self._guard:
            return _picture(self._board, self._spinner, self._console.size.height - 3)


def _picture(board: Board, spinner: Spinner, room: int) -> RenderableType:
    rows, hidden = _most_telling(board.rows, max(room, 1))
    table = Table.grid(
        Column(width=1),
        Column(no_wrap=True, max_width=20),
        Column(no_wrap=True, justify="right"),
        Column(no_wrap=True, max_width=18),
        Column(no_wrap=True, ratio=1, overflow="ellipsis"),
        Column(no_wrap=True, justify="right"),
        padding=(0, 1),
        expand=True,
    )
    for row in rows:
        table.add_row(*_cells(board, row, spinner))
    more = [Text(f"  and {plural(hidden, 'role set')} more", style="dim")] if hidden else []
    return Group(table, *more, _bar(board))


def _most_telling(rows: tuple[Row, ...], room: int) -> tuple[tuple[Row, ...], int]:
    """The rows that fit, in their order: those at work first, then the waiting, then the done."""
    if len(rows) <= room:
        return rows, 0
    rank = {Stage.DONE: 2, Stage.FAILED: 2, Stage.WAITING: 1}
    chosen = sorted(range(len(rows)), key=lambda i: (rank.get(rows[i].stage, 0), i))[: max(room - 1, 1)]
    return tuple(rows[i] for i in sorted(chosen)), len(rows) - len(chosen)


def _cells(board: Board, row: Row, spinner: Spinner) -> tuple[RenderableType, ...]:
    name = one_line(board.label(row.role_set, row.target))
    count = f"{min(row.done + (row.stage is Stage.ROLE), row.total)}/{row.total}" if row.total else ""
    if row.stage is Stage.ROLE:
        what, task = Text(one_line(row.role or ""), style="cyan"), _task(row)
    else:
        # The one task of a base's making says no more than the stage does.
        task = "" if row.stage is Stage.BASE else _task(row)
        what = Text(_WORDS[row.stage], style="dim")
    elapsed = clock(board.elapsed(row)) if row.started is not None else ""
    style = "red" if row.trouble else ""
    return (
        _mark(row, spinner),
        Text(name, style="bold"),
        Text(count, style="dim"),
        what,
        Text(one_line(task), style=style, overflow="ellipsis"),
        Text(elapsed, style="dim"),
    )


def _task(row: Row) -> str:
    """The task, or what it says of itself: that is more."""
    return row.detail or row.task or ""


def _mark(row: Row, spinner: Spinner) -> RenderableType:
    if row.stage is Stage.DONE:
        return Text("✓", style="green")
    if row.trouble:
        return Text("✗", style="red")
    return Text("·", style="dim") if row.stage is Stage.WAITING else spinner


def _bar(board: Board) -> RenderableType:
    steps = [row.steps for row in board.rows]
    done, every = sum(step[0] for step in steps), sum(step[1] for step in steps)
    finished = sum(row.stage in ENDED for row in board.rows)
    table = Table.grid(
        Column(ratio=1), Column(no_wrap=True), Column(no_wrap=True), padding=(0, 1), expand=True
    )
    said = (
        f"{finished} of {plural(len(board.rows), 'role set')}"
        if len(board.rows) > 1
        else f"{done} of {every} steps"
    )
    bar = ProgressBar(total=max(every, 1), completed=done, complete_style="cyan", finished_style="green")
    table.add_row(bar, Text(said, style="dim"), Text(clock(board.in_all()), style="dim"))
    return table
