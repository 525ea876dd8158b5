from __future__ import annotations

from pathlib import Path

import pytest

from bakery.errors import MachineError
from bakery.flows.bases import ensure_base
from bakery.planning import base_spec
from tests.unit.builders import TARGET, base, project, role_set
from tests.unit.fake_target import task_failure
from tests.unit.flows.workplace import Workplace


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return Workplace(project(role_set("web", "nginx")), tmp_path)


def test_a_base_is_made_from_its_source_and_remembered(place: Workplace) -> None:
    record = ensure_base(place.kitchen, TARGET, base())
    assert place.ansible.variables_of("base bookworm")["bakery_base"] == {
        "name": "bookworm",
        "source": {"debian": {"suite": "bookworm"}},
    }
    assert place.catalog.bases() == {(TARGET, base_spec(base())): record}
    assert record.layer_ids == ("base-bookworm-1",)


def test_a_base_that_is_there_is_not_made_again(place: Workplace) -> None:
    first = ensure_base(place.kitchen, TARGET, base())
    place.locks.meanwhile["base-"] = lambda: pytest.fail("waited for a base that is there")
    assert ensure_base(place.kitchen, TARGET, base()) == first
    assert len(place.ansible.runs) == 1


def test_refresh_makes_it_again(place: Workplace) -> None:
    first = ensure_base(place.kitchen, TARGET, base())
    second = ensure_base(place.kitchen, TARGET, base(), refresh=True)
    assert second.layer_ids != first.layer_ids
    assert place.ansible.runs[-1].variables["bakery_base_refresh"] is True
    assert list(place.catalog.bases().values()) == [second]


def test_refresh_takes_what_another_process_renewed_meanwhile(place: Workplace) -> None:
    ensure_base(place.kitchen, TARGET, base())
    other = Workplace(place.project, place.kitchen.home)
    other.ansible.contents["bookworm"] = "renewed"
    renewed = ensure_base(other.kitchen, TARGET, base())
    place.locks.meanwhile["base-"] = lambda: place.catalog.add_base(renewed)
    assert ensure_base(place.kitchen, TARGET, base(), refresh=True) == renewed
    assert len(place.ansible.runs) == 1


def test_bases_with_other_options_are_other_bases(place: Workplace) -> None:
    ensure_base(place.kitchen, TARGET, base())
    ensure_base(place.kitchen, TARGET, base(packages=["vim"]))
    assert len(place.catalog.bases()) == 2


def test_a_base_that_fails_is_not_remembered(place: Workplace) -> None:
    place.ansible.failures["base bookworm"] = task_failure(None, "no answer")
    with pytest.raises(MachineError, match="no answer"):
        ensure_base(place.kitchen, TARGET, base())
    assert place.catalog.bases() == {}


def test_a_base_that_cannot_be_made_is_told_with_its_line_in_the_project(place: Workplace) -> None:
    path = "ansible_collections/bakery/images/roles/target_null/tasks/base.yml:2"
    place.ansible.failures["base bookworm"] = task_failure("target_null", "no mirror", play="Base", path=path)
    with pytest.raises(MachineError, match="no mirror") as caught:
        ensure_base(place.kitchen, TARGET, base())
    assert caught.value.where == base().where
