"""A stopped machine for the tests of sealing: an upper directory over one lower tree."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.bakery.images.plugins.module_utils.sealed import Sealed, Sealing
from ansible_collections.bakery.images.plugins.module_utils.sealing import seal
from ansible_collections.bakery.images.plugins.module_utils.stacked_tree import is_whiteout

EPOCH = 1_700_000_000
LATER = EPOCH + 500_000


@dataclass(frozen=True)
class Bake:
    """A stopped machine: its upper directory over one lower tree."""

    upper: Path
    lower: Path

    def write(self, path: str, content: str = "x", *, lower: bool = False) -> Path:
        file = (self.lower if lower else self.upper) / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        os.utime(file, (LATER, LATER))
        return file

    def seal(self, *, stubs: tuple[str, ...] = (), keep: tuple[str, ...] = ()) -> Sealed:
        by = Sealing(EPOCH, frozenset(stubs), keep)
        return seal(str(self.upper), lowers=[str(self.lower)], by=by)

    def left(self) -> list[str]:
        return sorted(
            str(path.relative_to(self.upper)) for path in self.upper.rglob("*") if not path.is_dir()
        )

    def told(self, *, keep: tuple[str, ...] = ()) -> dict[str, str]:
        """Seal; what was done to which path."""
        return {entry.path: entry.what for entry in self.seal(keep=keep).entries}

    def hides(self, path: str) -> bool:
        """Whether a whiteout hides what the lower tree has there."""
        status = (self.upper / path).lstat()
        return is_whiteout(status)


def whiteout(path: Path) -> None:
    """Delete what a lower tree has at the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mknod(path, 0o020000, os.makedev(0, 0))


def bytecode(flags: int, time: int) -> bytes:
    """The header of compiled Python (PEP 552)."""
    return b"\x00" * 4 + flags.to_bytes(4, "little") + time.to_bytes(4, "little") + b"\x00" * 4
