"""Plain columns that fit the terminal, or are as wide as they need to be in a pipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bakery.cli.output import Paint
from bakery.cli.text import cut, one_line, width

_GAP = "  "
_NARROWEST = 8


@dataclass(frozen=True)
class Column:
    """``elastic`` columns are cut where the terminal is too narrow, the widest first."""

    title: str
    right: bool = False
    elastic: bool = False


class Cell(NamedTuple):
    """A text and the name of a Paint method to show it in."""

    text: str
    style: str = ""


def grid(
    columns: Sequence[Column], rows: Sequence[Sequence[str | Cell]], paint: Paint, *, indent: str = ""
) -> str:
    """The table with its head; empty if there are no rows. A column without any text is left out."""
    if not rows:
        return ""
    cells = [[_cell(value) for value in row] for row in rows]
    used = [i for i in range(len(columns)) if any(row[i].text for row in cells)]
    kept = [columns[i] for i in used]
    cells = [[row[i] for i in used] for row in cells]
    widths = _fit(kept, cells, None if paint.columns is None else paint.columns - len(indent))
    head = [Cell(column.title, "dim") for column in kept]
    return "\n".join(indent + _line(kept, row, widths, paint=paint) for row in [head, *cells])


def _cell(value: str | Cell) -> Cell:
    cell = value if isinstance(value, Cell) else Cell(value)
    return cell._replace(text=one_line(cell.text))


def _fit(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], limit: int | None) -> list[int]:
    widths = [
        max(width(column.title), *(width(row[i].text) for row in rows)) for i, column in enumerate(columns)
    ]
    elastic = [i for i, column in enumerate(columns) if column.elastic]
    while limit is not None and elastic and sum(widths) + len(_GAP) * (len(widths) - 1) > limit:
        widest = max(elastic, key=lambda i: widths[i])
        if widths[widest] <= _NARROWEST:
            break
        widths[widest] -= 1
    return widths


def _line(columns: Sequence[Column], row: Sequence[Cell], widths: Sequence[int], *, paint: Paint) -> str:
    parts = []
    for column, cell, room in zip(columns, row, widths, strict=True):
        text = cut(cell.text, room)
        padding = " " * (room - width(text))
        painted = getattr(paint, cell.style)(text) if cell.style else text
        parts.append(padding + painted if column.right else painted + padding)
    return _GAP.join(parts).rstrip()
