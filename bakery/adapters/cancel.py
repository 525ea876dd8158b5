"""Ctrl-C and SIGTERM: the first asks everything to stop and be cleaned up, the second does not wait."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

from bakery.errors import ExitCode

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class SignalCancel:
    """``ports.Cancel`` as a context manager for the main thread; the old handlers come back at the end.

    ``on_first`` is called once, from the signal handler, when the first signal arrives, ``on_second`` before
    the second one ends this process. Outside the main thread no handler is set and ``request`` is the only
    way to ask.
    """

    def __init__(
        self, on_first: Callable[[], None] | None = None, on_second: Callable[[], None] | None = None
    ) -> None:
        # A plain flag: taking a lock (threading.Event has one) in a signal handler may wait for ever.
        self._asked = False
        self._on_first = on_first
        self._on_second = on_second
        self._old: dict[signal.Signals, Any] = {}

    def requested(self) -> bool:
        return self._asked

    def request(self) -> None:
        """Ask to stop, as the first signal does."""
        self._asked = True

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._old = {number: signal.signal(number, self._handle) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._old.items():
            # None: it was not set from Python, so Python cannot set it again.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._old = {}

    def _handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002  # signal's signature
        if self._asked:
            try:
                if self._on_second:
                    self._on_second()
            finally:
                os._exit(ExitCode.INTERRUPTED)
        self._asked = True
        if self._on_first:
            self._on_first()
