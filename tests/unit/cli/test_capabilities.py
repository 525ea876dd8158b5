from __future__ import annotations

import pytest

from bakery.cli.capabilities import require
from bakery.errors import InputError


def test_what_a_target_has_no_entry_point_for_is_refused() -> None:
    with pytest.raises(InputError, match="images of the target 'null' cannot be loaded into an engine"):
        require("null", "load", "loaded into an engine")


def test_what_a_target_has_an_entry_point_for_goes_on() -> None:
    require("null", "export", "exported")
