"""The role sets of a project, with everything they inherit resolved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bakery.load.applied_roles import read_roles
from bakery.load.defaults import Defaults, read_targets
from bakery.load.image_config import check_environment, read_image
from bakery.load.lineage import read_lineages
from bakery.load.mistakes import listing, quote
from bakery.load.scalar_shapes import Read
from bakery.load.surroundings import Surroundings
from bakery.model.project import RoleSet, RoleUse


@dataclass(frozen=True)
class _Own:
    """What a role set says itself."""

    name: str
    line: int
    base: Read | None
    roles: tuple[RoleUse, ...]
    image: Mapping[str, Read]
    checks: tuple[Path, ...]
    strict: bool | None
    targets: tuple[str, ...]


def read_role_sets(
    entries: Mapping[str, Read], base_names: tuple[str, ...] | None, *, defaults: Defaults, here: Surroundings
) -> dict[str, RoleSet]:
    """The role sets by name, in the order of the file; those that build on something wrong are left out.

    ``base_names`` is None if the bases cannot be read.
    """
    if defaults.base is not None:
        here.check_known(defaults.base, base_names, what="base")
    own = {
        name: _read_own(name, entry, defaults=defaults, here=here)
        for name, entry in entries.items()
        if entry.value is not None
    }
    found = {}
    for name, ancestors in read_lineages(entries, here).items():
        if ancestors is not None:
            family = [own[one] for one in (name, *ancestors)]
            base = _base(family[-1], base_names, defaults=defaults, here=here)
            found[name] = _role_set(family, base, defaults=defaults, here=here)
    return found


def _read_own(name: str, entry: Read, *, defaults: Defaults, here: Surroundings) -> _Own:
    given: Mapping[str, Read] = entry.value
    paths, mode = _checks(given.get("checks"))
    return _Own(
        name=name,
        line=entry.line,
        base=given.get("base"),
        roles=read_roles(name, given, defaults=defaults, here=here),
        image=_image(given, here),
        checks=here.all_existing(paths, what="the check"),
        strict=mode == "strict" if mode else None,
        targets=read_targets(given.get("targets"), here, known_targets=defaults.known_targets),
    )


def _image(given: Mapping[str, Read], here: Surroundings) -> Mapping[str, Read]:
    image = _section(given, "image")
    check_environment(image.get("env"), here.mistakes)
    return image


def _checks(read: Read | None) -> tuple[Read | None, str | None]:
    """The paths of the checks and how strict they are, as far as the role set says it."""
    if read is None or read.value is None:
        return None, None
    if isinstance(read.value, str):
        return None, read.value
    if isinstance(read.value, Mapping):
        mode = read.value.get("mode")
        return read.value.get("paths"), mode.value if mode else None
    return read, None


def _section(given: Mapping[str, Read], name: str) -> Mapping[str, Any]:
    return given[name].value or {} if name in given else {}


def _base(eldest: _Own, base_names: tuple[str, ...] | None, *, defaults: Defaults, here: Surroundings) -> str:
    """The name of the base; the empty text if there is none or it is wrong."""
    base = eldest.base or defaults.base
    if base is None:
        here.mistakes.add(
            eldest.line,
            f"role set {quote(eldest.name)} has no base",
            f"write base: NAME; there are: {listing(base_names or (), 'none, define one under bases')}",
        )
        return ""
    if base is not defaults.base:
        here.check_known(base, base_names, what="base")
    return base.value or ""


def _role_set(family: list[_Own], base: str, *, defaults: Defaults, here: Surroundings) -> RoleSet:
    """The first of ``family`` with everything it inherits from the others (its ancestors, nearest first)."""
    own, eldest_first = family[0], family[::-1]
    targets = next((one.targets for one in family if one.targets), defaults.targets)
    if not targets:
        message = f"role set {quote(own.name)} has no target"
        here.mistakes.add(own.line, message, "write targets: [NAME] under defaults")
    return RoleSet(
        name=own.name,
        base=base,
        ancestry=tuple(one.name for one in family[1:]),
        roles=tuple(use for one in eldest_first for use in one.roles),
        image=read_image(one.image for one in eldest_first),
        checks=tuple(dict.fromkeys(path for one in eldest_first for path in one.checks)),
        targets=targets,
        strict=next((one.strict for one in family if one.strict is not None), defaults.strict),
        where=here.mistakes.place(own.line),
    )
