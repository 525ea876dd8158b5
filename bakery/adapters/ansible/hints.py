"""What is known about troubles that many published roles have: the cause, and what to do about it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_Advice = Callable[[re.Match[str], Path], str | None]


@dataclass(frozen=True)
class _Trouble:
    """A trouble by the words that Ansible, or a program that it ran, has for it.

    With ``of_roles`` the advice is for who keeps the project: it says nothing of bakery's own steps.
    """

    pattern: re.Pattern[str]
    advice: _Advice
    of_roles: bool = False


def with_hint(text: str, project_root: Path, *, of_role: bool = True) -> str:
    """The text and, on a line of its own, what is known about the trouble it describes, a role's or not."""
    for trouble in _TROUBLES:
        match = trouble.pattern.search(text) if of_role or not trouble.of_roles else None
        advice = trouble.advice(match, project_root) if match else None
        if advice:
            return f"{text}\nhint: {advice}"
    return text


def _always(advice: str) -> _Advice:
    return lambda _match, _root: advice


def _collection(match: re.Match[str], root: Path) -> str:
    name = match["collection"]
    namespace, _, short = name.partition(".")
    place = f"collections/ansible_collections/{namespace}/{short}"
    if (root / place).is_dir():
        return f"the collection {name} in {place} does not have it: the name is misspelt, or it is too old"
    if name in {"ansible.builtin", "ansible.legacy"}:
        return "ansible-core does not have it: the name may be misspelt, or the plugin moved to a collection"
    return (
        f"the collection {name} is not there. Of collections only those in collections/ of the project are"
        f" used: write '- name: {name}' below 'collections:' in collections/requirements.yml and run"
        " 'ansible-galaxy collection install -r collections/requirements.yml -p collections'"
    )


def _between_roles(match: re.Match[str], _root: Path) -> str:
    return (
        f"{match['place'] or match['other']} is empty on the machine of each role, and is no part of an"
        " image: what one role leaves there, the next one does not find. Leave it elsewhere, or do both in"
        " one role"
    )


def _loopback(match: re.Match[str], _root: Path) -> str | None:
    proxies = {value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
    if not any(match["host"] in value for value in proxies):
        return None
    return (
        f"the proxy {match['host']} is on the loopback of this host, which a machine cannot reach: have it"
        " listen on an address of the host too, and name that address in the variables"
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
        of_roles=True,
    ),
    _Trouble(
        re.compile(
            r"interpreter '[^']*python[\w.]*' was not found|"
            r"/(?:[\w.-]+/)*bin/python[\d.]*: (?:(?:command )?not found|No such file)"
        ),
        _always(
            "Ansible needs Python 3 in the machine, and the base has none there or on its PATH: take a base"
            " that has it, or add the package python3 to the base"
        ),
    ),
    _Trouble(
        re.compile(
            r"Device or resource busy\b.*/etc/(?:hosts|hostname|resolv\.conf)|"
            r"/etc/(?:hosts|hostname|resolv\.conf)\b.*Device or resource busy|"
            r"set(?: the)?(?: static)? ?host ?name.*(?:resource busy|not permitted|denied|Read-only)|"
            r"must be root to change the host ?name",
            re.DOTALL | re.IGNORECASE,
        ),
        _always(
            "in a container /etc/hosts, /etc/hostname and /etc/resolv.conf belong to the engine, which mounts"
            " its own and takes the host name from 'podman run --hostname': leave the task out where"
            " ansible_connection is 'bakery.images.machine'"
        ),
    ),
    _Trouble(
        re.compile(
            r"reboot\.target is masked|Reboot command failed|Call to Reboot failed|"
            r"Unable to find command \"shutdown\"|Timed out waiting for last boot time check"
        ),
        _always(
            "a throwaway container cannot reboot. Each role begins on a freshly booted machine: put what must"
            " come after the reboot into a role of its own, and leave the reboot out where"
            " ansible_connection is 'bakery.images.machine'"
        ),
    ),
    _Trouble(
        re.compile(
            r"(?<![\w.-])(?P<place>/tmp|/var/tmp|/run)/(?!ansible|bakery)[^\s'\"]*['\"]? ?"
            r"(?:was )?(?:not found|does not exist|is not available|: No such file)|"
            r"No such file or directory:? b?['\"]?(?P<other>/tmp|/var/tmp|/run)/(?!ansible|bakery)"
        ),
        _between_roles,
    ),
    _Trouble(
        re.compile(r"[Cc]ouldn't create temporary file /tmp/|mkstemp\b.*Permission denied"),
        _always("a machine needs a /tmp that every user may write to: mode 1777"),
    ),
    _Trouble(re.compile(r"(?P<host>(?:127\.\d+\.\d+\.\d+|localhost|\[?::1\]?):\d+)"), _loopback),
    _Trouble(
        re.compile(r"couldn't resolve module/action '[a-z_0-9]+'"),
        _always(
            "ansible-core has no such module: one of a collection is called namespace.collection.module,"
            " and collections are looked for in collections/ of the project"
        ),
        of_roles=True,
    ),
)
