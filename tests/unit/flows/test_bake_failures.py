"""A bake that fails or is interrupted: the machine goes, the error stays, the catalog is right."""

from __future__ import annotations

from typing import Any

import pytest

from bakery.errors import BakeryError, ExitCode, MachineError, ProvisionError
from bakery.model.progress import Note
from bakery.model.result import OnError, Status
from bakery.model.run import FailureKind, RunFailure
from tests.unit.builders import TARGET
from tests.unit.fake_target import task_failure
from tests.unit.flows.workplace import Workplace, keep


def error_of(result: Any) -> BakeryError:
    assert result.status is Status.FAILED
    assert result.error is not None
    error: BakeryError = result.error
    return error


def test_a_failed_role_is_a_result_with_its_place_and_exit_code(web: Workplace) -> None:
    web.ansible.failures["layer nginx"] = task_failure("nginx", "no package nginxx")
    error = error_of(web.bake_one())
    assert isinstance(error, ProvisionError)
    assert error.exit_code is ExitCode.PROVISION_FAILED
    assert str(error) == "roles/nginx/tasks/main.yml:3: role 'nginx', task 'Do it': no package nginxx"


def test_discard_runs_when_a_role_fails(web: Workplace) -> None:
    web.ansible.failures["layer common"] = task_failure("common")
    web.bake_one()
    assert web.diary.lines == ["open bake", "run layer common", "run discard", "close bake"]
    failed, discarded = web.ansible.runs
    assert failed.variables["bakery_machine_id"] == discarded.variables["bakery_machine_id"]
    assert web.ansible.machines == set()


def test_roles_after_a_failed_one_are_not_started(web: Workplace) -> None:
    web.ansible.failures["layer common"] = task_failure("common")
    result = web.bake_one()
    assert "layer nginx" not in web.ansible.labels()
    assert result.layers == ()


def test_layers_below_a_failed_role_are_in_the_result_and_stay_cached(web: Workplace) -> None:
    web.ansible.failures["layer nginx"] = task_failure("nginx")
    result = web.bake_one()
    assert [(one.role, one.cached) for one in result.layers] == [("common", False)]
    web.forget_diary()
    del web.ansible.failures["layer nginx"]
    assert web.bake_one().status is Status.BAKED
    assert web.ansible.labels() == ["layer nginx", "image web"]


def test_a_failed_layer_is_not_recorded(web: Workplace) -> None:
    web.ansible.failures["layer common"] = task_failure("common")
    web.bake_one()
    assert web.catalog.layers() == {}
    assert web.catalog.images() == ()


def test_discard_runs_when_the_checkpoint_fails(web: Workplace) -> None:
    web.ansible.failures["layer common"] = task_failure(
        "bakery.images.target_null", "disk full", play="Freeze it"
    )
    error = error_of(web.bake_one())
    assert isinstance(error, MachineError)
    assert error.exit_code is ExitCode.MACHINE_FAILED
    assert web.diary.of("run")[-1] == "run discard"
    assert web.ansible.machines == set()


def test_discard_runs_when_the_capture_fails(web: Workplace) -> None:
    web.ansible.failures["image web"] = task_failure("target_null", "disk full", play="Capture it")
    error = error_of(web.bake_one())
    assert error.exit_code is ExitCode.MACHINE_FAILED
    assert web.diary.lines[-4:] == ["run image web", "close bake", "run discard", "close verify"]
    assert web.ansible.machines == set()
    assert web.catalog.images() == ()


# ── what stays of a failed machine ───────────────────────────────────────────────────────────────


def test_keep_freezes_the_failed_machine_and_records_an_attempt(web: Workplace) -> None:
    web.ansible.failures["layer nginx"] = task_failure("nginx")
    result = web.bake_one(on_failure=keep)
    assert web.ansible.variables_of("discard")["bakery_keep_as"] == "web-null"
    (attempt,) = web.catalog.attempts()
    assert (attempt.stage, attempt.role, attempt.kept) == ("role", "nginx", "web-null")
    assert attempt.layers == tuple(web.ansible.variables_of("layer nginx")["bakery_parents"])
    assert attempt.message == str(result.error)
    assert web.catalog.open_machines() == ()


