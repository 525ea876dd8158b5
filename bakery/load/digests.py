"""Digests of what lies outside roles: checks, extra inputs, Ansible collections."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

from bakery.errors import InputError, Place
from bakery.load.file_tree import read_tree, tree_digest
from bakery.load.mistakes import shown_path
from bakery.load.text_file import reason

# What of a collection can run while a role is applied.
_EFFECTIVE = ("plugins", "roles", "playbooks", "meta")


def digest_path(path: Path) -> str:
    """The digest of a file or tree, 64 hex digits: paths, execute bits, bytes, links; caches left out.

    It does not depend on where the tree lies. Raises InputError if something cannot be read.
    """
    return tree_digest(read_tree(path))


def digest_collections(paths: tuple[Path, ...]) -> str:
    """The digest of all collections in ``paths`` (each holds ``ansible_collections/`` or is it).

    As in Ansible, the first of several copies counts. A collection from source (galaxy.yml) counts with its
    ``plugins/``, ``roles/``, ``playbooks/`` and ``meta/`` byte for byte. An installed one (MANIFEST.json)
    counts with its manifest, which vouches for a list of checksums of all its files: quick for hundreds of
    collections, but an edit inside an installed collection goes unnoticed.
    """
    whole = sha256()
    for name, place in sorted(_find_collections(paths).items()):
        whole.update(f"{name}\0{_digest_collection(place)}\n".encode("utf-8", "surrogateescape"))
    return whole.hexdigest()


def _find_collections(paths: tuple[Path, ...]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in paths:
        root = path if path.name == "ansible_collections" else path / "ansible_collections"
        for namespace in _directories(root):
            for name in _directories(root / namespace):
                found.setdefault(f"{namespace}.{name}", root / namespace / name)
    return found


def _directories(path: Path) -> list[str]:
    try:
        with os.scandir(path) as entries:
            return [entry.name for entry in entries if "." not in entry.name and entry.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise InputError(f"this cannot be read: {reason(error)}", where=Place(shown_path(path))) from error


def _digest_collection(place: Path) -> str:
    try:
        return sha256((place / "MANIFEST.json").read_bytes()).hexdigest()
    except FileNotFoundError:
        pass
    except OSError as error:
        raise InputError(f"this cannot be read: {reason(error)}", where=Place(shown_path(place))) from error
    whole = sha256()
    for part in ("galaxy.yml", *_EFFECTIVE):
        if (place / part).exists():
            whole.update(f"{part}\0{digest_path(place / part)}\n".encode())
    return whole.hexdigest()
