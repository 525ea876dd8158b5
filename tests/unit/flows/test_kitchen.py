"""What a failed run means, and how a machine is minded."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bakery.errors import ExitCode, InterruptedBake, MachineError, Place, ProvisionError
from bakery.flows.kitchen import LayerCorrupt, error_of, minded_machine, new_machine_id, now_text
from bakery.model.run import FailureKind, RunFailure
from tests.unit.builders import TARGET, project, role_set
from tests.unit.fake_target import task_failure
from tests.unit.flows.workplace import Workplace

MEANINGS = [
    (RunFailure(FailureKind.CANCELLED, "cancelled"), InterruptedBake, ExitCode.INTERRUPTED),
    (RunFailure(FailureKind.CANCELLED, "cancelled", role="nginx"), InterruptedBake, ExitCode.INTERRUPTED),
    (task_failure("nginx"), ProvisionError, ExitCode.PROVISION_FAILED),
    (task_failure("acme.web.nginx"), ProvisionError, ExitCode.PROVISION_FAILED),
    (task_failure("nginx", kind=FailureKind.IDLE), ProvisionError, ExitCode.PROVISION_FAILED),
    (task_failure("nginx", kind=FailureKind.TIMEOUT), ProvisionError, ExitCode.PROVISION_FAILED),
    (task_failure("target_null", play="Launch a machine"), MachineError, ExitCode.MACHINE_FAILED),
    (task_failure("target_practice"), ProvisionError, ExitCode.PROVISION_FAILED),
    (task_failure(None), MachineError, ExitCode.MACHINE_FAILED),
    (RunFailure(FailureKind.NO_HOST, "no host matched"), MachineError, ExitCode.MACHINE_FAILED),
    (RunFailure(FailureKind.ANSIBLE, "no such playbook"), MachineError, ExitCode.MACHINE_FAILED),
    (
        task_failure("target_null", play="Freeze", details={"kind": "layer_corrupt", "layer": "l1"}),
        LayerCorrupt,
        ExitCode.MACHINE_FAILED,
    ),
    (
        task_failure("nginx", details={"kind": "layer_corrupt", "layer": "l1"}),
        ProvisionError,
        ExitCode.PROVISION_FAILED,
    ),
    (task_failure("nginx", details={"kind": "base_gone"}), ProvisionError, ExitCode.PROVISION_FAILED),
]


@pytest.mark.parametrize(("failure", "kind", "code"), MEANINGS)
def test_a_failure_means_one_error_and_exit_code(
    failure: RunFailure, kind: type[Exception], code: ExitCode
) -> None:
    error = error_of(failure)
    assert type(error) is kind
    assert error.exit_code is code


def test_a_corrupt_layer_is_named() -> None:
    error = error_of(task_failure(None, details={"kind": "layer_corrupt", "layer": "l1"}))
    assert isinstance(error, LayerCorrupt)
    assert error.layer_id == "l1"


def test_a_failed_role_says_where() -> None:
    error = error_of(task_failure("nginx", "no such package"))
    assert error.where == Place("roles/nginx/tasks/main.yml", 3)
    assert error.message == "role 'nginx', task 'Do it': no such package"


@pytest.mark.parametrize(
    ("path", "where"),
    [
        (None, None),
        ("a.yml", Place("a.yml")),
        ("a:b.yml:7", Place("a:b.yml", 7)),
        ("a.yml:x", Place("a.yml:x")),
    ],
)
def test_a_place_is_read_from_a_tasks_path(path: str | None, where: Place | None) -> None:
    assert error_of(task_failure("nginx", path=path)).where == where


def test_times_are_rfc_3339_in_utc_and_whole_seconds() -> None:
    moment = datetime(2024, 5, 1, 12, 30, 15, 999_999, tzinfo=UTC)
    assert now_text(lambda: moment) == "2024-05-01T12:30:15Z"


def test_machine_ids_are_twelve_hexadecimal_digits() -> None:
    ids = {new_machine_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(len(one) == 12 and int(one, 16) >= 0 for one in ids)


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return Workplace(project(role_set("web", "nginx")), tmp_path)


def test_a_machine_is_discarded_whatever_is_raised(place: Workplace) -> None:
    with (
        pytest.raises(KeyboardInterrupt),
        minded_machine(place.kitchen, TARGET, purpose="shell", role_set="web"),
    ):
        raise KeyboardInterrupt
    assert place.diary.lines == ["open shell", "run discard", "close shell"]


def test_a_machine_that_its_step_discarded_is_not_discarded_twice(place: Workplace) -> None:
    with minded_machine(place.kitchen, TARGET, purpose="bake", role_set="web") as machine:
        machine.gone()
    assert place.diary.lines == ["open bake", "close bake"]


def test_a_machine_that_cannot_be_discarded_stays_in_the_journal(place: Workplace) -> None:
    place.ansible.failures["discard"] = task_failure("target_null", "mount is busy", play="Discard it")
    with (
        pytest.raises(MachineError, match="mount is busy"),
        minded_machine(place.kitchen, TARGET, purpose="shell", role_set="web"),
    ):
        pass
    assert len(place.catalog.open_machines()) == 1


def test_no_machine_is_journalled_after_a_request_to_stop(place: Workplace) -> None:
    place.cancel.request()
    with (
        pytest.raises(InterruptedBake),
        minded_machine(place.kitchen, TARGET, purpose="bake", role_set="web"),
    ):
        pass
    assert place.diary.lines == []


def test_no_run_begins_after_a_request_to_stop(place: Workplace) -> None:
    place.cancel.request()
    with pytest.raises(InterruptedBake):
        place.kitchen.run("sweep.yml", TARGET, {})
    assert place.ansible.runs == []


def test_trouble_in_a_step_of_bakery_names_no_file_of_its_own() -> None:
    path = "ansible_collections/bakery/images/roles/target_null/tasks/boot.yml:2"
    error = error_of(task_failure("target_null", "no room", play="Boot", path=path))
    assert error.where is None
    assert error.message == "Do it: no room"
