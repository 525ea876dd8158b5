"""The timings as one SVG: a group of horizontal bars for each task, on one logarithmic scale."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape

from bench.peers.names import BAKERY
from bench.table import by_task, seconds
from bench.timing import Timing

_WIDTH, _LEFT, _RIGHT = 860, 250, 90
_BAR, _GAP, _HEAD, _TOP, _FOOT = 16, 5, 34, 64, 44
_TICKS = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0, 10000.0)
# Readable on light and dark pages alike: the picture has a ground of its own.
_COLOURS: Mapping[str, str] = {
    "ground": "#ffffff", "text": "#1f2328", "quiet": "#59636e", "line": "#d9dee3", "bakery": "#b3541e",
    "part": "#dba27f", "peer": "#8b98a5", "failed": "#a40e26",
}  # fmt: skip


def draw(timings: tuple[Timing, ...], *, title: str, caption: str) -> str:
    """The SVG document; tasks in the order given, who failed with the reason in place of a bar."""
    tasks = by_task(timings)
    rows = sum(len(group) for group in tasks.values())
    height = _TOP + len(tasks) * _HEAD + rows * (_BAR + _GAP) + _FOOT
    scale = Scale.fitting(timings)
    parts = [_text(16, 28, title, font_size="17", font_weight="600"), _text(16, 48, caption, colour="quiet")]
    parts += scale.grid(_TOP, height - _FOOT)
    y = _TOP
    for task, group in tasks.items():
        parts.append(_text(16, y + 24, task, font_size="13", font_weight="600"))
        y += _HEAD
        for timing in group:
            parts += _row(timing, scale, y)
            y += _BAR + _GAP
    label = "median of seconds, logarithmic: less is better"
    parts.append(_text(_LEFT, height - 10, label, colour="quiet"))
    body = "\n".join(f"  {part}" for part in parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        f'viewBox="0 0 {_WIDTH} {height}" role="img" font-family="system-ui, sans-serif">\n'
        f"  <title>{escape(title)}</title>\n"
        f'  <rect width="{_WIDTH}" height="{height}" fill="{_COLOURS["ground"]}"/>\n{body}\n</svg>\n'
    )


class Scale:
    """Seconds to pixels, from one power of ten to another."""

    def __init__(self, lowest: float, highest: float) -> None:
        self.low, self.high = math.floor(math.log10(lowest)), math.ceil(math.log10(highest))
        self.high = max(self.high, self.low + 1)

    @classmethod
    def fitting(cls, timings: tuple[Timing, ...]) -> Scale:
        medians = [one.median for one in timings if one.median]
        return cls(min(medians, default=0.1), max(medians, default=10.0))

    def x(self, value: float) -> float:
        position = (math.log10(max(value, 10.0**self.low)) - self.low) / (self.high - self.low)
        return _LEFT + position * (_WIDTH - _LEFT - _RIGHT)

    def grid(self, top: int, bottom: int) -> list[str]:
        parts = []
        for tick in _TICKS:
            if self.low <= round(math.log10(tick)) <= self.high:
                x = f"{self.x(tick):.1f}"
                parts.append(
                    f'<line x1="{x}" y1="{top}" x2="{x}" y2="{bottom}" stroke="{_COLOURS["line"]}"/>'
                )
                parts.append(
                    _text(float(x), bottom + 16, f"{tick:g} s", colour="quiet", text_anchor="middle")
                )
        return parts


def _row(timing: Timing, scale: Scale, y: int) -> list[str]:
    middle = y + _BAR - 4
    colour = "bakery" if timing.who == BAKERY else "part" if timing.who.startswith(BAKERY) else "peer"
    weight = "600" if timing.who == BAKERY else "400"
    parts = [_text(_LEFT - 8, middle, timing.who, text_anchor="end", font_weight=weight)]
    if timing.failure or timing.median is None:
        why = timing.failure or "not measured"
        short = why if len(why) <= 78 else f"{why[:77]}…"
        return [*parts, _text(_LEFT + 4, middle, short, colour="failed")]
    end = scale.x(timing.median)
    parts.append(
        f'<rect x="{_LEFT}" y="{y}" width="{max(end - _LEFT, 2):.1f}" height="{_BAR}" rx="2" '
        f'fill="{_COLOURS[colour]}"/>'
    )
    return [*parts, _text(max(end, _LEFT + 2) + 6, middle, seconds(timing.median), font_weight=weight)]


def _text(x: float, y: float, words: str, **look: str) -> str:
    """``look`` may name a colour and set attributes of the element text (SVG 2, chapter 11)."""
    fill = _COLOURS[look.pop("colour", "text")]
    attributes = {"font-size": "12", "fill": fill}
    attributes |= {name.replace("_", "-"): value for name, value in look.items()}
    shown = " ".join(f'{name}="{value}"' for name, value in attributes.items())
    return f'<text x="{x:.1f}" y="{y}" {shown}>{escape(words)}</text>'
