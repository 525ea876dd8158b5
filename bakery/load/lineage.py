"""Which role sets a role set builds on."""

from __future__ import annotations

from collections.abc import Mapping

from bakery.load.scalar_shapes import Read
from bakery.load.surroundings import Surroundings


def read_lineages(entries: Mapping[str, Read], here: Surroundings) -> dict[str, tuple[str, ...] | None]:
    """Per role set its ancestors, nearest first; None if one is unknown or wrong, or they go in a circle.

    A circle is one mistake, at its first role set in the file.
    """
    known = tuple(entries)
    parents = {
        name: entry.value["from"]
        for name, entry in entries.items()
        if entry.value is not None and "from" in entry.value
    }
    valid = {name for name, parent in parents.items() if here.check_known(parent, known, what="role set")}
    found: dict[str, tuple[str, ...] | None] = {}
    told: set[str] = set()
    for name in entries:
        chain = _chain(name, parents)
        if chain[-1] in chain[:-1]:
            circle = chain[chain.index(chain[-1]) :]
            if told.isdisjoint(circle):
                message = f"role sets build on each other in a circle: {' -> '.join(circle)}"
                here.mistakes.add(parents[circle[0]].line, message, "remove one 'from'")
            told.update(circle)
            found[name] = None
            continue
        whole = all(entries[one].value is not None for one in chain if one in entries)
        whole = whole and all(one in valid for one in chain if one in parents)
        found[name] = tuple(chain[1:]) if whole else None
    return found


def _chain(name: str, parents: Mapping[str, Read]) -> list[str]:
    """``name`` and its ancestors, up to the first that has none or was met before (then it stands twice)."""
    chain = [name]
    while (parent := parents.get(chain[-1])) is not None and parent.value is not None:
        met = parent.value in chain
        chain.append(parent.value)
        if met:
            break
    return chain
