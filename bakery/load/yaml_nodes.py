"""What a YAML text holds, with the line of every key and value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bakery.load.mistakes import quote
from bakery.model.project import VaultText


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value: str, int, float, bool, None or VaultText. ``text`` is how it is written, unquoted."""

    value: Any
    text: str
    line: int
    unsafe: bool = False
    weight: int = field(default=1, init=False)
    height: int = field(default=0, init=False)


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list. ``weight`` counts the values below it, aliases written out; ``height`` the levels."""

    items: tuple[Node, ...]
    line: int
    weight: int = field(init=False)
    height: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", 1 + sum(item.weight for item in self.items))
        object.__setattr__(self, "height", 1 + max((item.height for item in self.items), default=0))


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of a mapping and its value."""

    key: Scalar
    value: Node


@dataclass(frozen=True, slots=True)
class Mapping:
    """Keys and values in the order of the file; no two keys are equal."""

    entries: tuple[Entry, ...]
    line: int
    weight: int = field(init=False)
    height: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", 1 + sum(entry.value.weight for entry in self.entries))
        object.__setattr__(self, "height", 1 + max((entry.value.height for entry in self.entries), default=0))


Node = Scalar | Sequence | Mapping


def plain(node: Node) -> Any:
    """The node as Python values: dict, list, str, int, float, bool, None and VaultText.

    Text that Ansible does not template (``!unsafe``) is ``{"!unsafe": text}``.
    """
    if isinstance(node, Mapping):
        return {entry.key.value: plain(entry.value) for entry in node.entries}
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    return {"!unsafe": node.value} if node.unsafe else node.value


def describe(node: Node) -> str:
    """What stands there, for the end of "…, not "."""
    if not isinstance(node, Scalar):
        return "a mapping" if isinstance(node, Mapping) else "a list"
    if node.value is None:
        return "nothing"
    if isinstance(node.value, VaultText):
        return "a vault value"
    if isinstance(node.value, bool):
        return f"the truth value {node.text}"
    if isinstance(node.value, int | float):
        return f"the number {node.text}"
    return f"the text {quote(node.text)}" if node.text else "an empty text"
