"""Which variables a role can read: those are part of its key, others are not. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bakery.model.fingerprint import fingerprint_variable
from bakery.model.project import RoleUse, VaultText

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)

# Ansible acts on these whether or not a role names them (ansible_become, ansible_python_interpreter, …).
_ALWAYS = "ansible_"


class ValueFacts:
    """What a plan has to know of the values of variables, each looked at once.

    Role sets and their roles have most values in common, and a value may be large: looking at it again for
    each role would take as long as everything else together.
    """

    def __init__(self) -> None:
        # By identity; the value is kept beside, so that no other can get its place.
        self._known: dict[int, tuple[Any, frozenset[str], bool]] = {}
        self._digests: dict[int, tuple[Any, str]] = {}

    def names(self, value: Any) -> frozenset[str]:
        """Every identifier in the texts of the value, keys included."""
        return self._facts(value)[1]

    def holds_vault(self, value: Any) -> bool:
        """Whether anything in the value is encrypted."""
        return self._facts(value)[2]

    def digests(self, secret: bytes, variables: Mapping[str, Any]) -> dict[str, str]:
        """The same as ``fingerprint_variables``; ``secret`` is that of the first call."""
        digests = {}
        for name in sorted(variables):
            value = variables[name]
            if id(value) not in self._digests:
                self._digests[id(value)] = (value, fingerprint_variable(secret, value))
            digests[name] = self._digests[id(value)][1]
        return digests

    def _facts(self, value: Any) -> tuple[Any, frozenset[str], bool]:
        if id(value) not in self._known:
            names: set[str] = set()
            _collect_names(value, names)
            self._known[id(value)] = (value, frozenset(names), any(True for _ in vaults_in(value)))
        return self._known[id(value)]


def visible_variables(  # noqa: PLR0917 - the four are planning's own nouns, in the order of the sentence
    use: RoleUse,
    source_names: Iterable[str],
    dynamic: str | None,
    vars_files: Mapping[str, Mapping[str, Any]],
    *,
    facts: ValueFacts | None = None,
) -> dict[str, Any]:
    """The variables whose values the result of a role can depend on, as the role sees them, sorted by name.

    ``source_names`` are the identifiers in the files of the role and of all roles it can run, ``dynamic``
    says why it may read variables that are not among them, ``vars_files`` maps paths to parsed variables.

    A role's own variables always count. One of the role set counts if its name occurs in the role's files or
    in the value of one that counts. All of them count if the role is ``dynamic`` or a value that counts is
    encrypted: nobody can tell which names an encrypted template holds. A file that is encrypted as a whole
    always counts, as ``vars_files[N]``, because it may define any name.
    """
    facts = facts or ValueFacts()
    shared, encrypted = _shared(use, vars_files)
    everything = shared | dict(use.vars)
    counted = set(use.vars)
    todo = {name for name in everything if name.startswith(_ALWAYS)} | set(source_names)
    todo |= facts.names(use.vars)
    opaque = bool(encrypted) or facts.holds_vault(use.vars)
    while (found := (todo - counted) & everything.keys()) and not opaque:
        counted |= found
        values = [everything[name] for name in found]
        todo = set().union(*map(facts.names, values))
        opaque = any(map(facts.holds_vault, values))
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


def _collect_names(value: Any, found: set[str]) -> None:
    """Every identifier in the texts of a value, keys included."""
    if isinstance(value, str):
        found.update(_WORD.findall(value))
    elif isinstance(value, Mapping):
        for key, item in value.items():
            _collect_names(key, found)
            _collect_names(item, found)
    elif isinstance(value, list | tuple):
        for item in value:
            _collect_names(item, found)


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
