"""Waiting for something to become true, with a deadline and without a fixed time to sleep."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

_Found = TypeVar("_Found")

_PAUSE_S = 0.05


def until(
    look: Callable[[], _Found], *, what: str, timeout_s: float = 60, pause_s: float = _PAUSE_S
) -> _Found:
    """The first true value of ``look()``; AssertionError that names ``what`` if there is none in time."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {timeout_s:g} s")
        time.sleep(pause_s)
