# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What sealing is told, and what it tells that it did."""

from __future__ import annotations

from dataclasses import dataclass, field

_MOST_TOLD = 1000


@dataclass(frozen=True)
class SealedEntry:
    """What sealing did to a path, and why: ``removed``, ``emptied``, ``cut back`` to what the base has there,
    or ``hidden`` with what the base has there.
    """

    path: str
    what: str
    reason: str


@dataclass
class Sealed:
    """What sealing did: entries taken away (the first of them told, ``more`` are not), times cut, and
    sentences about what cannot be repeated.
    """

    removed: int = 0
    clamped: int = 0
    entries: list[SealedEntry] = field(default_factory=list)
    more: int = 0
    notes: list[str] = field(default_factory=list)

    def tell(self, path: str, what: str, *, reason: str) -> None:
        """Count what was done to a path; the first are told one by one."""
        self.removed += 1
        if len(self.entries) < _MOST_TOLD:
            self.entries.append(SealedEntry(path, what, reason))
        else:
            self.more += 1

    def to_record(self) -> dict[str, object]:
        """As a layer's record has it: ``{entries: [{path, what, reason}…], more}``."""
        told = [{"path": one.path, "what": one.what, "reason": one.reason} for one in self.entries]
        return {"entries": told, "more": self.more}


@dataclass(frozen=True)
class Sealing:
    """What to seal by: no time is after ``epoch`` (s); ``stubs`` are paths that the engine's mounts left and
    that go as long as they are empty; nothing is taken away that is in ``keep``, paths relative to the root.
    """

    epoch: int
    stubs: frozenset[str] = frozenset()
    keep: tuple[str, ...] = ()

    def keeps(self, path: str) -> bool:
        """Whether the path is to be left as it is."""
        return any(path == kept or path.startswith(kept + "/") for kept in self.keep)

    def keeps_something_in(self, path: str) -> bool:
        """Whether something in the directory is to be left as it is."""
        return any(kept.startswith(path + "/") for kept in self.keep)
