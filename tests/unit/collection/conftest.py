"""Lets the collection's code be imported as ``ansible_collections.bakery.images``, as Ansible does."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.unit.collection.stopped_machine import Bake

COLLECTIONS = str(Path(__file__).resolve().parents[3] / "collections")
if COLLECTIONS not in sys.path:
    sys.path.insert(0, COLLECTIONS)


@pytest.fixture
def bake(tmp_path: Path) -> Bake:
    """A stopped machine in which nothing was done."""
    from tests.unit.collection.stopped_machine import Bake

    bake = Bake(tmp_path / "upper", tmp_path / "lower")
    bake.upper.mkdir()
    bake.lower.mkdir()
    return bake
