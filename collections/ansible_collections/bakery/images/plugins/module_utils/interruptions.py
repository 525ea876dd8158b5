# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time to tidy up when a process is told to end, where ending at once would leave something in the cloud."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(BaseException):
    """The process was told to end, by the signal ``number``."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Interruptions:
    """Signals that end a process become ``Interrupted`` where the work can bear it; see ``noticed``."""

    def __init__(self) -> None:
        self._asked: int | None = None
        self._held = False

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let what must not be torn apart finish; ``Interrupted`` comes after it."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        if self._asked is not None:
            raise Interrupted(self._asked)

    def handle(self, number: int, _frame: FrameType | None) -> None:
        """The handler of the signals. The first one counts, later ones must not disturb the tidying up."""
        if self._asked is not None:
            return
        self._asked = number
        if not self._held:
            raise Interrupted(number)


@contextmanager
def noticed() -> Iterator[Interruptions]:
    """Have the signals that end this process raise ``Interrupted`` inside, once; then it ends by them.

    In a thread that is not the process's first one signals are nobody's but the first one's.
    """
    interruptions = Interruptions()
    if threading.current_thread() is not threading.main_thread():
        yield interruptions
        return
    before = {number: signal.signal(number, interruptions.handle) for number in _SIGNALS}
    try:
        yield interruptions
    except Interrupted as interrupted:
        _restore(before)
        os.kill(os.getpid(), interrupted.number)
        raise
    finally:
        _restore(before)


def _restore(before: dict[signal.Signals, object]) -> None:
    for number, handler in before.items():
        signal.signal(number, handler)  # type: ignore[arg-type]
