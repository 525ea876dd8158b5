"""What is shown where nobody knows what would have to be hidden: names and numbers, no text of a machine."""

from __future__ import annotations

import re
from typing import Any

WITHHELD = "withheld: a vault of the project cannot be opened here, so what it holds could not be hidden"
# How ansible-runner's callback marks its events in the output, and how modules of ours say how far they are.
_OURS = re.compile(r"\x1b\[K|[A-Za-z0-9+/=]*\x1b\[\d+D|bakery: [^\n]*\n?|\s*")
# The instance in the name of a unit (systemd.unit(5)).
_INSTANCE = re.compile(r"@[^/]*(?=\.[a-z]+\Z)")
_OUTCOMES = frozenset({"passed", "failed", "skipped"})
# What a module of ours says about a known trouble; see failure.py.
_KNOWN_TROUBLE = "bakery_error"


def withheld_text(text: str) -> str:
    """A text of Ansible's output."""
    if _OURS.fullmatch(text):
        return text
    return f"{WITHHELD}\n" if text.endswith("\n") else WITHHELD


def withheld(value: Any) -> Any:
    """A copy of a value without texts."""
    if isinstance(value, dict):
        return {
            name: dict(item) if name == _KNOWN_TROUBLE and isinstance(item, dict) else withheld(item)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [withheld(item) for item in value]
    return WITHHELD if isinstance(value, str) and value else value


def withheld_checks(checks: Any) -> Any:
    """How checks went: numbers, names of checks without their parameters, names of units without their
    instances, and where the report is; no other text.
    """
    if not isinstance(checks, dict):
        return withheld(checks)
    return {name: _told_of_checks(name, value) for name, value in checks.items()}


def _told_of_checks(name: str, value: Any) -> Any:
    if name == "report":
        return value
    if name in ("failures", "results", "failed_units") and isinstance(value, list | tuple):
        return [_told_of_one(one) for one in value]
    return withheld(value)


def _told_of_one(one: Any) -> Any:
    if not isinstance(one, dict):
        return withheld(one)
    return {**withheld(one), **{name: _TOLD[name](str(one[name])) for name in _TOLD if name in one}}


def _check(name: str) -> str:
    return _unit(name.partition("[")[0])


def _unit(name: str) -> str:
    return _INSTANCE.sub("@", name)


def _outcome(word: str) -> str:
    return word if word in _OUTCOMES else WITHHELD


_TOLD = {"check": _check, "unit": _unit, "outcome": _outcome}
