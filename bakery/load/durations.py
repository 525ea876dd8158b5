"""Durations as people write them: ``30s``, ``1h30m``, ``7d``."""

from __future__ import annotations

import re

_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_PART = re.compile(r"([0-9]+)(ms|s|m|h|d|w)")


def duration_pattern(units: tuple[str, ...], *, zero: bool = False) -> str:
    """The JSON Schema pattern of a duration in some units, more than nothing unless ``zero``."""
    part = f"[1-9][0-9]{{0,5}}({'|'.join(units)})"
    return f"^(0s|({part})+)$" if zero else f"^({part})+$"


def parse_seconds(text: str) -> float:
    """The seconds of a text that matches a ``duration_pattern``."""
    return sum(int(number) * _SECONDS[unit] for number, unit in _PART.findall(text))


def engine_duration(text: str) -> str:
    """The same duration in one unit that every engine knows: ``90s`` or ``1500ms``."""
    milliseconds = round(parse_seconds(text) * 1000)
    return f"{milliseconds // 1000}s" if milliseconds % 1000 == 0 else f"{milliseconds}ms"
