"""Where the playbooks and the collection are, and what they offer, without importing Ansible."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import bakery
from bakery.errors import MachineError

_TARGET_PREFIX = "target_"
_COLLECTION = Path("ansible_collections", "bakery", "images")
# A kind with this file isolates nothing. The file names the environment variable that must be "1" to use it.
_FOR_TESTS = Path("files", "for-tests-only")


@dataclass(frozen=True)
class Places:
    """``playbooks`` holds what ``Run.playbook`` names; ``collections`` is an entry of Ansible's collections
    path.
    """

    playbooks: Path
    collections: Path

    @property
    def collection(self) -> Path:
        """The folder of the collection ``bakery.images``."""
        return self.collections / _COLLECTION


def find_places(package: Path | None = None) -> Places:
    """What an installed wheel carries beside the package, else what a checkout has at its root.

    ``package`` is the folder of the package ``bakery`` (for tests). Raises MachineError when neither is
    there.
    """
    package = package or Path(bakery.__file__).parent
    for root in (package / "_ansible", package.parent):
        places = Places(playbooks=root / "playbooks", collections=root / "collections")
        if places.collection.is_dir():
            return places
    raise MachineError(
        "the collection bakery.images is not where bakery expects it", hint="install bakery again"
    )


def known_targets(places: Places | None = None) -> tuple[str, ...]:
    """The target kinds of the collection, sorted: a kind is a role ``target_<kind>``.

    A kind for tests only is left out unless the environment variable that it names is 1.
    """
    return tuple(
        role.name.removeprefix(_TARGET_PREFIX)
        for role in _target_roles(places or find_places())
        if (variable := _permit(role)) is None or os.environ.get(variable) == "1"
    )


def permits(places: Places) -> frozenset[str]:
    """The environment variables that let kinds for tests only be used."""
    return frozenset(variable for role in _target_roles(places) if (variable := _permit(role)))


def _target_roles(places: Places) -> tuple[Path, ...]:
    found = (places.collection / "roles").glob(_TARGET_PREFIX + "*")
    return tuple(sorted(role for role in found if role.is_dir()))


def _permit(role: Path) -> str | None:
    try:
        return (role / _FOR_TESTS).read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return None


def collection_paths(project_root: Path, places: Places | None = None) -> tuple[Path, ...]:
    """Where a run looks for collections, first match first: bakery's, then the project's ``collections/``."""
    return ((places or find_places()).collections, project_root / "collections")
