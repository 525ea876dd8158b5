"""What is told of a run by what Ansible prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from bakery.adapters.ansible.listener import Listener
from bakery.adapters.ansible.outcome import run_failure
from bakery.adapters.ansible.paths import PathShower
from bakery.model.project import Timeouts
from bakery.model.run import TaskProgress


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


def test_a_module_of_ours_tells_how_far_it_is() -> None:
    seen: list[object] = []
    listener = Listener(seen.append, PathShower(Path("/shop"), Path("/private")))
    listener.read({"event": "verbose", "stdout": "\x1b[0mbakery: image ami-1 is pending: snap-1 at 43%\r\n"})
    listener.read({"event": "verbose", "stdout": "a role prints something"})
    assert seen == [TaskProgress("image ami-1 is pending: snap-1 at 43%")]
