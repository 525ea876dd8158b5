"""What a target tells of a bake before it begins."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bakery.flows.estimate import Estimate, estimate
from bakery.model.plan import Plan
from bakery.model.records import BaseRecord
from bakery.planning import plan, wanted_sets
from tests.unit.builders import TARGET
from tests.unit.fake_target import task_failure
from tests.unit.flows.test_whole import KIND, STEPS, cloud
from tests.unit.flows.workplace import Workplace


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    """A place of which nothing is known: neither base nor image."""
    of = cloud(tmp_path, kind=replace(KIND, steps=STEPS | {"estimate"}))
    of.catalog.forget_bases(TARGET, tuple(one.digest for one in of.catalog.bases().values()))
    return of


def ask(place: Workplace) -> Estimate | None:
    def replan(record: BaseRecord) -> Plan:
        world = place.world()
        bases = {**world.bases, (record.target, record.spec): record}
        return plan(place.project, wanted_sets(place.project, ()), replace(world, bases=bases))

    return estimate(place.kitchen, place.plan().sets[0], replan)


def told(place: Workplace) -> list[Any]:
    return [run.variables.get("bakery_fingerprint") for run in place.ansible.runs]


def test_what_is_known_is_asked_for_once(place: Workplace) -> None:
    place.make_base()
    assert ask(place) == Estimate({"calls": []})
    assert told(place) == [place.plan().sets[0].fingerprint]


def test_a_base_that_was_never_looked_up_is_for_the_fingerprint_and_not_remembered(
    place: Workplace, tmp_path: Path
) -> None:
    colleague = cloud(tmp_path / "colleague")
    baked = colleague.bake_one()
    place.ansible.shared = colleague.ansible.shared
    answer = ask(place)
    assert answer is not None
    assert answer.found == baked.artifact
    assert told(place) == [None, baked.fingerprint]
    assert place.catalog.bases() == {}


def test_an_image_that_is_known_needs_no_estimate(place: Workplace) -> None:
    place.make_base()
    place.bake_one()
    place.forget_diary()
    assert ask(place) is None
    assert place.ansible.runs == []


def test_a_target_that_cannot_be_asked_is_the_trouble(place: Workplace) -> None:
    place.ansible.failures["estimate"] = task_failure(None, "nobody is logged in")
    answer = ask(place)
    assert answer is not None
    assert "nobody is logged in" in str(answer.trouble)


def test_a_base_that_is_gone_is_to_be_looked_up_again(place: Workplace) -> None:
    place.make_base()
    place.ansible.failures["estimate"] = task_failure(None, "it is gone", details={"kind": "base_gone"})
    answer = ask(place)
    assert answer is not None
    assert "bakery base refresh bookworm" in str(answer.trouble)
