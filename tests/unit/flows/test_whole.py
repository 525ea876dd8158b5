"""Targets that cannot freeze a machine after each role, and that know images which others made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bakery.errors import ExitCode
from bakery.flows.kitchen import KEPT
from bakery.flows.whole import MachineLost
from bakery.model.progress import SetStage
from bakery.model.result import Status
from bakery.model.target import Target, TargetKind
from tests.unit.builders import TARGET, project, role_set, role_source
from tests.unit.fake_target import CHECKS_FAIL, task_failure
from tests.unit.flows.workplace import Workplace

STEPS = frozenset({"launch", "capture", "boot", "point", "find"})
KIND = TargetKind(TARGET, STEPS, ("debian",), options={})


def cloud(home: Path, *role_sets: Any, kind: TargetKind = KIND, **options: Any) -> Workplace:
    """A place whose only target gets all roles on one machine; ``options`` configure it."""
    sets = role_sets or (role_set("web", "common", "nginx"),)
    of = replace(project(*sets), targets={TARGET: Target(kind, options)})
    place = Workplace(of, home)
    place.kitchen = replace(place.kitchen, targets=of.targets)
    place.make_base()
    return place


@pytest.fixture
def web(tmp_path: Path) -> Workplace:
    return cloud(tmp_path)


def test_one_run_applies_every_role_in_order(web: Workplace) -> None:
    result = web.bake_one()
    assert result.status is Status.BAKED
    assert web.ansible.labels() == ["find", "whole web"]
    provision = web.ansible.runs[-1].provision
    assert provision is not None
    assert [use.name for use in provision.uses] == ["common", "nginx"]
    (record,) = web.catalog.images()
    assert record.inputs["roles"] == [["common", "1.0.0"], ["nginx", "1.0.0"]]


def test_both_machines_are_journalled_before_the_run(web: Workplace) -> None:
    """Invariant 5."""
    web.bake_one()
    assert web.diary.of("open", "run", "close") == [
        "run find",
        "open verify",
        "open bake",
        "run whole web",
        "close bake",
        "close verify",
    ]
    assert web.ansible.machines == set()


def test_a_failed_role_discards_both_machines(web: Workplace) -> None:
    web.ansible.failures["whole web"] = task_failure("nginx")
    result = web.bake_one()
    assert result.error is not None
    assert result.error.exit_code is ExitCode.PROVISION_FAILED
    assert web.ansible.labels() == ["find", "whole web", "discard", "discard"]
    assert web.ansible.machines == set()
    assert web.catalog.open_machines() == ()


def test_a_failed_role_leaves_its_machine_running_if_that_is_wanted(web: Workplace) -> None:
    web.ansible.failures["whole web"] = task_failure("nginx")
    web.ansible.up["whole web"] = {"machine": {"id": "m", "shell": ["enter", "m"]}}
    result = web.bake_one(keep_machine=True)
    assert result.error is not None
    assert result.error.exit_code is ExitCode.PROVISION_FAILED
    assert result.machine == {"id": "m", "shell": ["enter", "m"]}
    assert [one.purpose for one in web.catalog.open_machines()] == [KEPT]
    assert web.ansible.labels() == ["find", "whole web", "discard"]


def test_a_failed_role_makes_an_earlier_failure_forgotten(web: Workplace) -> None:
    web.ansible.checks["web"] = CHECKS_FAIL
    web.bake_one()
    assert len(web.catalog.attempts()) == 1
    web.ansible.failures["whole web"] = task_failure("nginx")
    assert not web.bake_one().kept
    assert web.catalog.attempts() == ()


def test_an_image_whose_checks_fail_is_not_recorded(web: Workplace) -> None:
    web.ansible.checks["web"] = CHECKS_FAIL
    result = web.bake_one()
    assert result.error is not None
    assert result.error.exit_code is ExitCode.CHECKS_FAILED
    assert web.catalog.images() == ()


def test_stages_follow_the_plays_of_the_run(web: Workplace) -> None:
    web.bake_one()
    stages = [event for event in web.events if isinstance(event, SetStage)]
    assert [(one.stage.value, one.role, one.done) for one in stages] == [
        ("role", "common", 0),
        ("role", "nginx", 1),
        ("done", None, 2),
    ]


def test_an_unchanged_recipe_asks_the_target_and_launches_nothing(web: Workplace) -> None:
    web.bake_one()
    web.forget_diary()
    result = web.bake_one()
    assert result.status is Status.UNCHANGED
    assert web.ansible.labels() == ["find"]
    assert len(web.catalog.images()) == 1


def test_an_image_that_somebody_else_made_is_recorded_and_unchanged(web: Workplace, tmp_path: Path) -> None:
    colleague = cloud(tmp_path / "colleague")
    colleague.bake_one()
    web.ansible.shared = colleague.ansible.shared
    result = web.bake_one()
    assert result.status is Status.UNCHANGED
    assert web.ansible.labels() == ["find"]
    assert web.catalog.images()[0].artifact == colleague.catalog.images()[0].artifact


def test_an_image_that_is_gone_from_the_target_is_baked_again(web: Workplace) -> None:
    web.bake_one()
    web.ansible.shared.clear()
    web.forget_diary()
    assert web.bake_one().status is Status.BAKED
    assert web.ansible.labels() == ["find", "whole web"]


def test_changed_checks_find_no_image(web: Workplace) -> None:
    web.bake_one()
    web.changes["check_digests"] = {
        "/project/roles/common/checks": "new",
        "/project/roles/nginx/checks": "new",
    }
    assert web.bake_one().status is Status.BAKED


def test_a_rebake_does_not_ask(web: Workplace) -> None:
    web.bake_one()
    web.forget_diary()
    assert web.bake_one(rebake=True).status is Status.BAKED
    assert web.ansible.labels() == ["whole web"]


def test_a_changed_role_is_another_recipe(web: Workplace) -> None:
    web.bake_one()
    web.roles["nginx"] = role_source("nginx", {"tasks/main.yml": "0 changed"})
    assert web.bake_one().status is Status.BAKED


def test_what_is_configured_of_the_image_is_part_of_the_recipe(tmp_path: Path) -> None:
    small = cloud(tmp_path / "small", image={"volume": {"size": 8}}, launch={"types": ["a"]})
    large = cloud(tmp_path / "large", image={"volume": {"size": 80}}, launch={"types": ["a"]})
    other = cloud(tmp_path / "other", image={"volume": {"size": 8}}, launch={"types": ["b"]})
    recipes = [place.plan().sets[0].fingerprint for place in (small, large, other)]
    assert recipes[0] == recipes[2]
    assert recipes[0] != recipes[1]


def test_every_step_is_told_how_the_target_is_configured(tmp_path: Path) -> None:
    place = cloud(tmp_path, region="here")
    place.bake_one()
    assert [run.variables["bakery_options"] for run in place.ansible.runs] == [{"region": "here"}] * 2


def test_a_kept_machine_is_the_verified_one(web: Workplace) -> None:
    web.bake_one(keep_machine=True)
    (machine,) = web.ansible.machines
    assert machine == web.ansible.runs[-1].variables["bakery_image_machine_id"]
    assert [entry.purpose for entry in web.catalog.open_machines()] == ["kept"]
    told = web.ansible.variables_of("whole web")
    # A sweep spares what has no owner: only the machine that is kept.
    assert ("bakery_owner" in told, told["bakery_builder_owner"]["bake"]) == (False, "bake-1")


# ── machines that are taken away ──


def lossy(home: Path, lost: dict[str, Any]) -> Workplace:
    """A place whose target takes the first machine away in the middle of a role, and says so."""
    place = cloud(home, kind=replace(KIND, steps=STEPS | {"lost"}), market="cheap")
    place.ansible.reports["lost"] = lost
    place.ansible.failures["whole web"] = task_failure("nginx", "cannot run a command")
    return place


def test_a_machine_that_was_taken_away_is_had_once_more_in_another_way(tmp_path: Path) -> None:
    place = lossy(tmp_path, {"reason": "it was taken back", "options": {"market": "sure"}})

    def once(label: str) -> None:
        if label == "lost":
            place.ansible.failures.clear()

    place.ansible.before = once
    assert place.bake_one().status is Status.BAKED
    assert place.ansible.labels() == ["find", "whole web", "lost", "discard", "discard", "whole web"]
    first, again = (run.variables for run in place.ansible.runs if run.playbook == "whole.yml")
    assert (first["bakery_options"], again["bakery_options"]) == ({"market": "cheap"}, {"market": "sure"})
    asked = place.ansible.variables_of("lost")["bakery_machine_ids"]
    assert set(asked) == {first["bakery_builder_machine_id"], first["bakery_image_machine_id"]}
    assert not set(asked) & {again["bakery_builder_machine_id"], again["bakery_image_machine_id"]}
    assert place.notes == ["it was taken back: beginning once more"]
    assert place.ansible.machines == set()
    assert place.catalog.open_machines() == ()
    stages = [(one.stage.value, one.done) for one in place.events if isinstance(one, SetStage)]
    assert stages == [("role", 0), ("role", 1), ("role", 0), ("role", 1), ("done", 2)]


def test_a_loss_without_another_way_is_the_reason_of_the_failure(tmp_path: Path) -> None:
    place = lossy(tmp_path, {"reason": "it was taken back", "options": {}, "hint": "pay more"})
    result = place.bake_one()
    assert isinstance(result.error, MachineLost)
    assert result.error.exit_code is ExitCode.MACHINE_FAILED
    assert result.error.message.startswith("it was taken back; what failed with it: role 'nginx'")
    assert result.error.hint == "pay more"
    assert place.ansible.labels() == ["find", "whole web", "lost", "discard", "discard"]


def test_a_second_loss_is_not_tried_again(tmp_path: Path) -> None:
    place = lossy(tmp_path, {"reason": "it was taken back", "options": {"market": "sure"}})
    assert isinstance(place.bake_one().error, MachineLost)
    assert place.ansible.labels().count("whole web") == 2


def test_a_failure_that_the_target_has_no_part_in_is_told_as_it_is(tmp_path: Path) -> None:
    place = lossy(tmp_path, {})
    result = place.bake_one()
    assert result.error is not None
    assert "cannot run a command" in result.error.message
    place.ansible.failures["lost"] = task_failure(None, "nobody answers")
    result = place.bake_one()
    assert result.error is not None
    assert "cannot run a command" in result.error.message


def test_a_base_that_is_gone_is_told_with_how_to_look_it_up_again(web: Workplace) -> None:
    gone = task_failure(None, "there is no such image any more", details={"kind": "base_gone"})
    web.ansible.failures["whole web"] = gone
    result = web.bake_one()
    assert result.error is not None
    assert result.error.exit_code is ExitCode.MACHINE_FAILED
    hint = f"look it up again with 'bakery base refresh bookworm --target {TARGET}'"
    assert str(result.error) == f"bakery.yml:1: there is no such image any more; {hint}"


# ── images that are not yet where they are to be ──


def test_what_was_left_undone_with_a_verified_image_is_done_by_the_next_bake(web: Workplace) -> None:
    web.bake_one()
    (key,) = web.ansible.shared
    artifact = web.ansible.shared[key]["artifact"]
    web.ansible.shared[key] = {**web.ansible.shared[key], "unfinished": ["it is not everywhere"]}
    web.forget_diary()
    result = web.bake_one()
    assert result.status is Status.UNCHANGED
    assert web.ansible.labels() == ["find", "point"]
    told = web.ansible.variables_of("point")
    assert told["bakery_artifact"] == artifact
    assert told["bakery_checked"]["checks"]["passed"] == 3
    assert web.notes == [f"{artifact['id']} is verified, but it is not everywhere: finishing that"]
    assert web.catalog.images()[-1].artifact["regions"] == ["everywhere"]
