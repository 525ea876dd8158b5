"""Reads what kinds of target say of themselves: their task files, and ``files/target.json`` in their role."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bakery.adapters.ansible.places import Places, find_places, known_targets
from bakery.model.target import TargetKind


def target_kinds(places: Places | None = None) -> tuple[TargetKind, ...]:
    """The kinds that can be used here, sorted by name."""
    places = places or find_places()
    roles = places.collection / "roles"
    return tuple(_read(name, roles / f"target_{name}") for name in known_targets(places))


def wanted_environment(places: Places, target: str | None) -> tuple[str, ...]:
    """The variables of the caller's environment that a kind of target needs, credentials included: names, and
    patterns such as ``AWS_*``. Without a target those of every kind that is there.
    """
    roles = places.collection / "roles"
    told = (_told(roles / f"target_{name}") for name in ((target,) if target else known_targets(places)))
    return tuple(str(name) for one in told for name in one.get("environment", ()))


def _told(role: Path) -> Mapping[str, Any]:
    try:
        told: Mapping[str, Any] = json.loads((role / "files" / "target.json").read_bytes())
    except FileNotFoundError:  # a target of somebody else's
        return {}
    return told


def _read(name: str, role: Path) -> TargetKind:
    told = json.loads((role / "files" / "target.json").read_bytes())
    forms = told.get("base_forms", {})
    return TargetKind(
        name=name,
        steps=frozenset(path.stem for path in (role / "tasks").glob("*.yml")),
        bases=(*told.get("bases", ()), *forms),
        base_forms=forms,
        options=told.get("options"),
    )
