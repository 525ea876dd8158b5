"""Where the playbooks and the collection are, and what they offer, without importing Ansible."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import bakery
from bakery.errors import MachineError

_TARGET_PREFIX = "target_"
_COLLECTION = Path("ansible_collections", "bakery", "images")


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
    """The target kinds of the collection, sorted: a kind is a role ``target_<kind>``."""
    roles = (places or find_places()).collection / "roles"
    return tuple(
        sorted(
            role.name.removeprefix(_TARGET_PREFIX)
            for role in roles.glob(_TARGET_PREFIX + "*")
            if role.is_dir()
        )
    )


def collection_paths(project_root: Path, places: Places | None = None) -> tuple[Path, ...]:
    """Where a run looks for collections, first match first: bakery's, then the project's ``collections/``."""
    return ((places or find_places()).collections, project_root / "collections")
