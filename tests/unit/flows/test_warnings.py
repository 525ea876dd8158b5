"""Warnings of runs reach the result of each role set that they were for, once; strict checks go down."""

from __future__ import annotations

from pathlib import Path

from bakery.errors import BakeryError, ProvisionError
from bakery.model.result import OnError, Status
from bakery.model.run import FailureKind, RunFailure
from tests.unit.builders import project, role_set
from tests.unit.fake_target import CHECKS_PASS, task_failure
from tests.unit.flows.workplace import Workplace


def test_the_warnings_of_all_runs_are_in_the_result_once(web: Workplace) -> None:
    web.ansible.warnings = {
        "layer common": ("role 'common': odd", "x.service failed"),
        "image web": ("x.service failed", "late"),
    }
    assert web.bake_one().warnings == ("role 'common': odd", "x.service failed", "late")


def test_a_shared_role_warns_every_role_set_that_waits_for_it(shared: Workplace) -> None:
    shared.ansible.warnings = {"layer common": ("odd",), "image db": ("of db",)}
    web, db = shared.bake()
    assert (web.warnings, db.warnings) == (("odd",), ("odd", "of db"))


def test_a_failure_has_the_warnings_that_came_before_it(web: Workplace) -> None:
    web.ansible.warnings = {"layer common": ("odd",)}
    web.ansible.failures["layer nginx"] = task_failure("nginx")
    result = web.bake_one()
    assert (result.status, result.warnings) == (Status.FAILED, ("odd",))


def test_units_that_failed_are_remembered_of_an_unchanged_image(web: Workplace) -> None:
    units = [{"unit": "shop.service", "journal": "it broke"}]
    web.ansible.checks["web"] = {**CHECKS_PASS, "failed_units": units}
    baked = web.bake_one()
    assert baked.checks is not None
    assert baked.checks.failed_units == ({"unit": "shop.service", "journal": "it broke"},)
    again = web.bake_one()
    assert again.status is Status.UNCHANGED
    assert again.warnings == ("shop.service failed while the machine booted",)


def test_strict_checks_go_down_and_are_other_checks(tmp_path: Path) -> None:
    lenient = Workplace(project(role_set("web", "nginx")), tmp_path)
    strict = Workplace(project(role_set("web", "nginx", strict=True)), tmp_path)
    for place, told in ((lenient, False), (strict, True)):
        place.make_base()
        place.bake_one()
        assert place.ansible.runs[-1].variables["bakery_checks_strict"] is told
    (first,), (second,) = lenient.plan().sets, strict.plan().sets
    assert first.fingerprint == second.fingerprint
    assert first.checks_digest != second.checks_digest


def test_a_role_that_ansible_cannot_read_leaves_nothing_to_look_into(web: Workplace) -> None:
    asked: list[BakeryError] = []

    def ask(error: BakeryError) -> OnError:
        asked.append(error)
        return OnError.KEEP

    web.ansible.failures["layer common"] = RunFailure(
        kind=FailureKind.ANSIBLE,
        message="couldn't resolve module/action 'a.b.c'",
        play="Apply role common",
        role="common",
        path="roles/common/tasks/main.yml:1",
    )
    result = web.bake_one(on_failure=ask)
    assert isinstance(result.error, ProvisionError)
    assert str(result.error) == (
        "roles/common/tasks/main.yml:1: role 'common': couldn't resolve module/action 'a.b.c'"
    )
    assert asked == []
    assert not result.kept
    assert web.catalog.attempts() == ()
