"""EC2 without the command line: a playbook that imports the collection's bake, and Molecule."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import count
from pathlib import Path

import boto3
import pytest

from tests.e2e.small_project import write
from tests.ec2world.world import World

pytestmark = pytest.mark.slow

_CHECK = """
def test_both_roles_are_in_the_image(host):
    assert host.file("/etc/first").content_string == "one"
    assert host.file("/etc/second").content_string == "two"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A directory with two roles and a check."""
    for role, text in (("first", "one"), ("second", "two")):
        tasks = tmp_path / "roles" / role / "tasks" / "main.yml"
        tasks.parent.mkdir(parents=True)
        tasks.write_text(write(f"/etc/{role}", text))
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks" / "test_image.py").write_text(_CHECK)
    return tmp_path


def run(world: World, project: Path, repository: Path, *words: str | Path) -> str:
    """All that a command in the project prints, with the account and the collection; it must succeed."""
    hidden = ("ANSIBLE", "AWS", "BAKERY", "MOLECULE")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    environment |= world.environment | {
        "ANSIBLE_COLLECTIONS_PATH": str(repository / "collections"),
        "ANSIBLE_NOCOLOR": "1",
        "BAKERY_HOME": str(project / "home"),
        # Molecule and Ansible look their own commands up on PATH.
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "MOLECULE_EPHEMERAL_DIRECTORY": str(project / "molecule-of-this-run"),
    }
    done = subprocess.run(
        words,
        cwd=project,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    assert list((project / "home" / "ec2" / "machines").iterdir()) == []
    return done.stdout + done.stderr


def test_a_playbook_bakes_an_ami_in_a_throttling_storm(world: World, project: Path, repository: Path) -> None:
    calls = count()
    storm = world.faults.throttle("*", times=None, when=lambda _: next(calls) % 3 == 0)
    variables = {
        "bakery_name": "web",
        "bakery_target": "ec2",
        "bakery_base": base(world),
        "bakery_roles": [{"role": "first"}, {"role": "second"}],
        "bakery_checks": ["checks"],
        "bakery_options": options(world),
    }
    play = [{"ansible.builtin.import_playbook": "bakery.images.bake", "vars": variables}]
    (project / "site.yml").write_text(json.dumps(play))
    said = run(world, project, repository, "ansible-playbook", "site.yml")
    world.faults.clear()
    assert storm.hits > len(world.calls) / 4
    left = world.left()
    (image,) = left["images"]
    assert {kind: ids for kind, ids in left.items() if ids} == {
        "images": [image],
        "snapshots": left["snapshots"],
    }
    ec2 = boto3.client("ec2", **world.client_options)
    (described,) = ec2.describe_images(ImageIds=[image])["Images"]
    assert {"Key": "bakery:status", "Value": "verified"} in described["Tags"]
    # It says how far it is while it waits.
    assert "bakery: instance i-" in said


def test_molecule_tests_a_role_on_an_instance(world: World, project: Path, repository: Path) -> None:
    scenario = project / "molecule" / "default"
    scenario.mkdir(parents=True)
    settings = {
        "driver": {"name": "default"},
        "platforms": [{"name": "web", "bakery_base": base(world)}],
        "prerun": False,
        "verifier": {
            "name": "testinfra",
            "directory": str(project / "checks"),
            "options": {"hosts": "bakery://web"},
        },
        "ansible": {"env": {"ANSIBLE_ROLES_PATH": str(project / "roles")}},
        "scenario": {"test_sequence": ["create", "converge", "idempotence", "verify", "destroy"]},
    }
    (scenario / "molecule.yml").write_text(json.dumps(settings))
    for step in ("create", "destroy"):
        variables = {"bakery_target": "ec2", "bakery_options": options(world)}
        play = [{"ansible.builtin.import_playbook": f"bakery.images.{step}", "vars": variables}]
        (scenario / f"{step}.yml").write_text(json.dumps(play))
    (scenario / "converge.yml").write_text(json.dumps([{"hosts": "web", "roles": ["first", "second"]}]))
    said = run(world, project, repository, "molecule", "test")
    assert "1 passed" in said
    assert [call.action for call in world.calls if call.action == "RunInstances"] == ["RunInstances"]
    assert not any(world.left().values())


def base(world: World) -> dict[str, object]:
    return {
        "name": "debian-12",
        "source": {"ami": {"owner": world.base_owner, "name": "debian-12-amd64-*"}},
    }


def options(world: World) -> dict[str, object]:
    return {"region": world.region, "launch": {"address": "private"}}
