"""What entry points of targets hand up, looked at in one place before anybody relies on it.

A target may be somebody else's. What it forgets is a sentence about the target, and only the role set that
met it fails.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bakery.errors import MachineError


@dataclass(frozen=True)
class _Kind:
    """A kind of value: what it is called, and whether a value is one."""

    noun: str
    fits: Callable[[Any], bool]


def _is_number(value: Any) -> bool:
    return isinstance(value, int) or (isinstance(value, str) and value.isdecimal() and value.isascii())


def _is_count(value: Any) -> bool:
    return _is_number(value) and not isinstance(value, bool) and int(value) >= 0


_TEXT = _Kind("a text", lambda value: isinstance(value, str) and bool(value))
_WORD = _Kind("a text", lambda value: isinstance(value, str | int | float))
_NUMBER = _Kind("a whole number", _is_number)
_COUNT = _Kind("a number of checks", _is_count)
_FLAG = _Kind("true or false", lambda value: isinstance(value, bool))
_MAPPING = _Kind("a mapping", lambda value: isinstance(value, Mapping))
_LIST = _Kind("a list", lambda value: isinstance(value, list | tuple))
_LAYERS = _Kind(
    "a list of layers with an id each",
    lambda value: _LIST.fits(value) and all(isinstance(one, Mapping) and one.get("id") for one in value),
)
_FAILURES = _Kind(
    "a list of a check and a message each",
    lambda value: _LIST.fits(value) and all(_is_failure(one) for one in value),
)

_UNITS = _Kind(
    "a list of a unit each",
    lambda value: _LIST.fits(value) and all(_is_unit(one) for one in value),
)


def _is_unit(value: Any) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("unit"), str)


def _is_failure(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(value.get(name), str) for name in ("check", "message")
    )


@dataclass(frozen=True)
class _Shape:
    """What must be in a record, and what may be; and the entry point that hands it up."""

    entry_point: str
    needed: Mapping[str, _Kind]
    optional: Mapping[str, _Kind]


_SHAPES: Mapping[str, _Shape] = {
    "base": _Shape(
        "base",
        {
            "digest": _TEXT,
            "epoch": _NUMBER,
            "architecture": _TEXT,
            "systemd": _FLAG,
            "layers": _LAYERS,
            "config": _MAPPING,
            "resolved": _WORD,
        },
        {},
    ),
    "layer": _Shape(
        "checkpoint", {"id": _TEXT, "digest": _TEXT, "size": _NUMBER}, {"packages": _MAPPING, "vaults": _LIST}
    ),
    "artifact": _Shape(
        "capture",
        {"kind": _TEXT, "id": _TEXT, "digest": _TEXT, "location": _TEXT},
        {"size": _NUMBER, "paths": _LIST, "sizes": _LIST, "packages": _LIST},
    ),
    "checks": _Shape(
        "verify",
        {"passed": _COUNT, "failed": _COUNT},
        {"failures": _FAILURES, "failed_units": _UNITS, "results": _LIST},
    ),
    "machine": _Shape("boot", {"id": _WORD}, {"exec": _LIST, "shell": _LIST}),
    "report": _Shape("inspect", {}, {"files": _LIST}),
    "loaded": _Shape("load", {}, {"names": _LIST}),
    "exported": _Shape("export", {}, {"bytes": _NUMBER}),
    "swept": _Shape("sweep", {}, {"machines": _LIST}),
    "pruned": _Shape("prune", {}, {"bytes": _NUMBER}),
    "estimate": _Shape("estimate", {}, {}),
}


def handed_up(
    up: Mapping[str, Any], name: str, target: str, *, entry_point: str | None = None
) -> Mapping[str, Any]:
    """The record ``name`` of what a run on ``target`` handed up, whole.

    ``entry_point`` is the one to blame where it is not the usual one. Raises MachineError for what is missing
    or is no such thing.
    """
    shape = _SHAPES[name]
    blamed = entry_point or shape.entry_point
    value = up.get(name)
    if not isinstance(value, Mapping):
        raise _incomplete(target, blamed, name, why=_how(value, _MAPPING))
    for field, kind in (*shape.needed.items(), *shape.optional.items()):
        told = value.get(field)
        if told is None and field in shape.optional:
            continue
        if not kind.fits(told):
            raise _incomplete(target, blamed, f"{name}.{field}", why=_how(told, kind))
    return value


def _how(value: Any, kind: _Kind) -> str:
    return "nothing" if value is None else f"something that is not {kind.noun}"


def _incomplete(target: str, entry_point: str, field: str, *, why: str) -> MachineError:
    return MachineError(
        f"target '{target}' handed up {why} as '{field}' in its entry point '{entry_point}'",
        hint=f"mend tasks/{entry_point}.yml of target_{target}",
    )
