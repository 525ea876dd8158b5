"""A role set's image config, on top of those of its ancestors."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from bakery.load.durations import engine_duration
from bakery.load.mistakes import Mistakes, quote
from bakery.load.scalar_shapes import Read
from bakery.model.project import ImageSpec

_WHOLE_PATH = ", such as /opt/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SHELL = ("/bin/sh", "-c")
_HEALTHCHECK_FORMS = ("NONE", "CMD", "CMD-SHELL")


def read_image(sections: Iterable[Mapping[str, Read]]) -> ImageSpec:
    """The config of sections ``image``, the farthest ancestor's first.

    Later fields replace earlier ones; ``env`` and ``labels`` are merged name by name.
    """
    fields: dict[str, Any] = {}
    for section in sections:
        for name, read in section.items():
            if read.value is None:
                continue
            value = _FIELDS.get(name, _same)(read.value)
            fields[name] = {**fields.get(name, {}), **value} if name in {"env", "labels"} else value
    return ImageSpec(**fields)


def check_environment(read: Read | None, mistakes: Mistakes) -> None:
    """A mistake for each variable that is to hold its own old value: no engine expands an image's ``env``.

    The base's value is not known here, and it may be another one tomorrow.
    """
    entries = (read.value or {}) if read else {}
    for name, entry in entries.items():
        text = entry.value if isinstance(entry.value, str) else ""
        found = re.search(rf"\$(?:{re.escape(name)}\b|\{{{re.escape(name)}[:}}?+-])", text)
        if found:
            mistakes.add(
                entry.line,
                f"{quote(name)} would hold the text '${name}' itself: nothing expands variables of an image",
                f"write its whole value{_WHOLE_PATH if name == 'PATH' else ''}",
            )


def _same(value: Any) -> Any:
    return value


def _command(value: str | tuple[Read, ...]) -> tuple[str, ...]:
    """Words; a text goes through the shell, as in a Containerfile."""
    return (*_SHELL, value) if isinstance(value, str) else _texts(value)


def _texts(items: tuple[Read, ...]) -> tuple[str, ...]:
    return tuple(item.value for item in items if item.value is not None)


def _mapping(entries: Mapping[str, Read]) -> dict[str, str]:
    return {name: read.value for name, read in entries.items() if read.value is not None}


def _ports(items: tuple[Read, ...]) -> tuple[str, ...]:
    """Each port once, with its protocol."""
    return tuple(dict.fromkeys(port if "/" in port else f"{port}/tcp" for port in _texts(items)))


def _healthcheck(given: Mapping[str, Read]) -> dict[str, Any]:
    """Engines' forms: ``test`` as a list that begins with NONE, CMD or CMD-SHELL, durations in one unit."""
    check: dict[str, Any] = {}
    for name, read in given.items():
        if name == "test" and read.value is not None:
            check[name] = _test(read.value)
        elif isinstance(read.value, str):
            check[name] = engine_duration(read.value)
        elif read.value is not None:
            check[name] = read.value
    return check


def _test(value: str | tuple[Read, ...]) -> list[str]:
    if isinstance(value, str):
        return ["CMD-SHELL", value]
    words = list(_texts(value))
    return words if words[:1] and words[0] in _HEALTHCHECK_FORMS else ["CMD", *words]


_FIELDS: Mapping[str, Callable[[Any], Any]] = {
    "entrypoint": _command,
    "cmd": _command,
    "env": _mapping,
    "labels": _mapping,
    "ports": _ports,
    "volumes": _texts,
    "healthcheck": _healthcheck,
}
