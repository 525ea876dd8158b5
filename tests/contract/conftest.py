"""One pipeline for every target kind: playbooks run by ansible-playbook, results read from set_stats."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
# What a base of each kind is made from; the smallest that Ansible needs nothing of.
SOURCES: dict[str, dict[str, Any]] = {
    "container": {"debian": {"suite": "bookworm", "systemd": False}},
    "null": {"debian": {"suite": "bookworm", "systemd": False}},
}


class PlaybookFailed(Exception):
    """A playbook that had to work did not; the message is its output."""


@dataclass(frozen=True)
class Pipeline:
    """Runs the project's playbooks on one target kind in one home."""

    kind: str
    home: Path
    playbooks: Path
    command: Path
    environment: dict[str, str]

    def run(self, playbook: str, **variables: Any) -> dict[str, Any]:
        """Run a playbook of ``playbooks/``; returns what it handed up."""
        results = self.home / "handed-up.json"
        results.unlink(missing_ok=True)
        settings = {"bakery_home": str(self.home), "bakery_target": self.kind, **variables}
        done = subprocess.run(
            [self.command, "-i", "localhost,", "-e", json.dumps(settings), self.playbooks / playbook],
            env=self.environment | {"HANDED_UP": str(results)},
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise PlaybookFailed(done.stdout)
        handed_up: dict[str, Any] = json.loads(results.read_text())
        return handed_up

    def machines(self) -> list[str]:
        directory = self.home / self.kind / "machines"
        return sorted(path.name for path in directory.iterdir()) if directory.is_dir() else []


@pytest.fixture(scope="session")
def new_pipeline(
    tmp_path_factory: pytest.TempPathFactory, repository: Path, bin_directory: Path
) -> Callable[[str], Pipeline]:
    def make(kind: str) -> Pipeline:
        hidden = ("BAKERY", "ANSIBLE", "CONTAINERS_CONF")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
        environment |= {
            "ANSIBLE_COLLECTIONS_PATH": str(repository / "collections"),
            "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "callback_plugins"),
            "ANSIBLE_CALLBACKS_ENABLED": "handed_up",
            "ANSIBLE_CONFIG": str(HERE / "ansible.cfg"),
            "ANSIBLE_NOCOLOR": "1",
            "BAKERY_NULL_TARGET": "1",  # the roles here keep to the machine's directory
        }
        return Pipeline(
            kind=kind,
            home=tmp_path_factory.mktemp(f"home-{kind}"),
            playbooks=repository / "playbooks",
            command=bin_directory / "ansible-playbook",
            environment=environment,
        )

    return make


@pytest.fixture(
    scope="session",
    params=[
        pytest.param("null", id="null"),
        pytest.param(
            "container",
            id="container",
            marks=[pytest.mark.e2e, pytest.mark.slow],
        ),
    ],
)
def pipeline(request: pytest.FixtureRequest, new_pipeline: Callable[[str], Pipeline]) -> Pipeline:
    return new_pipeline(request.param)


@pytest.fixture(scope="session")
def base(pipeline: Pipeline) -> dict[str, Any]:
    """What the base step hands up."""
    return pipeline.run("base.yml", bakery_base={"name": "b", "source": SOURCES[pipeline.kind]})["base"]
