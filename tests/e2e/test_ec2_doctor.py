"""`bakery doctor` where a project bakes AMIs, and where none does."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Kitchen
from tests.ec2world.world import World

pytestmark = pytest.mark.e2e

_PROJECT = """\
version: 1
bases:
  debian-12:
    ami: {{owner: "{owner}", name: debian-12-amd64-*}}
role_sets:
  web:
    base: debian-12
    roles: [first]
    checks: [checks]
    targets: [ec2]
"""
NEEDS = {"boto3", "OpenSSH", "AWS region", "AWS credentials"}
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


@dataclass(frozen=True)
class Host(Kitchen):
    """A kitchen whose AWS is a world; of the variables for that some are not set."""

    world: World = field(kw_only=True)
    unset: tuple[str, ...] = ()

    @property
    def environment(self) -> dict[str, str]:
        environment = super().environment | self.world.environment
        return {name: value for name, value in environment.items() if name not in self.unset}

    def doctor(self, code: int = 0) -> dict[str, Any]:
        """What is told of the needs of EC2, by need."""
        checks = self.run("doctor", "--json", code=code).document["checks"]
        return {one["need"]: one for one in checks if one["need"] in NEEDS}


@pytest.fixture
def project(tmp_path: Path, world: World) -> Path:
    project = tmp_path / "shop"
    tasks = project / "roles" / "first" / "tasks" / "main.yml"
    tasks.parent.mkdir(parents=True)
    tasks.write_text("---\n- name: Do nothing\n  ansible.builtin.debug:\n    msg: nothing\n")
    (project / "checks").mkdir()
    (project / "checks" / "test_image.py").write_text("def test_nothing(host):\n    assert host\n")
    (project / "bakery.yml").write_text(_PROJECT.format(owner=world.base_owner))
    return project


def test_credentials_that_work_are_told_by_their_account(
    bakery_command: Path, project: Path, world: World, tmp_path: Path
) -> None:
    needs = Host(bakery_command, tmp_path / "home", project, world=world).doctor()
    assert needs.keys() == NEEDS
    assert {one["status"] for one in needs.values()} == {"ok"}
    assert not any(one["optional"] for one in needs.values())
    assert needs["AWS credentials"]["found"] == f"account {world.account}, by env"
    assert needs["AWS region"]["found"] == f"{world.region}, of the AWS configuration"
    assert world.actions() == ["GetCallerIdentity"]
    secret = world.environment["AWS_SECRET_ACCESS_KEY"]
    assert secret not in str(needs)


def test_what_is_missing_is_told_with_what_to_do(
    bakery_command: Path, project: Path, world: World, tmp_path: Path
) -> None:
    unset = (*KEYS, "AWS_DEFAULT_REGION")
    bare = Host(bakery_command, tmp_path / "home", project, world=world, unset=unset)
    needs = bare.doctor(code=5)
    assert (needs["AWS region"]["status"], needs["AWS credentials"]["status"]) == ("missing", "missing")
    assert "write 'region' or set AWS_DEFAULT_REGION" in needs["AWS region"]["trouble"]
    assert "set AWS_PROFILE or AWS_ACCESS_KEY_ID" in needs["AWS credentials"]["trouble"]
    assert world.actions() == []
    file = project / "bakery.yml"
    file.write_text(f"{file.read_text()}targets:\n  ec2: {{region: eu-west-1}}\n")
    assert bare.doctor(code=5)["AWS region"]["found"] == "eu-west-1, of the project"


def test_credentials_that_are_refused_are_told_as_such(
    bakery_command: Path, project: Path, world: World, tmp_path: Path
) -> None:
    world.faults.fail("GetCallerIdentity", "InvalidClientTokenId", status=403, times=None)
    needs = Host(bakery_command, tmp_path / "home", project, world=world).doctor(code=5)
    assert "AWS does not accept the credentials" in needs["AWS credentials"]["trouble"]


def test_outside_of_a_project_that_uses_it_nothing_of_it_is_needed(
    bakery_command: Path, world: World, tmp_path: Path
) -> None:
    needs = Host(bakery_command, tmp_path / "home", tmp_path, world=world, unset=KEYS).doctor()
    assert needs["AWS credentials"]["status"] == "missing"
    assert all(one["optional"] for one in needs.values())
