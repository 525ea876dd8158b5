"""Names that images may have."""

from __future__ import annotations

import pytest
from ansible_collections.bakery.images.plugins.module_utils.ec2_names import image_names
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure


def names(wanted: str = "", machine_id: str = "web-1") -> tuple[str, ...]:
    return image_names(wanted, role_set="web", fingerprint="abcdef0123456789", machine_id=machine_id)


def test_an_image_is_named_after_what_it_was_made_of() -> None:
    first, again = names()
    assert first == "bakery-web-abcdef012345"
    assert again.startswith(f"{first}-")
    assert names(machine_id="web-2")[1] != again


def test_a_name_that_somebody_chose_is_the_only_one() -> None:
    assert names("golden (v1.0)/x") == ("golden (v1.0)/x",)


@pytest.mark.parametrize("name", ["ab", "x" * 129, "web:latest", "web\n", "größe"])
def test_names_that_ec2_would_refuse_are_refused(name: str) -> None:
    with pytest.raises(MachineFailure, match="cannot be the name of an image: 3 to 128"):
        names(name)
