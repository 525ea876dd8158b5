"""Images named on the command line, and what is said where there is none."""

from __future__ import annotations

import pytest

from bakery.cli.names import image_named
from bakery.errors import InputError
from tests.unit.builders import TARGET
from tests.unit.flows.workplace import Workplace


def test_without_any_image_the_next_step_is_to_bake(shop: Workplace) -> None:
    with pytest.raises(InputError, match="there is no image 'web'; bake one with 'bakery bake'"):
        image_named(shop.kitchen, "web")


@pytest.mark.parametrize(
    ("name", "target", "said"),
    [
        ("wbe", None, "there is no image 'wbe'; did you mean 'web'?"),
        ("web:nope", None, "there is no image 'web:nope'; see 'bakery images web'"),
        ("web", "elsewhere", f"there is no image 'web' on target 'elsewhere'; it is on {TARGET}"),
    ],
)
def test_what_was_probably_meant(shop: Workplace, name: str, target: str | None, said: str) -> None:
    shop.bake("web")
    with pytest.raises(InputError) as caught:
        image_named(shop.kitchen, name, target)
    assert str(caught.value) == said