def test_discard_keeps_nothing_and_records_no_attempt(web: Workplace) -> None:
    web.ansible.failures["layer nginx"] = task_failure("nginx")
    web.bake_one()
    assert "bakery_keep_as" not in web.ansible.variables_of("discard")
    assert web.catalog.attempts() == ()


def test_what_would_keep_the_disk_full_is_not_kept_and_told(web: Workplace) -> None:
    web.ansible.failures["layer nginx"] = task_failure("nginx", "No space left on device")
    web.ansible.reports["discard"] = {"not_kept": "nothing is kept of the machine: the disk is full"}
    result = web.bake_one(on_failure=keep)
    assert not result.kept
    assert web.catalog.attempts() == ()
    assert "nothing is kept of the machine: the disk is full" in web.notes


def test_discard_forgets_an_earlier_failure_that_was_kept(web: Workplace) -> None:
    """'bakery shell' would open it and pass it off as this one."""
    web.ansible.failures["layer nginx"] = task_failure("nginx")
    assert web.bake_one(on_failure=keep).kept
    assert not web.bake_one().kept
    assert web.catalog.attempts() == ()


def test_the_user_is_asked_with_the_error_while_the_machine_still_stands(web: Workplace) -> None:
    web.ansible.failures["layer nginx"] = task_failure("nginx")
    asked = []

    def ask(error: BakeryError) -> OnError:
        asked.append((str(error), len(web.ansible.machines)))
        return OnError.DISCARD

    result = web.bake_one(on_failure=ask)
    assert asked == [(str(result.error), 1)]


def test_the_user_is_not_asked_about_trouble_of_the_machinery(web: Workplace) -> None:
    web.ansible.failures["layer common"] = task_failure("target_null", play="Freeze it")

    def ask(_: BakeryError) -> OnError:
        raise AssertionError("nobody can do anything about it inside the machine")

    web.bake_one(on_failure=ask)
    assert "bakery_keep_as" not in web.ansible.variables_of("discard")


def test_a_failed_discard_hides_neither_the_error_nor_the_machine(web: Workplace) -> None:
    web.ansible.failures["layer common"] = task_failure("common")
    web.ansible.failures["discard"] = task_failure("target_null", "mount is busy", play="Discard it")
    result = web.bake_one(on_failure=keep)
    error = error_of(result)
    assert not result.kept
    assert error.exit_code is ExitCode.PROVISION_FAILED
    (entry,) = web.catalog.open_machines()
    assert web.notes == [
        f"the machine {entry.id} could not be discarded: Do it: mount is busy; 'bakery sweep' removes it"
    ]


# ── interrupted ──────────────────────────────────────────────────────────────────────────────────


def test_discard_runs_although_cancelled(web: Workplace) -> None:
    web.ansible.before = lambda label: web.cancel.request() if label == "layer common" else None
    error = error_of(web.bake_one())
    assert error.exit_code is ExitCode.INTERRUPTED
    assert web.diary.lines == ["open bake", "run layer common", "run discard", "close bake"]
    assert web.ansible.machines == set()


def test_an_interrupted_capture_is_discarded(web: Workplace) -> None:
    web.ansible.before = lambda label: web.cancel.request() if label == "image web" else None
    assert error_of(web.bake_one()).exit_code is ExitCode.INTERRUPTED
    assert web.diary.lines[-4:] == ["run image web", "close bake", "run discard", "close verify"]
    assert web.ansible.machines == set()


def test_an_interrupted_machine_is_never_kept(web: Workplace) -> None:
    web.ansible.before = lambda _: web.cancel.request()
    web.bake_one(on_failure=keep)
    assert "bakery_keep_as" not in web.ansible.variables_of("discard")
    assert web.catalog.attempts() == ()


def test_nothing_begins_after_a_request_to_stop(shared: Workplace) -> None:
    shared.ansible.before = lambda _: shared.cancel.request()
    results = shared.bake("web", "db")
    assert [error_of(one).exit_code for one in results] == [ExitCode.INTERRUPTED] * 2
    assert shared.ansible.labels() == ["layer common", "discard"]


def test_a_request_to_stop_between_two_runs_opens_no_machine(web: Workplace) -> None:
    web.catalog.close_machine = _after(web.catalog.close_machine, web.cancel.request)  # type: ignore[method-assign]
    assert error_of(web.bake_one()).exit_code is ExitCode.INTERRUPTED
    assert web.diary.lines == ["open bake", "run layer common", "close bake"]


