"""Which value a YAML scalar means, as Ansible reads it (YAML 1.1), limited to what JSON has.

Dates stay the text that was written: JSON has none, and a template prints the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from yaml.constructor import SafeConstructor
from yaml.nodes import ScalarNode
from yaml.resolver import Resolver

_PREFIX = "tag:yaml.org,2002:"
_NULL, _BOOL, _INT, _FLOAT, _STR = (_PREFIX + name for name in ("null", "bool", "int", "float", "str"))
CORE_TAGS = frozenset({_NULL, _BOOL, _INT, _FLOAT, _STR})

# Longer plain scalars are text; nobody writes such numbers, and converting them takes quadratic time.
_LONGEST_NUMBER = 300

_RESOLVERS: dict[str, list[tuple[str, Callable[[str], object]]]] = {
    first: [(tag, pattern.match) for tag, pattern in found if tag in CORE_TAGS]
    for first, found in Resolver.yaml_implicit_resolvers.items()
}
_CONSTRUCTOR = SafeConstructor()
_CONSTRUCTORS = {
    _BOOL: _CONSTRUCTOR.construct_yaml_bool,
    _INT: _CONSTRUCTOR.construct_yaml_int,
    _FLOAT: _CONSTRUCTOR.construct_yaml_float,
}


def resolve(text: str, tag: str | None, *, plain: bool) -> tuple[Any, str | None]:
    """The value of a scalar and, if it has none, what is wrong with it.

    ``tag`` is an explicit tag of ``CORE_TAGS``, ``!`` (text) or None; ``plain`` says that it has no quotes.
    """
    if tag is None:
        tag = _implicit_tag(text) if plain else _STR
    if tag in ("!", _STR):
        return text, None
    if tag == _NULL:
        return None, None
    try:
        return _CONSTRUCTORS[tag](ScalarNode(tag, text)), None
    except (ValueError, KeyError, IndexError):
        return text, f"'{text[:40]}' looks like a number or truth value and is none"


def _implicit_tag(text: str) -> str:
    if len(text) > _LONGEST_NUMBER:
        return _STR
    for tag, matches in _RESOLVERS.get(text[:1], ()):
        if matches(text):
            return tag
    return _STR
