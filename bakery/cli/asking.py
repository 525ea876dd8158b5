"""What becomes of a machine whose role failed: decided by --on-error, or asked on the terminal."""

from __future__ import annotations

import os
import select
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

from bakery.cli.output import say
from bakery.errors import BakeryError
from bakery.model.result import OnError

_QUESTION = (
    "[k]eep what is there for 'bakery shell', [d]iscard it, or open a [s]hell when the bake is over? [K/d/s] "
)


class Asking:
    """Asks one question at a time; a request to stop answers it with discard.

    ``shells`` are the failures for which the user wants a shell.
    """

    def __init__(
        self, paused: Callable[[], AbstractContextManager[None]], cancelled: Callable[[], bool]
    ) -> None:
        self._paused = paused
        self._cancelled = cancelled
        self._guard = threading.Lock()
        self.shells: list[BakeryError] = []

    def __call__(self, error: BakeryError) -> OnError:
        with self._guard, self._paused():
            say(f"{error}\n{_QUESTION}", sys.stderr, end="")
            reply = self._read_reply()
        if reply is None or reply.startswith("d"):
            return OnError.DISCARD
        if reply.startswith("s"):
            self.shells.append(error)
        return OnError.KEEP

    def _read_reply(self) -> str | None:
        """A line of the terminal, or None when somebody asked to stop: threads get no KeyboardInterrupt."""
        fd = sys.stdin.fileno()
        while not self._cancelled():
            if select.select([fd], [], [], 0.2)[0]:
                return os.read(fd, 1024).decode(errors="replace").strip().lower()
        return None


def can_ask() -> bool:
    """Whether there is somebody to ask."""
    return sys.stdin.isatty() and sys.stderr.isatty()
