# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON that somebody else wrote: bounded, and each value checked where it is taken out.

An image is untrusted input. Nothing of its documents is used but what a decoder asked for by name and type;
whatever is wrong is a StoreError with the place in the document, quoted so that no terminal obeys it.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from ansible_collections.bakery.images.plugins.module_utils.layer_store import StoreError

# What registries take at least (distribution-spec 1.1) and other readers of images at most.
MOST_BYTES = 4 << 20
_MOST_SHOWN = 100
_KINDS = {str: "text", list: "a list", dict: "an object", bool: "true or false", int: "a whole number"}


def quoted(text: str | bytes) -> str:
    """``text`` for a message: in quotes, cut if long, and what is not printable (controls, bidi) escaped."""
    text = text.decode("utf-8", "surrogateescape") if isinstance(text, bytes) else text
    return repr(text) if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]!r}…"


@dataclass(frozen=True)
class Foreign:
    """A value of a foreign document: ``of`` is the document in words, ``place`` where in it the value is."""

    value: Any
    of: str
    place: str = ""

    def wrong(self, problem: str) -> StoreError:
        """What to raise for this value; ``problem`` goes on after its place: ``is 3, not text``."""
        return StoreError(f"{self.of} cannot be used: {self.place or 'it'} {problem}")

    def field(self, name: str) -> Foreign | None:
        """The field of an object; None if it is missing or null, which readers in Go do not tell apart."""
        value = self._of_kind(dict).get(name)
        return None if value is None else self._inner(value, f".{name}" if self.place else name)

    def needed(self, name: str) -> Foreign:
        """The field of an object that must have it."""
        found = self.field(name)
        if found is None:
            raise self.wrong(f"has no {name}")
        return found

    def fields(self) -> list[tuple[str, Foreign]]:
        """Names and values of an object, null ones too."""
        inside = self._of_kind(dict)
        return [
            (self._inner(name, "").text(), self._inner(value, f"[{quoted(name)}]"))
            for name, value in inside.items()
        ]

    def items(self) -> list[Foreign]:
        """The values of a list."""
        return [self._inner(value, f"[{number}]") for number, value in enumerate(self._of_kind(list))]

    def text(self) -> str:
        """Text that can be written as UTF-8 and handed to other programs."""
        text: str = self._of_kind(str)
        if "\0" in text:
            raise self.wrong(f"is {quoted(text)}, which has a NUL character in it")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise self.wrong(f"is {quoted(text)}, which is not valid Unicode") from error
        return text

    def texts(self) -> list[str]:
        """A list of texts."""
        return [item.text() for item in self.items()]

    def number(self, *, most: int) -> int:
        """A whole number from 0 to ``most``."""
        number: int = self._of_kind(int)
        if not 0 <= number <= most:
            raise self.wrong(f"is {_brief(number)}, which is not between 0 and {most}")
        return number

    def truth(self) -> bool:
        """True or false."""
        return bool(self._of_kind(bool))

    def _inner(self, value: Any, step: str) -> Foreign:
        return Foreign(value, self.of, self.place + step)

    def _of_kind(self, kind: type) -> Any:
        # In Python, though not in JSON, true is a whole number.
        if not isinstance(self.value, kind) or (kind is int and isinstance(self.value, bool)):
            raise self.wrong(f"is not {_KINDS[kind]}")
        return self.value


def foreign_json(content: bytes, *, of: str) -> Foreign:
    """The document in ``content``; StoreError for what is too large, too deep or no JSON (RFC 8259)."""
    if len(content) > MOST_BYTES:
        raise StoreError(f"{of} cannot be used: it is larger than {MOST_BYTES} bytes")
    try:
        value = json.loads(content.decode(), parse_constant=_constant, parse_float=_float)
    except RecursionError as error:
        raise StoreError(f"{of} cannot be used: it is nested too deeply") from error
    except ValueError as error:
        raise StoreError(f"{of} cannot be used: it is not JSON: {error}") from error
    return Foreign(value, of)


def _constant(name: str) -> float:
    raise ValueError(f"{name} is no number")


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number


def _brief(number: int) -> str:
    text = hex(number)
    return str(number) if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"
