"""Which role sets a role set builds on."""

from __future__ import annotations

from collections.abc import Mapping

from bakery.load.mistakes import quote
from bakery.load.scalar_shapes import Read
from bakery.load.surroundings import Surroundings

# Far more than anybody needs; what a set inherits is written out for each, so time grows with the square.
_LONGEST = 50


def read_lineages(entries: Mapping[str, Read], here: Surroundings) -> dict[str, tuple[str, ...] | None]:
    """Per role set its ancestors, nearest first; None if one is unknown or wrong, or they have no end.

    A circle is one mistake, at the first of its role sets that is met.
    """
    known = tuple(entries)
    parents = {
        name: entry.value["from"]
        for name, entry in entries.items()
        if entry.value is not None and "from" in entry.value
    }
    right = {name for name, parent in parents.items() if here.check_known(parent, known, what="role set")}
    right |= {name for name, entry in entries.items() if entry.value is not None and name not in parents}
    found: dict[str, tuple[str, ...] | None] = {}
    told: set[str] = set()
    for name in entries:
        chain = _chain(name, parents)
        endless = _endless(chain)
        if endless and told.isdisjoint(chain):
            # The last stands twice in a circle, and its own 'from' is part of it.
            first = chain[-1] if chain[-1] in chain[:-1] else name
            here.mistakes.add(parents[first].line, *endless)
        if endless:
            told.update(chain)
        found[name] = None if endless or not right.issuperset(chain) else tuple(chain[1:])
    return found


def _chain(name: str, parents: Mapping[str, Read]) -> list[str]:
    """``name`` and its ancestors, up to the first that has none, stands twice or is too far."""
    chain = [name]
    while len(chain) <= _LONGEST and chain[-1] not in chain[:-1]:
        parent = parents.get(chain[-1])
        if parent is None or parent.value is None:
            break
        chain.append(parent.value)
    return chain


def _endless(chain: list[str]) -> tuple[str, str] | None:
    """Message and hint about a chain that is a circle or too long."""
    if chain[-1] in chain[:-1]:
        circle = " -> ".join(chain[chain.index(chain[-1]) :])
        return f"role sets build on each other in a circle: {circle}", "remove one 'from'"
    if len(chain) > _LONGEST:
        return f"role set {quote(chain[0])} builds on more than {_LONGEST} others", "build on fewer"
    return None