def test_the_next_bake_goes_on_where_an_interrupted_one_stopped(web: Workplace) -> None:
    web.ansible.failures["layer nginx"] = RunFailure(FailureKind.CANCELLED, "cancelled")
    web.bake_one()
    web.ansible.failures.clear()
    web.forget_diary()
    assert web.bake_one().status is Status.BAKED
    assert web.ansible.labels() == ["layer nginx", "image web"]


def _after(first: Any, then: Any) -> Any:
    def both(*arguments: Any) -> None:
        first(*arguments)
        then()

    return both


# ── corrupt layers ───────────────────────────────────────────────────────────────────────────────


def layer_id(place: Workplace, role: str) -> str:
    (found,) = (one.id for one in place.catalog.layers().values() if one.role == role)
    return found


def break_nginx(place: Workplace) -> None:
    """Make nginx need a bake, on a cached layer of common that the store lost."""
    place.bake_one()
    lost = next(key for key, one in place.catalog.layers().items() if one.role == "nginx")
    place.catalog.forget_layers(TARGET, (place.catalog.layers()[lost].id,))
    (image,) = place.catalog.images()
    place.catalog.forget_images(TARGET, (image.artifact["digest"],))
    place.ansible.corrupt.add(layer_id(place, "common"))
    place.forget_diary()


def test_a_corrupt_layer_is_forgotten_and_baked_again(web: Workplace) -> None:
    break_nginx(web)
    lost = layer_id(web, "common")
    result = web.bake_one()
    assert result.status is Status.BAKED
    assert web.diary.of("forget-layers") == [f"forget-layers {lost}"]
    assert web.ansible.labels() == ["layer nginx", "discard", "layer common", "layer nginx", "image web"]
    assert [one.role for one in result.layers] == ["common", "nginx"]
    assert layer_id(web, "common") != lost
    assert web.notes == [f"layer {lost} is corrupt: making it again"]


def test_a_layer_that_stays_corrupt_is_given_up_after_three_repairs(web: Workplace) -> None:
    details = {"kind": "layer_corrupt", "layer": "x"}
    web.ansible.failures["layer nginx"] = task_failure(None, "layer x is corrupt", details=details)
    error = error_of(web.bake_one())
    assert error.exit_code is ExitCode.MACHINE_FAILED
    assert web.ansible.labels().count("layer nginx") == 4
    assert len(web.notes) == 3
    assert web.ansible.machines == set()
    assert web.catalog.open_machines() == ()


def test_a_corrupt_base_is_made_again(web: Workplace) -> None:
    (before,) = web.catalog.bases().values()
    web.ansible.corrupt.update(before.layer_ids)
    assert web.bake_one().status is Status.BAKED
    assert web.ansible.variables_of("base bookworm")["bakery_base_refresh"] is True
    (after,) = web.catalog.bases().values()
    assert after.layer_ids != before.layer_ids


@pytest.mark.parametrize("jobs", [1, 2])
def test_two_role_sets_repair_what_they_share_once(shared: Workplace, jobs: int) -> None:
    (before,) = shared.catalog.bases().values()
    shared.ansible.corrupt.update(before.layer_ids)
    results = shared.bake(jobs=jobs)
    assert [one.status for one in results] == [Status.BAKED] * 2
    assert shared.ansible.labels().count("base bookworm") == 1


def test_a_base_that_vanishes_during_a_repair_is_a_sentence(web: Workplace) -> None:
    break_nginx(web)
    forget = web.catalog.forget_layers

    def forget_all(target: str, layer_ids: tuple[str, ...]) -> None:
        forget(target, layer_ids)
        (base,) = web.catalog.bases().values()
        web.catalog.forget_bases(target, (base.digest,))

    web.catalog.forget_layers = forget_all  # type: ignore[method-assign]
    error = error_of(web.bake_one())
    assert str(error) == "base 'bookworm' was removed while it was needed; bake again: bakery bake web"


def test_notes_name_their_role_set(web: Workplace) -> None:
    break_nginx(web)
    web.bake_one()
    assert {event.role_set for event in web.events if isinstance(event, Note)} == {"web"}
