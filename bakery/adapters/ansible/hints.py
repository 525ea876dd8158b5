"""What is known about troubles that many published roles have: the cause, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_Advice = Callable[[re.Match[str], Path], str]


@dataclass(frozen=True)
class _Trouble:
    """A trouble by the words that Ansible, or a program that it ran, has for it."""

    pattern: re.Pattern[str]
    advice: _Advice


def with_hint(text: str, project_root: Path) -> str:
    """The text and, on a line of its own, what is known about the trouble it describes."""
    for trouble in _TROUBLES:
        match = trouble.pattern.search(text)
        if match:
            return f"{text}\nhint: {trouble.advice(match, project_root)}"
    return text


def _always(advice: str) -> _Advice:
    return lambda _match, _root: advice


def _collection(match: re.Match[str], root: Path) -> str:
    name = match["collection"]
    namespace, _, short = name.partition(".")
    place = f"collections/ansible_collections/{namespace}/{short}"
    if (root / place).is_dir():
        return f"the collection {name} in {place} does not have it: the name may be misspelt, or a newer version"
    if name in {"ansible.builtin", "ansible.legacy"}:
        return "ansible-core does not have it: the name may be misspelt, or the plugin moved to a collection"
    return (
        f"the collection {name} is not there. Of collections only those in collections/ of the project are used:"
        f" write '- name: {name}' below 'collections:' in collections/requirements.yml and run"
        " 'ansible-galaxy collection install -r collections/requirements.yml -p collections'"
    )


# A plug-in's full name: of a collection, in quotes.
_FULL_NAME = r"['\"(](?P<collection>[a-z_]\w*\.[a-z_]\w*)\.[\w.]+['\")]"

_TROUBLES = (
    _Trouble(
        re.compile(r"Conditional result .*was derived from value of type", re.DOTALL),
        _always(
            "since ansible-core 2.19 a condition must be true or false, not a string or a list: the role"
            " needs a newer version, or a filter such as '| bool' or '| length > 0' in this condition"
        ),
    ),
    _Trouble(
        re.compile(
            r"Decryption failed|password or secret must be specified|no vault secrets (?:were )?found"
        ),
        _always("name the password file or client script of this vault under 'vault' in bakery.yml"),
    ),
    _Trouble(
        re.compile(
            r"(?:couldn't resolve module/action|[Nn]o (?:filter|test) named|[Ll]ookup plugin|[Tt]he role|"
            r"Could not load|Could not find|Invalid plugin FQCN|[Tt]he (?:filter|test) plugin) " + _FULL_NAME
        ),
        _collection,
    ),
    _Trouble(
        re.compile(r"couldn't resolve module/action '[a-z_0-9]+'"),
        _always(
            "ansible-core has no such module: one of a collection is called namespace.collection.module,"
            " and collections are looked for in collections/ of the project"
        ),
    ),
)
