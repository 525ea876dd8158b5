# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a long step is, told while it lasts, where somebody listens."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

_listeners: list[Callable[[str], None]] = []
# Steps may wait in several threads.
_telling = Lock()


# Whoever listens may take a silence of half an hour for the end.
_AGAIN_S = 300.0


class Teller:
    """Tells what changes, such as a percentage, and what does not, now and then, as a sign of life."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last, self._told_at = "", 0.0

    def tell(self, text: str) -> None:
        """One line that says how far it is."""
        now = self._clock()
        if text == self._last and now - self._told_at < _AGAIN_S:
            return
        self._last, self._told_at = text, now
        with _telling:
            for listener in _listeners:
                listener(text)


@contextmanager
def listening(listener: Callable[[str], None]) -> Iterator[None]:
    """Have ``listener`` be told meanwhile."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
