"""What is shown where nobody knows what would have to be hidden: names and numbers, no text of a machine."""

from __future__ import annotations

import re
from typing import Any

WITHHELD = "withheld: a vault of the project cannot be opened here, so what it holds could not be hidden"
# How ansible-runner's callback marks its events in the output, and how modules of ours say how far they are.
_OURS = re.compile(r"\x1b\[K|[A-Za-z0-9+/=]*\x1b\[\d+D|bakery: [^\n]*\n?|\s*")
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
    """How checks went, without what they said and without the parameters in their names."""
    if not isinstance(checks, dict):
        return withheld(checks)
    lists = {name: [_check(one) for one in checks.get(name) or ()] for name in ("failures", "results")}
    return {**checks, **{name: lists[name] for name in lists if name in checks}}


def _check(told: Any) -> Any:
    if not isinstance(told, dict):
        return withheld(told)
    name = str(told.get("check", "")).partition("[")[0]
    return {**told, "check": name, "message": withheld(told.get("message", ""))}
