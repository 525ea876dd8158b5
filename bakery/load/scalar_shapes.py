"""The shapes of single values. Each reads nodes and describes itself as JSON Schema, so both always agree.

JSON Schema is draft 7, the newest that the YAML language server implements in full.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from bakery.load.mistakes import Mistakes, nearest, quote
from bakery.load.yaml_nodes import Node, Scalar, describe

# Patterns are in the dialect that ECMA 262 and Python share; ``$`` means the very end.
TEXT = "^[^\\u0000]+$"
# Names become names of files, tags and labels, with something before or after them.
LONGEST_NAME = 100
ANY_TEXT = "^[^\\u0000]*$"


def matcher(pattern: str) -> Callable[[str], object]:
    """Whether a text matches a JSON Schema pattern (in Python ``$`` would allow a final line feed)."""
    return re.compile(pattern.removesuffix("$") + r"\Z").match


@dataclass(frozen=True, slots=True)
class Spot:
    """What is being read: its path in the file (``role_sets.web.image``) and line."""

    path: str
    line: int

    def key(self, name: str, line: int) -> Spot:
        """The value of a key below."""
        shown = name if re.fullmatch(r"[\w.-]{1,60}", name) else quote(name)
        return Spot(f"{self.path}.{shown}" if self.path else shown, line)

    def item(self, number: int, line: int) -> Spot:
        """An item of the list, counted from 0 as in JSON paths."""
        return Spot(f"{self.path}[{number}]", line)


@dataclass(frozen=True, slots=True)
class Read:
    """A value that was read, with its line: for the value of a key, the line of the key.

    ``value`` is None if it was wrong; the mistake is then already known. Lists are tuples of Read, mappings
    dicts of Read.
    """

    value: Any
    line: int


class Shape(Protocol):
    """What a value must look like."""

    @property
    def example(self) -> str:
        """A right value, as it is written in the file."""
        ...

    def read(self, node: Node, spot: Spot, *, mistakes: Mistakes) -> Read:
        """The value of ``node``, or a Read of None and at least one mistake."""
        ...

    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema."""
        ...


def _wrong(shape: Text | Integer | Boolean | Choice, node: Node, spot: Spot, *, mistakes: Mistakes) -> Read:
    message = f"{spot.path} must be {shape.noun}, not {describe(node)}"
    mistakes.add(spot.line, message, f"write {shape.example}")
    return Read(None, spot.line)


@dataclass(frozen=True)
class Text:
    """A text that matches ``pattern``; with ``numbers`` or ``booleans`` those too, taken as they are written.

    ``integers`` are bounds of whole numbers that may stand there instead. ``noun`` says what it is, such as
    "a path"; ``example`` shows one.
    """

    noun: str
    example: str
    pattern: str = TEXT
    numbers: bool = False
    booleans: bool = False
    integers: tuple[int, int] | None = None

    @cached_property
    def _match(self) -> Callable[[str], object]:
        return matcher(self.pattern)

    def read(self, node: Node, spot: Spot, *, mistakes: Mistakes) -> Read:
        """A str."""
        text = self._text(node) if isinstance(node, Scalar) else None
        if text is None:
            return _wrong(self, node, spot, mistakes=mistakes)
        return Read(text, spot.line)

    def _text(self, node: Scalar) -> str | None:
        value = node.value
        if isinstance(value, str):
            return value if self._match(value) else None
        if isinstance(value, bool):
            return node.text if self.booleans else None
        if isinstance(value, int | float):
            if self.integers and self.integers[0] <= value <= self.integers[1] and value == int(value):
                return str(int(value))
            return node.text if self.numbers else None
        return None

    def schema(self) -> dict[str, Any]:
        """Patterns hold for strings only, here as in JSON Schema."""
        types = ["string", *["number"] * self.numbers, *["boolean"] * self.booleans]
        schema = {"type": types if len(types) > 1 else "string", "pattern": self.pattern}
        if self.integers is None:
            return schema
        low, high = self.integers
        return {"anyOf": [schema, {"type": "integer", "minimum": low, "maximum": high}]}


@dataclass(frozen=True)
class Integer:
    """A whole number within bounds."""

    noun: str
    example: str
    minimum: int
    maximum: int

    def read(self, node: Node, spot: Spot, *, mistakes: Mistakes) -> Read:
        """An int. A float without a fraction is one, as in JSON."""
        value = node.value if isinstance(node, Scalar) else None
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and self.minimum <= value <= self.maximum:
            return Read(value, spot.line)
        return _wrong(self, node, spot, mistakes=mistakes)

    def schema(self) -> dict[str, Any]:
        """An integer with bounds."""
        return {"type": "integer", "minimum": self.minimum, "maximum": self.maximum}


@dataclass(frozen=True)
class Boolean:
    """true or false."""

    noun: str = "true or false"
    example: str = "true"

    def read(self, node: Node, spot: Spot, *, mistakes: Mistakes) -> Read:
        """A bool."""
        if isinstance(node, Scalar) and isinstance(node.value, bool):
            return Read(node.value, spot.line)
        return _wrong(self, node, spot, mistakes=mistakes)

    def schema(self) -> dict[str, Any]:
        """A boolean."""
        return {"type": "boolean"}


@dataclass(frozen=True)
class Choice:
    """One of a few words."""

    values: tuple[str, ...]

    @property
    def noun(self) -> str:
        """The words, for messages."""
        return f"one of {', '.join(self.values)}"

    @property
    def example(self) -> str:
        """The first word."""
        return self.values[0]

    def read(self, node: Node, spot: Spot, *, mistakes: Mistakes) -> Read:
        """A str."""
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            return _wrong(self, node, spot, mistakes=mistakes)
        if node.value in self.values:
            return Read(node.value, spot.line)
        mistakes.add_unknown(
            spot.line,
            f"{spot.path} must be {self.noun}, not {describe(node)}",
            name=node.value,
            known=self.values,
            hint=f"write {self.example}",
        )
        return Read(None, spot.line)

    def schema(self) -> dict[str, Any]:
        """An enumeration."""
        return {"enum": list(self.values)}


@dataclass(frozen=True)
class WordFor:
    """One of a few words in place of something else: what is like none of them is read as that."""

    words: Choice
    otherwise: Shape

    @property
    def example(self) -> str:
        """The first word."""
        return self.words.example

    def read(self, node: Node, spot: Spot, *, mistakes: Mistakes) -> Read:
        """What either of the two reads."""
        text = node.value if isinstance(node, Scalar) else None
        meant = isinstance(text, str) and (text in self.words.values or nearest(text, self.words.values))
        return (self.words if meant else self.otherwise).read(node, spot, mistakes=mistakes)

    def schema(self) -> dict[str, Any]:
        """That of the words."""
        return self.words.schema()
