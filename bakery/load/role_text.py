"""What the text of a role's files says about the variables that it reads."""

from __future__ import annotations

import re

# Every byte that cannot be part of an identifier becomes a space; `str.split` then yields the words.
_WORDS = bytes(code if (code < 128 and chr(code).isalnum()) or code == 95 else 32 for code in range(256))
# In a double-quoted YAML text a word may follow an escape ("\nname").
_ESCAPES = re.compile(rb"\\[abefnrtv]")

# Reads of variables by computed names, or of all of them. Literal names are found as words.
_DYNAMIC = re.compile(
    rb"""\b(?:lookup|query|q)\(\s*['"](?:ansible\.(?:builtin|legacy)\.)?(?:vars|varnames)['"]"""
    rb"""|\b(?:lookup|query)\(\s*[A-Za-z_]"""
    rb"""|\bwith_(?:ansible\.(?:builtin|legacy)\.)?(?:vars|varnames)\b"""
    rb"""|\b(?:host)?vars\s*(?:\[|\|(?!\|)|\.(?:get|items|keys|values)\b)"""
)
# What a match contains; looking for it first spares most files the pattern.
_DYNAMIC_PARTS = (b"vars", b"varnames", b"lookup(", b"query(")
_PLUGINS_WITH_VARIABLES = ("action_plugins/", "lookup_plugins/", "vars_plugins/")
_PLUGINS_WITH_CONTEXT = ("filter_plugins/", "test_plugins/")
_CONTEXT = re.compile(rb"\bpass_(?:context|environment)\b|\b(?:context|environment)(?:filter|function)\b")


def is_text(content: bytes) -> bool:
    """Whether a file is text, as git tells: no NUL near its beginning."""
    return b"\0" not in content[:8000]


def words(content: bytes) -> set[str]:
    """All words of a text that can be names of variables (ASCII, as Ansible demands), and a few others."""
    found = content.translate(_WORDS).decode("ascii").split()
    if b"\\" in content:
        found += _ESCAPES.sub(b" ", content).translate(_WORDS).decode("ascii").split()
    return set(found)


def dynamic_read(path: str, content: bytes) -> str | None:
    """``path:line: what`` of the first place that can read variables whose names do not stand there, or None.

    ``path`` is relative to the role. What lies in ``files/`` is copied, not templated.
    """
    if path.startswith("files/"):
        return None
    if path.startswith(_PLUGINS_WITH_VARIABLES) and path.endswith(".py"):
        return f"{path}:1: a plugin that is given every variable"
    if path.startswith(_PLUGINS_WITH_CONTEXT):
        found = _CONTEXT.search(content)
    elif any(part in content for part in _DYNAMIC_PARTS):
        found = _DYNAMIC.search(content)
    else:
        return None
    if found is None:
        return None
    line = content.count(b"\n", 0, found.start()) + 1
    return f"{path}:{line}: {found.group().decode('ascii')}"
