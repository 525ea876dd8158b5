"""Which variables a role can read: those are part of its key, others are not. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bakery.model.project import RoleUse, VaultText

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)

# Ansible acts on these whether or not a role names them (ansible_become, ansible_python_interpreter, …).
_ALWAYS = "ansible_"


def visible_variables(  # noqa: PLR0917 - the four are planning's own nouns, in the order of the sentence
    use: RoleUse,
    source_names: Iterable[str],
    dynamic: str | None,
    vars_files: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """The variables whose values the result of a role can depend on, as the role sees them, sorted by name.

    ``source_names`` are the identifiers in the files of the role and of all roles it can run, ``dynamic``
    says why it may read variables that are not among them, ``vars_files`` maps paths to parsed variables.

    A role's own variables always count. One of the role set counts if its name occurs in the role's files or
    in the value of one that counts. All of them count if the role is ``dynamic`` or a value that counts is
    encrypted: nobody can tell which names an encrypted template holds. A file that is encrypted as a whole
    always counts, as ``vars_files[N]``, because it may define any name.
    """
    shared, encrypted = _shared(use, vars_files)
    everything = shared | dict(use.vars)
    counted = set(use.vars)
    todo = {name for name in everything if name.startswith(_ALWAYS)} | set(source_names)
    todo.update(_names(use.vars))
    opaque = bool(encrypted) or _holds_vault(use.vars)
    while (found := todo & everything.keys() - counted) and not opaque:
        counted |= found
        values = [everything[name] for name in found]
        todo = set(_names(values))
        opaque = _holds_vault(values)
    if dynamic is not None or opaque:
        counted = set(everything)
    return {name: everything[name] for name in sorted(counted)} | encrypted


def _shared(
    use: RoleUse, vars_files: Mapping[str, Mapping[str, Any]]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The set's variables, and its encrypted files. Files win over ``vars``, later files over earlier ones,
    as in a play (Ansible's "Understanding variable precedence").
    """
    shared = dict(use.set_vars)
    encrypted = {}
    for number, path in enumerate(use.vars_files):
        for name, value in vars_files[str(path)].items():
            if name:
                shared[name] = value
            else:
                encrypted[f"vars_files[{number}]"] = value
    return shared, encrypted


def _names(value: Any) -> Iterator[str]:
    """Every identifier in the texts of a value, keys included."""
    if isinstance(value, str):
        yield from _WORD.findall(value)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _names(key)
            yield from _names(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _names(item)


def vaults_in(value: Any) -> Iterator[VaultText]:
    """Every encrypted value in ``value``, at any depth."""
    if isinstance(value, VaultText):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from vaults_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from vaults_in(item)


def _holds_vault(value: Any) -> bool:
    return any(True for _ in vaults_in(value))
