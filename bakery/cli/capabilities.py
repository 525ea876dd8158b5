"""Whether a target can do what a verb needs: its task files are its capabilities."""

from __future__ import annotations

from bakery.adapters.ansible.places import find_places
from bakery.errors import InputError


def require(target: str, entry_point: str, does: str) -> None:
    """Refuse, before anything starts, what the target has no entry point for; ``does`` ends a sentence."""
    role = find_places().collection / "roles" / f"target_{target}"
    if not (role / "tasks" / f"{entry_point}.yml").is_file():
        raise InputError(
            f"images of the target '{target}' cannot be {does}", hint="use an image of another target"
        )
