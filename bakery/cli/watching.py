"""Which kind of progress an invocation gets, and how a question interrupts it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

from bakery.cli.board import Board
from bakery.cli.output import paint_for
from bakery.cli.plain import PlainProgress
from bakery.cli.session import Session
from bakery.model.progress import Event
from bakery.ports import Watch

if TYPE_CHECKING:
    from bakery.cli.progress import LiveProgress


class Watching:
    """A running display: ``watch`` takes the events, ``paused()`` clears the screen for a question."""

    def __init__(self, watch: Watch, live: LiveProgress | None = None) -> None:
        self.watch = watch
        self._live = live

    @contextmanager
    def paused(self) -> Iterator[None]:
        if self._live:
            self._live.pause()
        try:
            yield
        finally:
            if self._live:
                self._live.resume()


@contextmanager
def watching(session: Session, sets: Iterable[tuple[str, str, int]]) -> Iterator[Watching]:
    """Show the progress of ``sets`` (role set, target, number of roles) while the block runs.

    Rows that move on a terminal; lines in a pipe, in CI (the variable CI is set) and on a dumb terminal. With
    --json lines on stderr, as stdout belongs to the document; nothing with --quiet.
    """
    board = Board(sets)
    if session.quiet:
        yield Watching(_ignore)
    elif _can_move(session):
        from bakery.cli.progress import LiveProgress  # rich is slow to import

        colour = paint_for(sys.stdout, session).on
        with LiveProgress(board, sys.stdout, colour=colour, verbosity=session.verbosity) as live:
            yield Watching(live, live)
    else:
        stream = sys.stderr if session.json else sys.stdout
        with PlainProgress(board, stream, verbosity=session.verbosity) as plain:
            yield Watching(plain)


def quietly() -> AbstractContextManager[Watching]:
    """A display that shows nothing."""
    return nullcontext(Watching(_ignore))


def _can_move(session: Session) -> bool:
    dull = os.environ.get("CI") or os.environ.get("TERM") in {None, "", "dumb"}
    return not session.json and sys.stdout.isatty() and not dull


def _ignore(_: Event) -> None:
    pass
