"""Who makes an AMI in a world of EC2, each in its own words: bakery, and Packer."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import children
from bench.failure import NotRun
from bench.peers.packer import packer_environment, write_template
from bench.peers.peer import Place
from bench.peers.stopwatch import Stopwatch
from bench.places import COMMANDS, PEERS
from bench.work import Project

if TYPE_CHECKING:
    from tests.ec2world.world import World

_BASES = "debian-12-amd64-*"
_USER_DATA = """\
#cloud-config
disable_root: false
ssh_authorized_keys: ["{key}"]
"""


@dataclass(frozen=True)
class AmiWork:
    """The roles of ``project``, to be applied in ``world``; ``directory`` is for whatever else is needed."""

    place: Place
    project: Project
    world: World
    directory: Path

    def lay_out(self) -> None:
        """A bakery.yml for this account; a key and user data for Packer."""
        document = {
            "version": 1,
            "bases": {"debian-12": {"ami": {"owner": self.world.base_owner, "name": _BASES}}},
            "role_sets": {
                "web": {
                    "base": "debian-12",
                    "roles": [block.role for block in self.project.work.blocks],
                    "vars": dict(self.project.work.variables),
                    "checks": ["checks"],
                    "targets": ["ec2"],
                }
            },
            "targets": {"ec2": {"region": self.world.region, "launch": {"address": "private"}}},
            "defaults": {"roles_path": ["roles"]},
        }
        (self.project.directory / "bakery.yml").write_text(json.dumps(document))
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self._key)]
        subprocess.run(words, check=True, stdin=subprocess.DEVNULL)
        public = self._key.with_suffix(".pub").read_text().strip()
        self._user_data.write_text(_USER_DATA.format(key=public))

    def bakery(self) -> float:
        """Seconds of `bakery bake`, which also boots the image and runs the checks on it."""
        done = children.run(
            [COMMANDS / "bakery", "bake", "web", "--json", "--quiet", "--rebake"],
            cwd=self.project.directory,
            env=self._environment | {"BAKERY_HOME": str(self.directory / "home")},
            log=self.place.log("ami-bakery"),
        )
        (result,) = json.loads(done.output[done.output.index("{") :])["results"]
        if result["status"] != "baked":
            raise NotRun(f"bakery says {result['status']} though it was to bake again")
        return done.seconds

    def packer(self) -> float:
        """Seconds of `packer build`: amazon-ebs and the ansible provisioner, at their defaults.

        The key is not one that it makes: the base's sshd accepts no RSA key with a SHA-1 signature.
        """
        builder: dict[str, Any] = {
            "type": "amazon-ebs",
            "custom_endpoint_ec2": self.world.environment["AWS_ENDPOINT_URL"],
            "region": self.world.region,
            "skip_region_validation": True,
            "skip_metadata_api_check": True,
            "skip_credential_validation": True,
            "source_ami_filter": {
                "filters": {"name": _BASES},
                "owners": [self.world.base_owner],
                "most_recent": True,
            },
            "instance_type": "t3.small",
            "subnet_id": self.world.subnets[0],
            "ssh_interface": "private_ip",
            "ssh_username": "root",
            "ssh_private_key_file": str(self._key),
            "user_data_file": str(self._user_data),
            "ami_name": "web",
        }
        template = write_template(self.project.directory / "packer-ami.json", builder, self.project)
        directory = self.directory / "packer"
        watch = Stopwatch(directory / "bin", PEERS / "ansible" / "bin" / "ansible-playbook")
        return children.run(
            ["packer", "build", template],
            cwd=self.project.directory,
            env=self._environment | packer_environment(directory, watch.directory, self.project),
            log=self.place.log("ami-packer"),
        ).seconds

    @property
    def _environment(self) -> dict[str, str]:
        return os.environ | self.world.environment

    @property
    def _key(self) -> Path:
        return self.directory / "user"

    @property
    def _user_data(self) -> Path:
        return self.directory / "user-data"
