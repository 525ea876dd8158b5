"""The shapes of lists and mappings; together with scalar_shapes.py they say what a file may hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from bakery.load.mistakes import Mistakes, listing, quote
from bakery.load.scalar_shapes import LONGEST_NAME, TEXT, Read, Shape, Spot, matcher
from bakery.load.yaml_nodes import Mapping as MappingNode
from bakery.load.yaml_nodes import Node, Scalar, Sequence, describe, plain

VARIABLE = "^(?!bakery_)[A-Za-z_][A-Za-z0-9_]*$"
_is_variable = matcher(VARIABLE)


@dataclass(frozen=True)
class Variables:
    """Ansible variables: any value, ``!vault`` included, under names that Ansible and bakery allow."""

    example: str = "{http_port: 8080}"

    def read(self, node: Node, spot: Spot, *, mistakes: Mistakes) -> Read:
        """A dict of plain values (not of Read): nothing in them is bakery's business."""
        if not isinstance(node, MappingNode):
            mistakes.add(
                spot.line,
                f"{spot.path} must be a mapping of variables, not {describe(node)}",
                f"write {self.example}",
            )
            return Read(None, spot.line)
        for entry in node.entries:
            name = entry.key.text
            if not _is_variable(name):
                ours = name.startswith("bakery_")
                mistakes.add(
                    entry.key.line,
                    f"{quote(name)} is no name for a variable"
                    + (": bakery's own begin with 'bakery_'" if ours else ""),
                    "rename it" if ours else "use letters, digits and '_', and begin with a letter",
                )
        return Read({entry.key.text: plain(entry.value) for entry in node.entries}, spot.line)

    def schema(self) -> dict[str, Any]:
        """An object with constrained names."""
        return {"type": "object", "propertyNames": {"pattern": VARIABLE}}


@dataclass(frozen=True)
class ListOf:
    """A list of at least ``minimum`` items."""

    item: Shape
    noun: str
    example: str
    minimum: int = 0

    def read(self, node: Node, spot: Spot, *, mistakes: Mistakes) -> Read:
        """A tuple of Read."""
        if not isinstance(node, Sequence) or len(node.items) < self.minimum:
            found = "an empty list" if isinstance(node, Sequence) else describe(node)
            mistakes.add(
                spot.line, f"{spot.path} must be a list of {self.noun}, not {found}", f"write {self.example}"
            )
            return Read(None, spot.line)
        return Read(
            tuple(
                self.item.read(item, spot.item(number, item.line), mistakes=mistakes)
                for number, item in enumerate(node.items)
            ),
            spot.line,
        )

    def schema(self) -> dict[str, Any]:
        """An array."""
        return {"type": "array", "items": self.item.schema()} | (
            {"minItems": self.minimum} if self.minimum else {}
        )


@dataclass(frozen=True)
class MapOf:
    """A mapping from names that the user chooses, matching ``pattern``, to values of one shape."""

    value: Shape
    noun: str
    example: str
    pattern: str = TEXT
    naming: str = "use text"
    minimum: int = 0

    @cached_property
    def _match(self) -> Callable[[str], object]:
        return matcher(self.pattern)

    def read(self, node: Node, spot: Spot, *, mistakes: Mistakes) -> Read:
        """A dict of Read. Keys are taken as they are written."""
        if not isinstance(node, MappingNode) or len(node.entries) < self.minimum:
            found = "an empty one" if isinstance(node, MappingNode) else describe(node)
            mistakes.add(
                spot.line,
                f"{spot.path} must be a mapping of {self.noun}, not {found}",
                f"write {self.example}",
            )
            return Read(None, spot.line)
        found_values = {}
        for entry in node.entries:
            name, line = entry.key.text, entry.key.line
            if not self._match(name):
                hint = self.naming if len(name) <= LONGEST_NAME else f"use at most {LONGEST_NAME} characters"
                mistakes.add(line, f"{quote(name)} is no name for one of the {self.noun}", hint)
            found_values[name] = self.value.read(entry.value, spot.key(name, line), mistakes=mistakes)
        return Read(found_values, spot.line)

    def schema(self) -> dict[str, Any]:
        """An object with constrained names."""
        schema: dict[str, Any] = {
            "type": "object",
            "propertyNames": {"pattern": self.pattern},
            "additionalProperties": self.value.schema(),
        }
        return schema | ({"minProperties": self.minimum} if self.minimum else {})


@dataclass(frozen=True)
class Field:
    """A key of a Record. With ``optional_value`` it may stand there without a value, as if it were absent.

    ``default`` is what editors and the reference show; whoever resolves the key applies it.
    """

    shape: Shape
    text: str
    required: bool = False
    optional_value: bool = False
    default: Any = None

    def schema(self) -> dict[str, Any]:
        """The shape's schema with the description that editors show."""
        schema = self.shape.schema()
        if self.optional_value:
            schema = {"anyOf": [schema, {"type": "null"}]}
        if self.default is not None:
            schema["default"] = self.default
        return {"description": self.text, **schema}


