"""Keeps what came out of a vault from what leaves the run.

This module runs inside the ansible-playbook process (child.py loads it by its path): it knows the standard
library and PyYAML.
"""

from __future__ import annotations

import base64
import json
import os
import re
import struct
import urllib.parse
from collections.abc import Iterator
from typing import Any

import yaml

MASK = "********"

# Shorter strings are hidden where they are a whole value, but not inside other text: it would hide nothing
# and garble all.
_SHORTEST_INSIDE = 4
_SHORTEST_LINE = 8
# Words of every playbook. A vaulted file holds them too, and nobody learns anything from them.
_COMMON = frozenset(
    {
        "true",
        "false",
        "none",
        "null",
        "present",
        "absent",
        "latest",
        "localhost",
        "root",
        "started",
        "enabled",
    }
)
_NO_SECRET_TAGS = frozenset({"tag:yaml.org,2002:bool", "tag:yaml.org,2002:null"})
_LENGTH = struct.Struct("=I")


class Ledger:
    """The plaintexts of a run, shared by the controller and the workers it forks, in memory that has no name.

    A worker adds a plaintext before anybody can use it, so whoever sees a result of the worker can also see
    the plaintext.
    """

    def __init__(self) -> None:
        self._file = os.memfd_create("bakery-ledger")  # closed on exec: modules do not inherit it
        self._read = 0
        self._known: set[bytes] = set()

    def add(self, plaintext: bytes) -> None:
        """Note a plaintext; from any process."""
        if plaintext not in self._known:
            self._known.add(plaintext)
            # One write on the open file that all processes share: it moves the position that all of them use.
            os.write(self._file, _LENGTH.pack(len(plaintext)) + plaintext)

    def news(self) -> tuple[bytes, ...]:
        """What was added, by any process, since the last call."""
        size = os.fstat(self._file).st_size
        data = b""
        while len(data) < size - self._read:
            data += os.pread(self._file, size - self._read - len(data), self._read + len(data))
        fresh, used = _records(data)
        self._read += used
        self._known.update(fresh)
        return fresh


def _records(data: bytes) -> tuple[tuple[bytes, ...], int]:
    """The whole records at the start of ``data`` and their length; another process may be writing the next
    one.
    """
    records = []
    start = 0
    while start + _LENGTH.size <= len(data):
        (length,) = _LENGTH.unpack_from(data, start)
        end = start + _LENGTH.size + length
        if end > len(data):
            break
        records.append(data[start + _LENGTH.size : end])
        start = end
    return tuple(records), start


class Masker:
    """Replaces secrets in strings and in nested values."""

    def __init__(self) -> None:
        self._whole: set[str] = set()
        self._inside: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def learn(self, plaintext: bytes) -> None:
        """Hide the plaintext and, when it is a document or has lines, its parts."""
        text = plaintext.decode("utf-8", errors="replace")
        for secret in _secrets_in(text):
            self._whole.add(secret)
            for form in _forms(secret):
                if len(form) >= _SHORTEST_INSIDE and form.lower() not in _COMMON:
                    self._inside.add(form)
        # The longest first, so that no rest of a longer one remains.
        forms = sorted(self._inside, key=lambda form: (-len(form), form))
        self._pattern = re.compile("|".join(map(re.escape, forms))) if forms else None

    def text(self, text: str) -> str:
        """The text without secrets."""
        if text in self._whole:
            return MASK
        return self._pattern.sub(MASK, text) if self._pattern else text

    def value(self, value: Any) -> Any:
        """A copy of a nested value without secrets; numbers are hidden when they are one."""
        if isinstance(value, str):
            return self.text(str(value))
        if isinstance(value, dict):
            return {self.value(key): self.value(item) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.value(item) for item in value]
        if isinstance(value, int | float) and not isinstance(value, bool) and str(value) in self._whole:
            return MASK
        return value


def _secrets_in(text: str) -> Iterator[str]:
    stripped = text.strip()
    if not stripped:
        return
    yield text
    yield stripped
    leaves = tuple(_leaves(text))
    yield from leaves
    if not leaves:
        yield from (line.strip() for line in stripped.splitlines() if len(line.strip()) >= _SHORTEST_LINE)


def _leaves(text: str) -> Iterator[str]:
    """The scalars of a YAML document that is a mapping or a list, without keys, booleans and nulls."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        return
    if isinstance(root, yaml.CollectionNode):
        yield from _scalars(root, set())


def _scalars(node: yaml.Node, seen: set[int]) -> Iterator[str]:
    if id(node) in seen:  # an alias; a document may even hold itself
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        for _, value in node.value:
            yield from _scalars(value, seen)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _scalars(item, seen)
    elif node.tag not in _NO_SECRET_TAGS and node.value.strip():
        yield node.value
        yield node.value.strip()
        yield from (line.strip() for line in node.value.splitlines() if len(line.strip()) >= _SHORTEST_LINE)


def _forms(secret: str) -> Iterator[str]:
    """The secret as it stands and as programs like to print it."""
    yield secret
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield repr(secret)[1:-1]
    yield urllib.parse.quote(secret, safe="")
    yield base64.b64encode(secret.encode("utf-8", errors="replace")).decode()
