"""What holds for every role set that says nothing else."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bakery.load.ansible_paths import check_path
from bakery.load.durations import parse_seconds
from bakery.load.mistakes import quote
from bakery.load.on_disk import is_directory
from bakery.load.scalar_shapes import Read
from bakery.load.surroundings import Surroundings
from bakery.model.project import Timeouts, VaultIdentity, VaultSpec


@dataclass(frozen=True)
class Defaults:
    """The section ``defaults`` of a project; ``known_targets`` are those that exist (empty: any)."""

    base: Read | None
    targets: tuple[str, ...]
    known_targets: tuple[str, ...]
    roles_path: tuple[Path, ...]
    vars: Mapping[str, Any]
    keep: tuple[str, ...]
    freshness_s: int | None
    vault: VaultSpec
    timeouts: Timeouts
    strict: bool = False


def read_defaults(
    given: Mapping[str, Read], here: Surroundings, *, known_targets: tuple[str, ...]
) -> Defaults:
    """The defaults; what is wrong in them is as if it were absent."""
    freshness = _value(given, "freshness")
    return Defaults(
        base=given.get("base"),
        targets=read_targets(given.get("targets"), here, known_targets=known_targets) or known_targets[:1],
        known_targets=known_targets,
        roles_path=_roles_path(given.get("roles_path"), here),
        vars=_value(given, "vars") or {},
        keep=read_keep(given),
        freshness_s=int(parse_seconds(freshness)) if freshness else None,
        vault=VaultSpec(_identities(_value(given, "vault") or {}, here)),
        timeouts=_timeouts(_value(given, "timeouts") or {}),
        strict=_value(given, "checks") == "strict",
    )


def read_targets(read: Read | None, here: Surroundings, *, known_targets: tuple[str, ...]) -> tuple[str, ...]:
    """The targets of a list that was read, without repetition."""
    items = read.value or () if read else ()
    return tuple(
        dict.fromkeys(
            item.value
            for item in items
            if (item.value and not known_targets) or here.check_known(item, known_targets, what="target")
        )
    )


def read_keep(given: Mapping[str, Read]) -> tuple[str, ...]:
    """The paths that sealing leaves as they are, sorted and without repetition."""
    items = given["keep"].value or () if "keep" in given else ()
    return tuple(sorted({item.value for item in items if item.value is not None}))


def _roles_path(read: Read | None, here: Surroundings) -> tuple[Path, ...]:
    if read is None or read.value is None:
        return (here.root / "roles",)
    single = isinstance(read.value, str)
    items = (read,) if single else read.value
    found = []
    for item in items:
        path = here.existing(item, what="the roles_path")
        if path and not is_directory(path):
            here.mistakes.add(
                item.line, f"the roles_path {quote(item.value)} is no directory", "name a directory"
            )
        elif path:
            below = path.is_relative_to(here.root)
            own = path.relative_to(here.root) if below else path
            check_path(own, item.line, here.mistakes, what="the roles_path")
            found.append(path)
    return tuple(found)


def _identities(given: Mapping[str, Read], here: Surroundings) -> tuple[VaultIdentity, ...]:
    found = []
    for name in ("password_file", "client"):
        if name in given:
            what = "the vault password file" if name == "password_file" else "the vault client"
            path = here.existing(given[name], what=what)
            if path and name == "client" and not os.access(path, os.X_OK):
                here.mistakes.add(
                    given[name].line,
                    f"{what} {quote(given[name].value)} cannot be executed",
                    "run chmod +x on it",
                )
            found.append(VaultIdentity(str(path), here.mistakes.place(given[name].line)))
    for item in _value(given, "identities") or ():
        if item.value is not None:
            label, _, text = item.value.partition("@")
            path = here.existing(Read(text, item.line), what="the vault password file")
            found.append(VaultIdentity(f"{label}@{path}", here.mistakes.place(item.line)))
    return tuple(found)


def _timeouts(given: Mapping[str, Read]) -> Timeouts:
    usual = Timeouts()
    idle, total = _value(given, "idle"), _value(given, "total")
    return Timeouts(
        idle_s=int(parse_seconds(idle)) if idle else usual.idle_s,
        total_s=int(parse_seconds(total)) if total else usual.total_s,
    )


def _value(given: Mapping[str, Read], name: str) -> Any:
    return given[name].value if name in given else None