@dataclass(frozen=True)
class Record:
    """A mapping with known keys. Exactly one key of ``one_of`` must be there, never two of ``conflict``,
    and one of ``any_of`` at least.
    """

    noun: str
    example: str
    fields: Mapping[str, Field]
    one_of: tuple[str, ...] = ()
    conflict: tuple[str, ...] = ()
    any_of: tuple[str, ...] = ()

    def read(self, node: Node, spot: Spot, *, mistakes: Mistakes) -> Read:
        """A dict of Read with the keys that are there, the one that a misspelt key means as wrong."""
        if not isinstance(node, MappingNode):
            mistakes.add(
                spot.line,
                f"{spot.path or 'the file'} must be {self.noun}, not {describe(node)}",
                f"write {self.example}",
            )
            return Read(None, spot.line)
        values: dict[str, Read] = {}
        meant: dict[str, Read] = {}
        for entry in node.entries:
            name, line = entry.key.text, entry.key.line
            known = self.fields.get(name)
            if known is None:
                if near := self._unknown(name, spot, line=line, mistakes=mistakes):
                    meant[near] = Read(None, line)
            elif not (known.optional_value and isinstance(entry.value, Scalar) and entry.value.value is None):
                values[name] = known.shape.read(entry.value, spot.key(name, line), mistakes=mistakes)
        self._check_presence(values, tuple(meant), spot, mistakes=mistakes)
        return Read({**meant, **values}, spot.line)

    def _unknown(self, name: str, spot: Spot, *, line: int, mistakes: Mistakes) -> str | None:
        where = f"in {spot.path}" if spot.path else "here"
        return mistakes.add_unknown(
            line,
            f"the key {quote(name)} is unknown {where}",
            name=name,
            known=self.fields,
            hint=f"known are {', '.join(self.fields)}",
        )

    def _check_presence(
        self, values: Iterable[str], meant: tuple[str, ...], spot: Spot, *, mistakes: Mistakes
    ) -> None:
        what = spot.path or "the file"
        present = set(values)
        given = present.union(meant)
        for name, known in self.fields.items():
            if known.required and name not in given:
                mistakes.add(spot.line, f"{what} has no '{name}'", f"write {name}: {known.shape.example}")
        for group in (self.one_of, self.any_of):
            if group and given.isdisjoint(group):
                mistakes.add(
                    spot.line, f"{what} has neither {_either(group, 'nor')}", f"write {self.example}"
                )
        for group in (self.one_of, self.conflict):
            both = [name for name in group if name in present]
            if len(both) > 1:
                mistakes.add(spot.line, f"{what} has both {_either(tuple(both), 'and')}", "keep one of them")

    def schema(self) -> dict[str, Any]:
        """An object without additional properties."""
        schema: dict[str, Any] = {
            "type": "object",
            "additionalProperties": False,
            "properties": {name: known.schema() for name, known in self.fields.items()},
        }
        required = [name for name, known in self.fields.items() if known.required]
        if required:
            schema["required"] = required
        if self.one_of:
            schema["oneOf"] = [{"required": [name]} for name in self.one_of]
        if self.any_of:
            schema["anyOf"] = [{"required": [name]} for name in self.any_of]
        if self.conflict:
            schema["not"] = {"required": list(self.conflict)}
        return schema


@dataclass(frozen=True)
class Either:
    """A scalar, a list or a mapping: which shape holds is told by the kind of node."""

    noun: str
    example: str
    scalar: Shape | None = None
    sequence: Shape | None = None
    mapping: Shape | None = None

    def read(self, node: Node, spot: Spot, *, mistakes: Mistakes) -> Read:
        """What the shape for this kind of node reads."""
        shape = self.scalar
        if isinstance(node, Sequence):
            shape = self.sequence
        elif isinstance(node, MappingNode):
            shape = self.mapping
        if shape is None or (isinstance(node, Scalar) and node.value is None):
            mistakes.add(
                spot.line, f"{spot.path} must be {self.noun}, not {describe(node)}", f"write {self.example}"
            )
            return Read(None, spot.line)
        return shape.read(node, spot, mistakes=mistakes)

    def schema(self) -> dict[str, Any]:
        """Any of the shapes."""
        shapes = [shape for shape in (self.scalar, self.sequence, self.mapping) if shape is not None]
        return {"anyOf": [shape.schema() for shape in shapes]}


def _either(names: tuple[str, ...], word: str) -> str:
    quoted = [f"'{name}'" for name in names]
    return f" {word} ".join(quoted) if len(quoted) == 2 else listing(names)
