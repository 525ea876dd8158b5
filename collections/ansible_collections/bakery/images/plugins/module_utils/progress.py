# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a long step is, told while it lasts, where somebody listens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

_listeners: list[Callable[[str], None]] = []
# Steps may wait in several threads.
_telling = Lock()


class Teller:
    """Tells what changes, such as a percentage, and says nothing twice."""

    def __init__(self) -> None:
        self._last = ""

    def tell(self, text: str) -> None:
        """One line that says how far it is."""
        if text == self._last:
            return
        self._last = text
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
