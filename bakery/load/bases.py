"""The bases of a project."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bakery.load.forms import plain_value
from bakery.load.scalar_shapes import Read
from bakery.load.surroundings import Surroundings
from bakery.model.project import BaseSpec


def read_bases(entries: Mapping[str, Read], here: Surroundings) -> dict[str, BaseSpec]:
    """The bases by name; wrong ones are left out."""
    found = {}
    for name, entry in entries.items():
        recipes = {
            kind: _READERS[kind](options.value, here) if kind in _READERS else plain_value(options)
            for kind, options in (entry.value or {}).items()
            if options.value is not None
        }
        if recipes:
            (kind, own), *others = recipes.items()
            found[name] = BaseSpec(name, kind, own, here.mistakes.place(entry.line), dict(others))
    return found


def _debian(given: Mapping[str, Read], here: Surroundings) -> dict[str, Any]:
    options: dict[str, Any] = {
        "components": ["main"],
        "packages": [],
        "systemd": True,
        "variant": "minbase",
    }
    for name, read in given.items():
        if isinstance(read.value, tuple):
            options[name] = [item.value for item in read.value]
        elif name == "keyring":
            options[name] = str(here.existing(read, what="the keyring"))
        else:
            options[name] = read.value
    return options


def _oci(given: str | Mapping[str, Read], here: Surroundings) -> dict[str, Any]:
    reference = (
        given if isinstance(given, str) else given["reference"].value if "reference" in given else None
    )
    if reference is None:
        return {}
    if reference.startswith("docker://"):
        return {"reference": reference}
    transport, _, path = reference.partition(":")
    return {"reference": f"{transport}:{here.path(path)}"}


_READERS: Mapping[str, Callable[[Any, Surroundings], dict[str, Any]]] = {"debian": _debian, "oci": _oci}
