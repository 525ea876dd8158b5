"""Collects the mistakes of one reading, so that the user sees all of them at once."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from bakery.errors import BakeryError, InputError, InputErrors, Place

# Whoever made more mistakes than this in one file did not mean to write this file.
MOST_SHOWN = 50
_LONGEST_QUOTE = 60


class Mistakes:
    """The mistakes found in one file so far. ``file`` is what users see in front of the line number."""

    def __init__(self, file: str) -> None:
        self.file = file
        self._found: list[InputError] = []
        self._more = 0

    def __len__(self) -> int:
        return len(self._found) + self._more

    def place(self, line: int | None) -> Place:
        """Where ``line`` of this file is."""
        return Place(self.file, line)

    def add(self, line: int | None, message: str, hint: str | None = None) -> None:
        """Remember one mistake; the same one in the same place counts once."""
        if len(self._found) >= MOST_SHOWN:
            self._more += 1
            return
        error = InputError(message, where=self.place(line), hint=hint)
        if all(str(error) != str(known) for known in self._found):
            self._found.append(error)

    def add_unknown(
        self, line: int | None, message: str, *, name: str, known: Iterable[str], hint: str
    ) -> str | None:
        """Remember that ``name`` is unknown: the next step is the known name nearest to it, or ``hint``.

        Returns the nearest name; None too where there are so many mistakes that this one is not shown.
        """
        if len(self._found) >= MOST_SHOWN:
            self._more += 1
            return None
        near = nearest(name, known)
        self.add(line, message, f"did you mean {quote(near)}?" if near else hint)
        return near

    def refuse(self) -> None:
        """Raise InputErrors, in the order of the file, if there was any mistake."""
        if not self._found:
            return
        ordered: list[BakeryError] = sorted(self._found, key=_line)
        if self._more:
            ordered.append(InputError(f"{self._more} more mistakes are not shown", where=self.place(None)))
        raise InputErrors(tuple(ordered))


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that ``name`` was most likely meant to be, or None."""
    # A correct file pays nothing for this import.
    from difflib import get_close_matches

    by_lower = {candidate.lower(): candidate for candidate in known}
    found = get_close_matches(name[:_LONGEST_QUOTE].lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else None


def quote(text: str) -> str:
    """``text`` in quotes, fit for one line of a terminal: shortened, control characters escaped."""
    return f"'{printable(text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + '…')}'"


def printable(text: str) -> str:
    """``text`` with everything escaped that would disturb a terminal or cannot be encoded."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text
    )


def listing(names: Iterable[str], nothing: str = "none") -> str:
    """Names for the end of a hint: a few of them, the rest counted."""
    all_names = list(names)
    if not all_names:
        return nothing
    shown = ", ".join(printable(name) for name in all_names[:8])
    return f"{shown} and {len(all_names) - 8} more" if len(all_names) > 8 else shown


def shown_path(path: Path) -> str:
    """``path`` as users see it: relative to the working directory if it lies below it."""
    try:
        below = path.is_relative_to(Path.cwd())
    except FileNotFoundError:  # the working directory was removed
        below = False
    return printable(os.path.relpath(path) if below else str(path))


def _line(error: BakeryError) -> int:
    return (error.where.line if error.where else None) or 0
