"""Finds what Ansible Vault encrypted in files, wherever it stands in them. Nothing is decrypted."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from bakery.errors import Place
from bakery.load.file_tree import TreeFile, read_tree
from bakery.load.mistakes import shown_path
from bakery.model.project import VaultText

_MARK = b"$ANSIBLE_VAULT;"
# As a block of YAML has it, indented; in JSON and in double quotes new lines are escapes.
_END = rb"(?:[ \t]*\r?\n[ \t]*|\\n)"
_SEALED = re.compile(rb"\$ANSIBLE_VAULT;[0-9.]+;[A-Z0-9]+(?:;[^\s\"'\\]*)?(?:" + _END + rb"[0-9a-f]+)+")
_SEPARATOR = re.compile(_END)


def sealed_texts(content: bytes, path: Path) -> tuple[VaultText, ...]:
    """Every encrypted text in the content of the file ``path``, with its line."""
    if _MARK not in content:
        return ()
    found = []
    for match in _SEALED.finditer(content):
        lines = _SEPARATOR.split(match[0])
        line = content.count(b"\n", 0, match.start()) + 1
        place = Place(shown_path(path), line if match.start() else None)
        found.append(VaultText(b"\n".join(lines).decode("utf-8", "replace"), place))
    return tuple(found)


def sealed_in(files: Iterable[TreeFile], root: Path) -> tuple[VaultText, ...]:
    """Every encrypted text in the files of a tree; files above 4 MB are not looked into."""
    return tuple(
        found for one in files if one.content for found in sealed_texts(one.content, root / one.path)
    )


def sealed_below(path: Path) -> tuple[VaultText, ...]:
    """Every encrypted text in a file or tree. Raises InputError if something cannot be read."""
    return sealed_in(read_tree(path), path)
