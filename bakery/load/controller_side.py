"""What of a role acts on this host instead of on the machine: found in its files, not by running them.

Ansible evaluates lookups and plug-ins on the controller, and a task can be delegated to it (Ansible's
"Controlling where tasks run"). Modules in ``library/`` and ``module_utils/`` run in the machine.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from bakery.load.mistakes import Mistakes, printable
from bakery.load.yaml_nodes import Mapping, Node, Scalar, Sequence
from bakery.load.yaml_text import parse_yaml

_PLUGIN = re.compile(r"(?P<kind>[a-z]+)_plugins/.*\.py\Z")
_YAML = (".yml", ".yaml", ".json")
_COPIED = ("files/", "library/", "module_utils/")
# Lookups that only compute with what they are given, or tell which of some files exists.
_PURE = frozenset(
    {
        "cartesian",
        "dict",
        "first_found",
        "flattened",
        "indexed_items",
        "items",
        "list",
        "nested",
        "random_choice",
        "sequence",
        "subelements",
        "together",
        "undefined",
        "varnames",
        "vars",
    }
)
_BUILTIN = ("ansible.builtin.", "ansible.legacy.")
_LOOKUP = re.compile(
    rb"""\b(?:lookup|query|q)\s*\(\s*(?:(?P<quote>['"])(?P<name>[\w.]+)(?P=quote)|(?P<computed>[A-Za-z_]\w*))"""
)
# Spares most files the pattern, and most of the others the parsing.
_LOOKUP_PARTS = (b"lookup", b"query", b"q(", b"q ", b"q\t", b"q\n")
_KEYS = re.compile(
    rb"""\b(?:delegate_to|local_action|fetch|synchronize)\b|\b(?:ansible_)?connection["']?\s*:|\bwith_(?P<with>[\w.]+)"""
    rb"""|\b(?:src|script|cmd|include_vars|file|dir)["']?\s*[:=]\s*["']?(?:[/~]|[^\n]*\.\./)"""
)
_LOCAL = frozenset({"local", "ansible.builtin.local", "ansible.legacy.local"})
_THE_MACHINE = re.compile(r"\{\{\s*inventory_hostname\s*\}\}\Z")
# Modules whose action writes on the controller.
_WRITING = frozenset({"fetch", "synchronize", "ansible.posix.synchronize"})
# Modules whose action reads a file of the controller, and by what arguments it is named.
_READING = {
    "assemble": ("src",),
    "copy": ("src",),
    "include_vars": ("file", "dir"),
    "script": ("cmd",),
    "template": ("src",),
    "unarchive": ("src",),
}
_PATH = re.compile(r"(?:\w+=)?[\"']?(?P<path>[^\s\"']+)")
# From a folder of a role, such as files/, it leads out of the role.
_ABOVE_THE_ROLE = "../.."
_SHORT = 40

Found = tuple[int, str]


def controller_side(path: str, content: bytes) -> Iterator[Found]:
    """What in a role's text acts on the controller: the line where it is first, and words for a terminal.

    ``path`` is relative to the role.
    """
    plugin = _PLUGIN.match(path)
    if plugin:
        yield 1, f"{plugin['kind']} plug-in"
    elif not path.startswith(_COPIED):
        found = list(_lookups(content))
        if path.endswith(_YAML) and not path.startswith("templates/") and _has_key(content):
            found += _keys_in(content)
        first: dict[str, int] = {}
        for line, what in sorted(found):
            first.setdefault(what, line)
        yield from ((line, what) for what, line in first.items())


def _has_key(content: bytes) -> bool:
    return any(not match["with"] or not _is_pure(match["with"].decode()) for match in _KEYS.finditer(content))


def _is_pure(name: str) -> bool:
    return _plain(name) in _PURE


def _plain(name: str) -> str:
    """A name without the collections that Ansible's own plug-ins are in."""
    for prefix in _BUILTIN:
        name = name.removeprefix(prefix)
    return name


def _lookups(content: bytes) -> Iterator[Found]:
    if not any(part in content for part in _LOOKUP_PARTS):
        return
    for match in _LOOKUP.finditer(content):
        start = content.rfind(b"\n", 0, match.start()) + 1
        if content[start : match.start()].lstrip().startswith(b"#"):
            continue
        line = content.count(b"\n", 0, match.start()) + 1
        if match["computed"]:
            yield line, "lookup of a computed name"
        elif not _is_pure(name := match["name"].decode()):
            yield line, f"lookup '{_plain(name)}'"


def _keys_in(content: bytes) -> Iterator[Found]:
    """A text that is no YAML is refused elsewhere, or by Ansible."""
    node = parse_yaml(content.decode("utf-8", "replace"), Mistakes(""), unsafe=True)
    return _walk(node) if node else iter(())


def _walk(node: Node) -> Iterator[Found]:
    if isinstance(node, Sequence):
        for item in node.items:
            yield from _walk(item)
    elif isinstance(node, Mapping):
        for entry in node.entries:
            what = _acts(entry.key.text, entry.value)
            if what:
                yield entry.key.line, what
            yield from _walk(entry.value)


def _acts(key: str, value: Node) -> str | None:
    text = value.text if isinstance(value, Scalar) else ""
    module = _plain(text.partition(" ")[0] if key in ("action", "module") else key)
    if (
        (key == "delegate_to" and not _THE_MACHINE.match(text))
        or key == "local_action"
        or (key in ("connection", "ansible_connection") and (text in _LOCAL or "{{" in text))
    ):
        return f"{key}: {_shown(text)}" if text else key
    if module in _WRITING:
        return module
    if module in _READING and (path := _read_elsewhere(module, value)):
        return f"{module} of {_shown(path)}"
    return key if key.startswith("with_") and not _is_pure(key.removeprefix("with_")) else None


def _read_elsewhere(module: str, arguments: Node) -> str | None:
    """A path of this host, outside of the role, that a task reads."""
    if isinstance(arguments, Scalar):
        words = arguments.text.split()
        if any(word.startswith("remote_src=") for word in words):
            return None
        named = [word for word in words if word.partition("=")[0] in _READING[module]] or words[:1]
    elif isinstance(arguments, Mapping):
        texts = {
            entry.key.text: entry.value.text for entry in arguments.entries if isinstance(entry.value, Scalar)
        }
        if texts.get("remote_src", "no").lower() not in ("no", "false"):
            return None
        named = [texts[name] for name in _READING[module] if name in texts]
    else:
        return None
    paths = (match["path"] for word in named if (match := _PATH.match(word)))
    return next((path for path in paths if _is_elsewhere(path)), None)


def _is_elsewhere(path: str) -> bool:
    """Whether it is outside of every role whatever its variables are."""
    return path.startswith(("/", "~")) or posixpath.normpath(path).startswith(_ABOVE_THE_ROLE)


def _shown(text: str) -> str:
    words = " ".join(text.split())
    return printable(words if len(words) <= _SHORT else words[:_SHORT] + "…")
