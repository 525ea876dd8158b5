"""Files with Ansible variables to plain values. Nothing is decrypted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bakery.errors import Place
from bakery.load.mistakes import Mistakes, shown_path
from bakery.load.text_file import read_text
from bakery.load.yaml_nodes import Mapping as MappingNode
from bakery.load.yaml_nodes import Scalar, describe, plain
from bakery.load.yaml_text import parse_yaml
from bakery.model.project import VaultText

_VAULT_HEADER = "$ANSIBLE_VAULT;"


def load_vars_file(path: Path) -> Mapping[str, Any]:
    """The variables of a YAML or JSON file by name; ``{"": VaultText}`` for a file encrypted as a whole.

    Values are as in ``yaml_nodes.plain``. An empty file has no variables. Raises InputError or InputErrors.
    """
    text = read_text(path)
    if encrypted := vault_text(text, path):
        return {"": encrypted}
    mistakes = Mistakes(shown_path(path))
    node = parse_yaml(text, mistakes, unsafe=True)
    if isinstance(node, MappingNode):
        for entry in node.entries:
            if not entry.key.text:
                mistakes.add(entry.key.line, "a variable has no name", "write name: value")
        mistakes.refuse()
        return {entry.key.text: plain(entry.value) for entry in node.entries}
    if node is not None and not (isinstance(node, Scalar) and node.value is None):
        message = f"a file of variables must be a mapping, not {describe(node)}"
        mistakes.add(node.line, message, "write name: value")
    mistakes.refuse()
    return {}


def vault_text(text: str, path: Path) -> VaultText | None:
    """The ``text`` of the file ``path`` if it is encrypted as a whole, without what an editor may add."""
    if not text.startswith(_VAULT_HEADER):
        return None
    return VaultText("\n".join(line.strip() for line in text.strip().splitlines()), Place(shown_path(path)))
