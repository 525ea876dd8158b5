"""Finds role folders, and what version they state."""

from __future__ import annotations

import re
from pathlib import Path

from bakery.load.mistakes import Mistakes, listing, nearest, quote, shown_path
from bakery.load.on_disk import is_directory, is_file
from bakery.load.role_uses import galaxy_version
from bakery.load.text_file import read_text
from bakery.load.yaml_nodes import Node
from bakery.load.yaml_text import parse_yaml

META = ("meta/main.yml", "meta/main.yaml", "meta/main.json", "meta/main")
_VERSION_KEY = re.compile(r"(?<!\w)version[\"']?\s*:")


def find_role(name: str, roles_path: tuple[Path, ...]) -> Path | None:
    """The folder of a role: the first in ``roles_path`` that has one of this name."""
    for folder in roles_path:
        if is_directory(folder / name):
            return folder / name
    return None


def role_names(roles_path: tuple[Path, ...]) -> tuple[str, ...]:
    """The names of all roles in ``roles_path``, sorted."""
    found: set[str] = set()
    for folder in roles_path:
        try:
            folders = (path for path in folder.iterdir() if is_directory(path))
            found.update(path.name for path in folders if path.name[:1] != ".")
        except OSError:  # a folder that cannot be listed offers no names; using it says why
            continue
    return tuple(sorted(found))


def missing_role(name: str, roles_path: tuple[Path, ...]) -> tuple[str, str]:
    """Message and hint about a role that is in no folder of ``roles_path``."""
    places = " or ".join(f"{shown_path(folder)}/" for folder in roles_path)
    if name.count(".") >= 2:
        return (
            f"role {quote(name)} is not in {places}",
            "roles of collections cannot be layers yet; include it from a role of your own",
        )
    names = role_names(roles_path)
    near = nearest(name, names)
    if near:
        return f"role {quote(name)} is not in {places}", f"did you mean {quote(near)}?"
    return f"role {quote(name)} is not in {places}", f"there are: {listing(names, 'no roles')}"


def role_version(path: Path) -> str | None:
    """The version that the role in ``path`` states, or None.

    It stands in VERSION, as galaxy_info.version in the meta file, or in what ansible-galaxy wrote when it
    installed the role. Raises InputError or InputErrors if one of these cannot be read.
    """
    if is_file(path / "VERSION"):
        lines = read_text(path / "VERSION").split()
        return lines[0] if lines else None
    for meta in (*META, "meta/.galaxy_install_info"):
        if is_file(path / meta):
            text = read_text(path / meta)
            version = galaxy_version(_parse(text, path / meta)) if _VERSION_KEY.search(text) else None
            if version:
                return version
    return None


def _parse(text: str, path: Path) -> Node | None:
    mistakes = Mistakes(shown_path(path))
    node = parse_yaml(text, mistakes, unsafe=True)
    mistakes.refuse()
    return node
