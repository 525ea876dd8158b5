"""What the tests of the command line share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bakery.cli.output import Paint
from tests.unit.builders import project, role_set
from tests.unit.flows.workplace import Workplace

GOLDEN = Path(__file__).parent / "golden"
PLAIN = Paint(on=False)
NARROW = Paint(on=False, columns=80)


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """Compares a text with a file in ``golden/``; a file that is missing is written, and the test fails."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / f"{name}.txt"
        if not path.exists():
            path.write_text(text + "\n")
            pytest.fail(f"{path.name} was not there and is now; look at it and run the test again")
        assert text + "\n" == path.read_text()

    return compare


@pytest.fixture
def shop(tmp_path: Path) -> Workplace:
    """``web`` is common, nginx; ``db`` is common, postgresql. Nothing is baked; the base is made."""
    place = Workplace(
        project(role_set("web", "common", "nginx"), role_set("db", "common", "postgresql")), tmp_path
    )
    place.make_base()
    return place
