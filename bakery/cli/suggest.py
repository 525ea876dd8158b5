"""Which known name somebody probably meant."""

from __future__ import annotations

from collections.abc import Iterable


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name nearest to ``name``; None if even that is another word.

    Near is a third of the longer word's length in insertions, deletions, substitutions and swapped
    neighbours; a beginning of at least three letters also counts.
    """
    wanted = name.lower()
    ranked = sorted((_distance(wanted, candidate.lower()), candidate) for candidate in known)
    for distance, candidate in ranked[:1]:
        if distance <= max(1, max(len(candidate), len(wanted)) // 3):
            return candidate
    beginnings = [candidate for _, candidate in ranked if candidate.lower().startswith(wanted)]
    return beginnings[0] if beginnings and len(wanted) >= 3 else None


def _distance(left: str, right: str) -> int:
    """Optimal string alignment distance."""
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, start=1):
        older, before, row = before, row, [i]
        for j, b in enumerate(right, start=1):
            best = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                best = min(best, older[j - 2] + 1)
            row.append(best)
    return row[-1]
