"""What is in an image, in the words that all targets have in common, and what sets two images apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# What it is called when something else is in an entry; of all others it is the content.
_INSIDE = {"link": "target", "device": "device"}


@dataclass(frozen=True)
class Contents:
    """Packages with their versions, and by path the files that are not as a package brought them.

    Files are ``{kind, mode, owner, digest, package, packaged}``. One that is ``packaged`` is as its package
    brought it, and told because people may edit it; any other file of a package is told only if it is not.
    ``roles`` says which role has a path, or is None where roles left no layers; ``package_roles`` says which
    one brought a package.
    """

    packages: Mapping[str, str]
    files: Mapping[str, Mapping[str, Any]]
    roles: Mapping[str, str] | None
    package_roles: Mapping[str, str]


def contents_of(told: Mapping[str, Any]) -> Contents:
    """What a target told of an image."""
    return Contents(
        packages=told["packages"],
        files=told["files"],
        roles=told.get("roles"),
        package_roles=told.get("package_roles", {}),
    )


def compare_contents(ours: Contents, theirs: Contents) -> dict[str, Any]:
    """How ``theirs`` differs from ``ours``, as a target reports on two stacks of layers.

    ``{packages: {added, removed: [{name, version, role}…], changed: [{name, old, new, role}…]},
    files: [{path, kind, change, what, role}…]}``. Where one side knows which role has a file, only files of
    roles count: the others are the two bases'.
    """
    return {
        "packages": _packages(ours, theirs),
        "files": [row for path in sorted({*ours.files, *theirs.files}) for row in _file(path, ours, theirs)],
    }


def _packages(ours: Contents, theirs: Contents) -> dict[str, list[dict[str, Any]]]:
    before, after = ours.packages, theirs.packages
    roles = {**ours.package_roles, **theirs.package_roles}
    return {
        "added": [
            {"name": name, "version": after[name], "role": roles.get(name)}
            for name in sorted(after.keys() - before.keys())
        ],
        "removed": [
            {"name": name, "version": before[name], "role": roles.get(name)}
            for name in sorted(before.keys() - after.keys())
        ],
        "changed": [
            {"name": name, "old": before[name], "new": after[name], "role": roles.get(name)}
            for name in sorted(after.keys() & before.keys())
            if before[name] != after[name]
        ],
    }


def _file(path: str, ours: Contents, theirs: Contents) -> Iterator[dict[str, Any]]:
    """The row of a path, if it has one."""
    known = [side.roles for side in (theirs, ours) if side.roles is not None]
    role = next((roles[path] for roles in known if path in roles), None)
    before, after = ours.files.get(path), theirs.files.get(path)
    sides = [one for one in (before, after) if one is not None]
    if (known and role is None) or all(one["packaged"] for one in sides):
        return
    if before and after:
        change, what = "changed", _aspects(before, after)
    elif _is_as_packaged(sides[0], theirs if before else ours):
        change, what = "changed", ["content"]
    else:
        change, what = "added" if after else "removed", []
    if what or change != "changed":
        yield {"path": path, "kind": sides[-1]["kind"], "change": change, "what": what, "role": role}


def _is_as_packaged(there: Mapping[str, Any], missing: Contents) -> bool:
    """Whether a file that an image does not tell of is in it as the package brought it."""
    package = there["package"]
    return bool(package) and any(name.partition(":")[0] == package for name in missing.packages)


def _aspects(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What two entries of one path differ in."""
    kind = after["kind"]
    if before["kind"] != kind:
        return ["type"]
    # The mode of a link means nothing.
    names = ("owner",) if kind == "link" else ("mode", "owner")
    what = [name for name in names if before[name] != after[name]]
    if before["digest"] != after["digest"]:
        what.append(_INSIDE.get(kind, "content"))
    return what
