"""What is told of a run by what Ansible prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from bakery.adapters.ansible.listener import Listener
from bakery.adapters.ansible.outcome import run_failure
from bakery.adapters.ansible.paths import PathShower
from bakery.model.project import Timeouts
from bakery.model.run import FailureKind, TaskProgress, TaskWarning


@pytest.mark.parametrize(
    ("origin", "path"),
    [
        ("/shop/roles/web/vars/main.yml", "roles/web/vars/main.yml"),
        ("/shop/roles/web/tasks/main.yml:3", "roles/web/tasks/main.yml:3"),
        ("/shop/roles/web/tasks/main.yml:3:7", "roles/web/tasks/main.yml:3"),
    ],
)
def test_a_failure_before_any_task_has_the_place_that_ansible_names(origin: str, path: str) -> None:
    listener = Listener(lambda _: None, PathShower(Path("/shop"), Path("/private")))
    listener.read({"event": "verbose", "stdout": f"[ERROR]: Decryption failed.\nOrigin: {origin}\n\n"})
    failure = run_failure(listener, rc=4, stopped=None, timeouts=Timeouts())
    assert failure is not None
    assert failure.path == path
    assert failure.message.splitlines()[0] == "Decryption failed."


def test_a_failure_before_any_task_is_the_roles_whose_file_it_is_in() -> None:
    paths = PathShower(Path("/shop"), Path("/private"), (Path("/shop/roles"), Path("/shared/roles")))
    for origin, role in (
        ("/shop/roles/web/tasks/main.yml:3:7", "web"),
        ("/shared/roles/db/meta/main.yml:1:1", "db"),
        ("/shop/playbooks/it.yml:1:1", None),
        ("/private/project/bakery_provision.yml:8:1", None),
    ):
        listener = Listener(lambda _: None, paths)
        listener.read({"event": "verbose", "stdout": f"[ERROR]: No.\nOrigin: {origin}\n\n"})
        failure = run_failure(listener, rc=4, stopped=None, timeouts=Timeouts())
        assert failure is not None
        assert failure.role == role
        assert failure.play == (f"Apply role {role}" if role else None)


@pytest.mark.parametrize(
    ("reason", "setting"),
    [(FailureKind.IDLE, "defaults.timeouts.idle"), (FailureKind.TIMEOUT, "defaults.timeouts.total")],
)
def test_a_run_that_took_too_long_names_the_setting(reason: FailureKind, setting: str) -> None:
    listener = Listener(lambda _: None, PathShower(Path("/shop"), Path("/private")))
    failure = run_failure(listener, rc=None, stopped=reason, timeouts=Timeouts(15, 60))
    assert failure is not None
    assert "hint: " in failure.message
    assert f"{setting} in bakery.yml" in failure.message


PROVISIONING = {
    "play": "Apply role web",
    "role": "web",
    "task": "Do it",
    "task_path": "/shop/roles/web/t.yml:1",
}


def warned(*events: dict[str, object]) -> list[str]:
    """The warnings that a watcher is told while these events come."""
    seen: list[object] = []
    paths = PathShower(Path("/shop"), Path("/private"), (Path("/shop/roles"),))
    listener = Listener(seen.append, paths)
    for event in events:
        listener.read(event)
    told = [one.text for one in seen if isinstance(one, TaskWarning)]
    assert told == listener.warnings
    return told


def test_what_a_module_warns_of_is_told_once_with_its_role() -> None:
    result = {"warnings": ["/shop/roles/web/files/x is odd"], "results": [{"warnings": ["odd item"]}]}
    event = {"event": "runner_on_ok", "event_data": {**PROVISIONING, "res": result}}
    assert warned(event, event) == ["role 'web': roles/web/files/x is odd", "role 'web': odd item"]


def test_what_a_step_of_a_target_warns_of_has_no_role() -> None:
    where = {"play": "Boot an image", "role": "bakery.images.target_container", "task": "Boot the image"}
    event = {"event": "runner_on_ok", "event_data": {**where, "res": {"warnings": ["x.service failed"]}}}
    assert warned(event) == ["x.service failed"]


def test_output_that_is_hidden_warns_of_nothing() -> None:
    result = {"censored": "hidden", "warnings": ["SENTINEL"]}
    assert warned({"event": "runner_on_ok", "event_data": {**PROVISIONING, "res": result}}) == []


def test_a_warning_that_ansible_prints_has_the_role_that_is_being_applied() -> None:
    started = {"event": "playbook_on_task_start", "event_data": PROVISIONING}
    assert warned(started, {"event": "verbose", "stdout": "[WARNING]: odd"}) == ["role 'web': odd"]
    origin = "[WARNING]: odd\nOrigin: /shop/roles/db/tasks/main.yml:3:1\n\n3 x"
    assert warned(started, {"event": "verbose", "stdout": origin}) == [
        "role 'db': odd (roles/db/tasks/main.yml:3)"
    ]
    assert warned({"event": "verbose", "stdout": "[WARNING]: odd"}) == ["odd"]


def test_a_module_of_ours_tells_how_far_it_is() -> None:
    seen: list[object] = []
    listener = Listener(seen.append, PathShower(Path("/shop"), Path("/private")))
    listener.read({"event": "verbose", "stdout": "\x1b[0mbakery: image ami-1 is pending: snap-1 at 43%\r\n"})
    listener.read({"event": "verbose", "stdout": "a role prints something"})
    assert seen == [TaskProgress("image ami-1 is pending: snap-1 at 43%")]
