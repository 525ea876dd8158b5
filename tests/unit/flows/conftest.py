"""Workplaces for the flows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.builders import project, role_set
from tests.unit.flows.workplace import Workplace


@pytest.fixture
def web(tmp_path: Path) -> Workplace:
    """One role set, ``web``: common, nginx. Its base is made."""
    place = Workplace(project(role_set("web", "common", "nginx")), tmp_path)
    place.make_base()
    return place


@pytest.fixture
def shared(tmp_path: Path) -> Workplace:
    """Two role sets with a shared prefix: ``web`` is common, nginx and ``db`` is common, postgresql."""
    sets = (role_set("web", "common", "nginx"), role_set("db", "common", "postgresql"))
    place = Workplace(project(*sets), tmp_path)
    place.make_base()
    return place
