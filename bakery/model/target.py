"""What kinds of target there are, and what a project says about each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class TargetKind:
    """A kind of target as it describes itself.

    ``steps`` are its entry points, ``bases`` the kinds of base that its machines start from. ``base_forms``
    are the forms of those that it brings itself, and ``options`` is the form of its section in a project: see
    bakery/load/forms.py.
    """

    name: str
    steps: frozenset[str]
    bases: tuple[str, ...]
    base_forms: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] | None = None

    @property
    def layered(self) -> bool:
        """Whether its machines can be frozen after each role; otherwise one machine gets all of them."""
        return "checkpoint" in self.steps

    @property
    def shared(self) -> bool:
        """Whether it can find images that others made of the same recipe."""
        return "find" in self.steps

    @property
    def explains_losses(self) -> bool:
        """Whether it can tell why a machine is gone, and how another try would go better."""
        return "lost" in self.steps

    @property
    def estimates(self) -> bool:
        """Whether it can tell what a bake would take: one that costs money should."""
        return "estimate" in self.steps


@dataclass(frozen=True)
class Target:
    """A kind of target and how a project configures it; ``image`` in the options is part of the image."""

    kind: TargetKind
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def of_image(self) -> Mapping[str, Any]:
        """The options that are part of the image; the others say how it is made and where it goes."""
        options: Mapping[str, Any] = self.options.get("image") or {}
        return options
