"""Records to text and back: the one place that knows how a record is stored."""

from __future__ import annotations

import dataclasses
import json
import types
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

Record = TypeVar("Record")


def encode(record: Any) -> str:
    """A record dataclass as canonical JSON: equal records give equal text, in pure ASCII."""
    return json.dumps(
        record, default=_fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )


def decode(kind: type[Record], text: str) -> Record:
    """The record of class ``kind`` that ``text`` holds.

    Fields the class does not have are left out, so that an older bakery reads what a newer one wrote. Raises
    ValueError, KeyError or TypeError when the text is not such a record.
    """
    record: Record = _record(kind, json.loads(text))
    return record


def _fields(value: Any) -> Any:
    """What json asks about: dataclasses and mappings that are no dict."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a record cannot hold {type(value).__name__}")


def _record(kind: Any, data: Any) -> Any:
    if not isinstance(data, dict):
        raise TypeError(f"{type(data).__name__} instead of an object")
    hints = _hints(kind)
    return kind(**{name: _value(hints[name], value) for name, value in data.items() if name in hints})


@cache
def _hints(kind: type[Any]) -> Mapping[str, Any]:
    return get_type_hints(kind)


def _value(hint: Any, value: Any) -> Any:
    """``value`` as its annotation says; only tuples and nested records differ from what JSON gives."""
    if value is None:
        return None
    origin = get_origin(hint)
    if origin is tuple:
        return tuple(_value(get_args(hint)[0], item) for item in value)
    if origin in {Union, types.UnionType}:
        return _value(next(one for one in get_args(hint) if one is not types.NoneType), value)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _record(hint, value)
    return value
