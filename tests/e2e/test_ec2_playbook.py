"""An AMI by a playbook that imports the collection's bake, with nothing of the package."""

from __future__ import annotations

import json
import os
import subprocess
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


def test_a_playbook_bakes_an_ami(world: World, tmp_path: Path, repository: Path, bin_directory: Path) -> None:
    for role, text in (("first", "one"), ("second", "two")):
        tasks = tmp_path / "roles" / role / "tasks" / "main.yml"
        tasks.parent.mkdir(parents=True)
        tasks.write_text(write(f"/etc/{role}", text))
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks" / "test_image.py").write_text(_CHECK)
    variables = {
        "bakery_name": "web",
        "bakery_home": str(tmp_path / "home"),
        "bakery_target": "ec2",
        "bakery_base": {
            "name": "debian-12",
            "source": {"ami": {"owner": world.base_owner, "name": "debian-12-amd64-*"}},
        },
        "bakery_roles": [{"role": "first"}, {"role": "second"}],
        "bakery_checks": ["checks"],
        "bakery_options": {"region": world.region, "launch": {"address": "private"}},
    }
    play = [{"ansible.builtin.import_playbook": "bakery.images.bake", "vars": variables}]
    (tmp_path / "site.yml").write_text(json.dumps(play))
    hidden = ("ANSIBLE", "AWS", "BAKERY")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    environment |= world.environment | {
        "ANSIBLE_COLLECTIONS_PATH": str(repository / "collections"),
        "ANSIBLE_NOCOLOR": "1",
    }
    done = subprocess.run(
        [bin_directory / "ansible-playbook", "site.yml"],
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
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
    assert "bakery: instance i-" in done.stdout
    assert list((tmp_path / "home" / "ec2" / "machines").iterdir()) == []
