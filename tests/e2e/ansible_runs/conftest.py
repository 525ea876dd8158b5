"""The workplace of a test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.ansible_runs.workplace import Kitchen


@pytest.fixture
def kitchen(tmp_path: Path) -> Kitchen:
    return Kitchen(tmp_path)
