"""Which other roles a role can run: dependencies of its meta file, and includes in its tasks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from bakery.load.mistakes import Mistakes
from bakery.load.yaml_nodes import Mapping, Node, Scalar, Sequence
from bakery.load.yaml_text import parse_yaml

_INCLUDES = re.compile(rb"\b(?:include|import)_role\b")
_FREE_FORM_NAME = re.compile(r"\bname=(\S+)")
_KEYS = frozenset(
    f"{prefix}{action}_role"
    for prefix in ("", "ansible.builtin.", "ansible.legacy.")
    for action in ("include", "import")
)
_ACTIONS = frozenset({"action", "local_action"})


@dataclass(frozen=True, slots=True)
class Use:
    """The name of a role that is used; None if only a run can tell (a template)."""

    name: str | None
    line: int


def included_roles(content: bytes) -> tuple[Use, ...]:
    """The roles that a file of tasks includes or imports. A file that is no YAML may include every role."""
    if b"_role" not in content or not _INCLUDES.search(content):
        return ()
    node = parse_yaml(content.decode("utf-8", "replace"), Mistakes(""), unsafe=True)
    return tuple(_includes(node)) if node else (Use(None, 1),)


def _includes(node: Node) -> Iterator[Use]:
    if isinstance(node, Sequence):
        for item in node.items:
            yield from _includes(item)
    if not isinstance(node, Mapping):
        return
    for entry in node.entries:
        if entry.key.text in _KEYS:
            yield Use(_included_name(entry.value, node), entry.key.line)
        elif entry.key.text in _ACTIONS and _names_include(entry.value):
            yield Use(None, entry.key.line)
        else:
            yield from _includes(entry.value)


def _included_name(arguments: Node, task: Mapping) -> str | None:
    if isinstance(arguments, Scalar) and isinstance(arguments.value, str):
        found = _FREE_FORM_NAME.search(arguments.value)
        if found:
            return _static(found.group(1).strip("'\""))
    for mapping in (arguments, _value(task, "args")):
        name = _value(mapping, "name")
        if isinstance(name, Scalar):
            return _static(name.text)
    return None


def _names_include(action: Node) -> bool:
    """Whether an old-style ``action:`` may be an include."""
    module = _value(action, "module") if isinstance(action, Mapping) else action
    return not isinstance(module, Scalar) or "_role" in module.text or "{{" in module.text


def dependencies(node: Node | None) -> tuple[Use, ...]:
    """The dependencies that a role's parsed meta file names."""
    found = _value(node, "dependencies")
    if not isinstance(found, Sequence):
        return ()
    return tuple(Use(_dependency_name(item), item.line) for item in found.items)


def _dependency_name(item: Node) -> str | None:
    if isinstance(item, Scalar):
        return _static(item.text)
    for key in ("role", "name", "src"):
        name = _value(item, key)
        if isinstance(name, Scalar):
            return _static(name.text)
    return None


def _static(name: str) -> str | None:
    """``name``, unless it is a template or a path."""
    return None if not name or "{" in name or "/" in name else name


def _value(node: Node | None, key: str) -> Node | None:
    if isinstance(node, Mapping):
        for entry in node.entries:
            if entry.key.text == key:
                return entry.value
    return None


def galaxy_version(node: Node | None) -> str | None:
    """``galaxy_info.version`` of a meta file, or ``version`` of what ansible-galaxy leaves beside it."""
    for mapping in (_value(node, "galaxy_info"), node):
        version = _value(mapping, "version")
        if isinstance(version, Scalar) and version.value is not None:
            return version.text
    return None
