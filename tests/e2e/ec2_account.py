"""An account that is a world, and a project of two roles that is baked in it through the command line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3

from tests.e2e.conftest import Kitchen
from tests.e2e.small_project import write
from tests.ec2world.calls import Call
from tests.ec2world.world import World

# JSON is YAML.
_PROJECT = """\
version: 1
bases:
  debian-12:
    ami: {base}
role_sets:
  web:
    base: debian-12
    roles: [first, second]
    checks: [checks]
    targets: [ec2]
targets:
  ec2: {options}
"""
CHECKS = """\
def test_both_roles_are_in_the_image(host):
    assert host.file("/etc/first").content_string == "one"
    assert host.file("/etc/second").content_string == "two"


def test_the_image_booted_as_a_new_instance(host):
    assert host.run("cloud-init status").stdout.strip() == "status: done"
"""
NOTHING: dict[str, list[str]] = {
    "instances": [],
    "volumes": [],
    "network-interfaces": [],
    "security-groups": [],
    "key-pairs": [],
    "images": [],
    "snapshots": [],
}


@dataclass(frozen=True)
class Account(Kitchen):
    """A kitchen whose AWS is a world; ``without`` are variables that its commands do not get."""

    world: World = field(kw_only=True)
    without: frozenset[str] = field(default=frozenset(), kw_only=True)

    @property
    def environment(self) -> dict[str, str]:
        found = super().environment | self.world.environment
        return {name: value for name, value in found.items() if name not in self.without}

    def write_project(self, *, base: Mapping[str, str] | None = None, **options: Any) -> None:
        """Write bakery.yml; ``options`` of the target take the place of the usual ones, None: of none."""
        usual = {"region": self.world.region, "launch": {"address": "private"}}
        given = {name: value for name, value in {**usual, **options}.items() if value is not None}
        base = base or {"owner": self.world.base_owner, "name": "debian-12-amd64-*"}
        text = _PROJECT.format(base=json.dumps(base), options=json.dumps(given))
        (self.project / "bakery.yml").write_text(text)

    def write_role(self, role: str, tasks: str) -> None:
        file = self.project / "roles" / role / "tasks" / "main.yml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(tasks)

    def left(self, region: str | None = None) -> dict[str, list[str]]:
        return self.world.left(region or self.world.region)

    def client(self, region: str | None = None) -> Any:
        options = self.world.client_options
        return boto3.client("ec2", **options | {"region_name": region or options["region_name"]})

    def describe(self, image: str) -> Mapping[str, Any]:
        (found,) = self.client().describe_images(ImageIds=[image])["Images"]
        described: Mapping[str, Any] = found
        return described

    def made(self) -> list[str]:
        """The calls that made, changed or removed something."""
        return [action for action in self.world.actions() if not action.startswith(("Describe", "Get"))]

    def launches(self) -> list[Call]:
        """The calls that launched something."""
        return [call for call in self.world.calls if call.action == "RunInstances" and not call.dry]


def make_account(command: Path, directory: Path, world: World) -> Account:
    """A project of two roles with a home of its own, and an empty account."""
    account = Account(command, directory / "home", directory / "shop", world=world)
    for role, text in (("first", "one"), ("second", "two")):
        account.write_role(role, write(f"/etc/{role}", text))
    (account.project / "checks").mkdir()
    (account.project / "checks" / "test_image.py").write_text(CHECKS)
    account.write_project()
    return account


def tags_of(thing: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in thing["Tags"]}
