"""The roles that one role set names itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bakery.errors import BakeryError
from bakery.load.defaults import Defaults, read_keep
from bakery.load.mistakes import quote, shown_path
from bakery.load.role_folders import find_role, missing_role, role_version
from bakery.load.scalar_shapes import Read
from bakery.load.surroundings import Surroundings
from bakery.model.project import RoleUse


@dataclass(frozen=True)
class _Named:
    """A role as the file names it."""

    name: str
    version: str | None
    line: int
    given: Mapping[str, Read]


def read_roles(
    name: str, given: Mapping[str, Read], *, defaults: Defaults, here: Surroundings
) -> tuple[RoleUse, ...]:
    """The roles that the role set ``name`` adds to its ancestors', in order. Wrong ones are left out."""
    roles = given["roles"].value or () if "roles" in given else ()
    own_vars = given["vars"].value or {} if "vars" in given else {}
    set_vars = {**defaults.vars, **own_vars}
    keep = tuple(sorted({*defaults.keep, *read_keep(given)}))
    vars_files = here.all_existing(given.get("vars_files"), what="the file of variables")
    uses = []
    for item in roles:
        named = _named(item, here)
        if named is None:
            continue
        inputs = here.all_existing(named.given.get("inputs"), what="the input")
        if _check_role(named, defaults, here):
            uses.append(
                RoleUse(
                    name=named.name,
                    version=named.version,
                    vars=_vars(named.given),
                    set_vars=set_vars,
                    vars_files=vars_files,
                    inputs=inputs,
                    origin=name,
                    where=here.mistakes.place(named.line),
                    keep=keep,
                )
            )
    return tuple(uses)


def _vars(given: Mapping[str, Read]) -> Mapping[str, Any]:
    return given["vars"].value or {} if "vars" in given else {}


def _named(item: Read, here: Surroundings) -> _Named | None:
    given: Mapping[str, Read] = item.value if isinstance(item.value, dict) else {"name": item}
    written = given.get("name")
    if written is None or written.value is None:
        return None
    name, _, version = written.value.partition("@")
    stated = given.get("version")
    if stated is None or stated.value is None:
        return _Named(name, version or None, written.line, given)
    if version and version != stated.value:
        here.mistakes.add(
            stated.line,
            f"role {quote(name)} is asked for as {version} and as {stated.value}",
            "keep one of them",
        )
    return _Named(name, stated.value, written.line, given)


def _check_role(named: _Named, defaults: Defaults, here: Surroundings) -> bool:
    """Whether the role is there; a mistake if not, or if it has another version."""
    path = find_role(named.name, defaults.roles_path)
    if path is None:
        message, hint = missing_role(named.name, defaults.roles_path)
        here.mistakes.add(named.line, message, hint)
        return False
    if named.version is None:
        return True
    try:
        stated = role_version(path)
    except BakeryError as error:
        here.mistakes.add(named.line, f"the version of role {quote(named.name)} cannot be read: {error}")
        return True
    if stated is None:
        message = f"role {quote(named.name)} states no version, and {named.version} is asked for"
        here.mistakes.add(named.line, message, f"write it into {shown_path(path / 'VERSION')}")
    elif stated.removeprefix("v") != named.version.removeprefix("v"):
        message = f"role {quote(named.name)} has version {stated}, and {named.version} is asked for"
        here.mistakes.add(named.line, message, f"write {named.name}@{stated}, or change {shown_path(path)}")
    return True
