"""What of a plaintext is secret: all of it, and the values and lines that it is made of."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import yaml

# Shorter strings are hidden where they are a whole value, but not inside other text: it would hide nothing
# and garble all.
SHORTEST = 4
# Words of every playbook. A vaulted file holds them too, and nobody learns anything from them.
COMMON = frozenset(
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
# A line of a file of settings, as shells, systemd and INI files have it: its name is no secret.
_SETTING = re.compile(r"\s*(?:export\s+)?[A-Za-z_][\w.-]*\s*=\s*(\S.*?)\s*")
# A line of a file that is no sentence and no setting: "fi", "done", "server {".
_PLAIN_WORD = re.compile(r"[a-z]{1,7}")


@dataclass(frozen=True)
class Parts:
    """``secrets`` are secret, and so are pieces of them; of ``documents`` are pieces the names of values."""

    secrets: tuple[str, ...]
    documents: tuple[str, ...] = ()


def parts_of(text: str) -> Parts:
    """The whole text, the scalars of a document without its keys, the lines of a text, settings' values."""
    whole = _distinct((text, text.strip()))
    scalars = tuple(_scalars_of(text))
    if not scalars:
        return Parts(_distinct(_of_one(text)))
    inner = (part for scalar in scalars for part in _of_one(scalar))
    return Parts(_distinct((*inner, *_comments(text))), documents=whole)


def _distinct(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(text for text in dict.fromkeys(texts) if text.strip())


def _of_one(text: str) -> Iterator[str]:
    yield text
    yield text.strip()
    yield from _password_of(text.strip())
    yield from _lines_of(text)


def _lines_of(text: str) -> Iterator[str]:
    """The lines of a text of several lines that tell something by themselves, and the values of settings."""
    lines = text.strip().splitlines()
    for line in lines:
        setting = _SETTING.fullmatch(line)
        if setting:
            yield from _worth(setting[1].strip("\"'"))
        if len(lines) > 1:
            yield from _worth(line.strip())


def _worth(text: str) -> Iterator[str]:
    if len(text) >= SHORTEST and not _PLAIN_WORD.fullmatch(text):
        yield text


def _password_of(text: str) -> Iterator[str]:
    """What stands between a user and the ``@`` of a URL (RFC 3986, section 3.2.1), as written and decoded."""
    if "://" not in text or "@" not in text:
        return
    try:
        password = urllib.parse.urlsplit(text).password
    except ValueError:
        return
    if password:
        yield from _worth(password)
        yield from _worth(urllib.parse.unquote(password))


def _comments(text: str) -> Iterator[str]:
    """What people leave in a vaulted file beside its values: "the old one was …"."""
    for line in text.splitlines():
        before, mark, comment = line.partition("#")
        if mark and (not before or before[-1].isspace()):
            yield from (part for part in _worth(comment.strip()) if len(part) >= 2 * SHORTEST)


def _scalars_of(text: str) -> Iterator[str]:
    """The scalars of a YAML document that is a mapping or a list, without keys, booleans and nulls."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError):
        return
    if isinstance(root, yaml.CollectionNode):
        yield from _scalars(root, set())


def _scalars(root: yaml.Node, seen: set[int]) -> Iterator[str]:
    todo = [root]
    while todo:
        node = todo.pop()
        if id(node) in seen:  # an alias; a document may even hold itself
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            todo.extend(value for _, value in node.value)
        elif isinstance(node, yaml.SequenceNode):
            todo.extend(node.value)
        elif node.tag not in _NO_SECRET_TAGS and node.value.strip():
            yield node.value
