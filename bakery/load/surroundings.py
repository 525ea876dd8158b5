"""Where a project file stands, and what stands around it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from bakery.load.mistakes import Mistakes, listing, printable, quote
from bakery.load.on_disk import is_there
from bakery.load.scalar_shapes import Read


@dataclass(frozen=True)
class Surroundings:
    """The directory that relative paths start from, and the mistakes of the file found so far."""

    root: Path
    mistakes: Mistakes

    def path(self, text: str) -> Path:
        """The absolute path that ``text`` means in the file; links are not resolved."""
        # Not Path.expanduser: that raises for a user who does not exist.
        return Path(os.path.normpath(self.root / os.path.expanduser(text)))  # noqa: PTH111

    def existing(self, read: Read, *, what: str) -> Path | None:
        """The path that was read, or None and a mistake if nothing is there. ``what`` begins the sentence."""
        if read.value is None:
            return None
        path = self.path(read.value)
        if is_there(path):
            return path
        message = f"{what} {quote(read.value)} does not exist"
        hint = f"it is looked for at {printable(str(path))}"
        self.mistakes.add_unknown(read.line, message, name=path.name, known=_siblings(path), hint=hint)
        return None

    def all_existing(self, read: Read | None, *, what: str) -> tuple[Path, ...]:
        """The paths of a list that was read; absent or wrong ones are left out."""
        items = read.value or () if read else ()
        return tuple(path for item in items if (path := self.existing(item, what=what)))

    def check_known(self, read: Read, known: tuple[str, ...] | None, *, what: str) -> bool:
        """Whether the name that was read is known; a mistake otherwise. ``what`` is the kind of thing.

        ``known`` is None if the place that defines the names is wrong itself: any name may be right then.
        """
        if read.value is None or known is None or read.value in known:
            return read.value is not None
        self.mistakes.add_unknown(
            read.line,
            f"there is no {what} {quote(read.value)}",
            name=read.value,
            known=known,
            hint=f"there are: {listing(known)}",
        )
        return False


def _siblings(path: Path) -> list[str]:
    try:
        return os.listdir(path.parent)  # noqa: PTH208
    except (OSError, ValueError):
        return []
