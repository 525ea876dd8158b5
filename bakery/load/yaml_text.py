"""YAML to nodes that know their line, stricter than YAML where a file written by hand is more likely wrong.

Built on libyaml's events and not on its composer: the composer recurses in C as deep as the text says.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml

from bakery.load.mistakes import Mistakes, quote
from bakery.load.yaml_complaints import translate
from bakery.load.yaml_nodes import Entry, Mapping, Node, Scalar, Sequence
from bakery.load.yaml_scalars import CORE_TAGS, resolve
from bakery.model.project import VaultText

_MOST_NESTED = 60
_MOST_VALUES = 100_000
_TAG_PREFIX = "tag:yaml.org,2002:"
VAULT_TAGS = frozenset({"!vault", "!vault-encrypted"})


class _GiveUpError(Exception):
    """The rest of the text cannot be read; the mistake is already remembered."""


def parse_yaml(text: str, mistakes: Mistakes, *, unsafe: bool = False) -> Node | None:
    """The only document of ``text``, or None if it is empty or broken; what is wrong goes to ``mistakes``.

    Refused: duplicate keys, tabs as indentation, several documents, tags other than ``!vault`` (and Ansible's
    ``!unsafe`` with ``unsafe``), keys that are not plain scalars, more than 60 levels, more than 100 000 keys
    and values, those that aliases repeat included.
    """
    builder = _Builder(mistakes, unsafe)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        for event in yaml.parse(text, Loader=loader):
            builder.take(event)
    except _GiveUpError:
        return None
    except yaml.YAMLError as error:
        line, message, hint = translate(error, text)
        mistakes.add(line, message, hint)
        return None
    return builder.root


@dataclass
class _Open:
    """A collection whose end has not been seen."""

    line: int
    anchor: str | None
    is_mapping: bool
    children: list[Node] = field(default_factory=list)


class _Builder:
    """Turns events into nodes, without recursion."""

    def __init__(self, mistakes: Mistakes, unsafe: bool) -> None:  # noqa: FBT001 - named at the only call's door
        self.root: Node | None = None
        self._mistakes = mistakes
        self._unsafe = unsafe
        self._open: list[_Open] = []
        self._anchors: dict[str, Node] = {}
        self._documents = 0
        self._values = 0

    def take(self, event: yaml.Event) -> None:
        """Take the next event of the text."""
        if isinstance(event, yaml.ScalarEvent):
            self._add(self._scalar(event), event.anchor)
        elif isinstance(event, yaml.AliasEvent):
            self._add(self._alias(event), None)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._start(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._end()
        elif isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                self._give_up(
                    _line(event), "a second document starts here ('---')", "keep one document in this file"
                )

    def _start(self, event: yaml.CollectionStartEvent) -> None:
        line = _line(event)
        if len(self._open) >= _MOST_NESTED:
            message = f"this is nested more than {_MOST_NESTED} levels deep"
            self._give_up(line, message, "is it the right file?")
        if event.tag not in (None, "!", _TAG_PREFIX + "map", _TAG_PREFIX + "seq"):
            self._unknown_tag(line, event.tag)
        self._open.append(_Open(line, event.anchor, isinstance(event, yaml.MappingStartEvent)))

    def _end(self) -> None:
        done = self._open.pop()
        children = tuple(done.children)
        self._add(self._mapping(done) if done.is_mapping else Sequence(children, done.line), done.anchor)

    def _add(self, node: Node, anchor: str | None) -> None:
        if anchor:
            self._anchors[anchor] = node
        if self._open:
            self._open[-1].children.append(node)
        else:
            self.root = node

    def _scalar(self, event: yaml.ScalarEvent) -> Scalar:
        line, tag = _line(event), event.tag
        self._values += 1
        if self._values > _MOST_VALUES:
            self._give_up(
                line, f"there are more than {_MOST_VALUES} values up to here", "is it the right file?"
            )
        if tag in VAULT_TAGS:
            vaulted = VaultText(_unindented(event.value), self._mistakes.place(line))
            return Scalar(vaulted, event.value, line)
        if tag == "!unsafe" and self._unsafe:
            return Scalar(event.value, event.value, line, unsafe=True)
        if tag not in (None, "!") and tag not in CORE_TAGS:
            self._unknown_tag(line, tag)
            tag = "!"
        value, problem = resolve(event.value, tag, plain=event.implicit[0])
        if problem:
            self._mistakes.add(line, problem, "put it in quotes")
        return Scalar(value, event.value, line)

    def _alias(self, event: yaml.AliasEvent) -> Node:
        line, name = _line(event), str(event.anchor)
        if any(one.anchor == name for one in self._open):
            self._give_up(line, f"the anchor {quote('&' + name)} contains itself", "write the value out")
        node = self._anchors.get(name)
        if node is None:
            self._mistakes.add_unknown(
                line,
                f"the alias {quote('*' + name)} has no anchor above it",
                name=name,
                known=self._anchors,
                hint=f"put text that begins with '*' in quotes, or mark the value it repeats with &{name}",
            )
            return Scalar(None, "", line)
        self._values += node.weight
        if self._values > _MOST_VALUES or len(self._open) + node.height > _MOST_NESTED:
            self._give_up(line, "the aliases of this file repeat too much", "write the values out")
        return node

    def _mapping(self, done: _Open) -> Mapping:
        own: dict[Any, Entry] = {}
        merged: dict[Any, Entry] = {}
        for key, value in zip(done.children[::2], done.children[1::2], strict=True):
            if not isinstance(key, Scalar) or isinstance(key.value, VaultText):
                self._mistakes.add(
                    key.line, "a key must be plain text", 'put a template in quotes: "{{ name }}"'
                )
            elif key.text == "<<" and key.value == "<<":
                self._merge(value, merged)
            elif key.value in own:
                self._mistakes.add(
                    key.line,
                    f"the key {quote(key.text)} is given twice",
                    f"the first is on line {own[key.value].key.line}; remove one",
                )
            else:
                own[key.value] = Entry(key, value)
        return Mapping(tuple((merged | own).values()), done.line)

    def _merge(self, value: Node, merged: dict[Any, Entry]) -> None:
        for source in value.items if isinstance(value, Sequence) else (value,):
            if not isinstance(source, Mapping):
                self._mistakes.add(source.line, "'<<' merges mappings", "write <<: *anchor")
                continue
            for entry in source.entries:
                merged.setdefault(entry.key.value, entry)

    def _unknown_tag(self, line: int, tag: str) -> None:
        shown = tag.replace(_TAG_PREFIX, "!!")
        known = "!vault and !unsafe are" if self._unsafe else "!vault is"
        self._mistakes.add(line, f"the tag {quote(shown)} is unknown; only {known} understood", "remove it")

    def _give_up(self, line: int, message: str, hint: str) -> None:
        self._mistakes.add(line, message, hint)
        raise _GiveUpError


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _unindented(ciphertext: str) -> str:
    """A vault text without what its place in the file adds: indentation and line ends."""
    return "\n".join(line.strip() for line in ciphertext.strip().splitlines())
