"""Which bases ``bakery base refresh`` makes again."""

from __future__ import annotations

import pytest

from bakery.cli.verbs.base_verbs.refresh import wanted_bases
from bakery.errors import InputError
from tests.unit.builders import base, project, role_set

SHOP = project(
    role_set("web", targets=("null", "other")),
    role_set("db", base="trixie", targets=("null",)),
    bases={"bookworm": base(), "trixie": base("trixie")},
)


def wanted(*names: str, targets: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    return [(target, one.name) for target, one in wanted_bases(SHOP, names, targets)]


def test_every_base_on_every_target_is_meant_unless_some_are_named() -> None:
    assert wanted() == [("null", "bookworm"), ("other", "bookworm"), ("null", "trixie")]
    assert wanted("bookworm") == [("null", "bookworm"), ("other", "bookworm")]
    assert wanted("bookworm", targets=("other",)) == [("other", "bookworm")]
    assert wanted(targets=("null",)) == [("null", "bookworm"), ("null", "trixie")]


def test_a_target_that_no_role_set_uses_a_base_on_is_refused_with_those_that_are_used() -> None:
    with pytest.raises(InputError, match="no role set uses trixie on other; it is used on null"):
        wanted("trixie", targets=("other",))
    with pytest.raises(InputError, match="no role set uses a base on nowhere; it is used on null, other"):
        wanted(targets=("nowhere",))
