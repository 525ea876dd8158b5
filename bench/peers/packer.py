"""Packer's docker builder, on a `docker` that is podman, with its ansible provisioner at the defaults."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import children
from bench.engine import BASE
from bench.failure import CommandFailed
from bench.install import ensure_packages, ensure_venv, site_packages
from bench.peers.names import PACKER
from bench.peers.peer import Baked, Place, without_systemd
from bench.peers.stopwatch import Stopwatch
from bench.places import PEERS
from bench.work import Project

# The provisioner's proxy has an RSA key with a SHA-1 signature, which the ssh of Debian 12 refuses.
_OLD_KEYS = "--ssh-common-args=-o HostKeyAlgorithms=+ssh-rsa -o PubkeyAcceptedAlgorithms=+ssh-rsa"


@dataclass(frozen=True)
class Packer:
    place: Place

    @property
    def name(self) -> str:
        return PACKER

    def install(self) -> None:
        ensure_packages("openssh-client", "packer")
        ensure_venv("ansible")

    def bake(self, project: Project, mark: str) -> Baked:
        engine, directory = self.place.engine, self.place.directory / "packer"
        project.set_tasks(mark=mark, changed=False)
        watch = Stopwatch(directory / "bin", PEERS / "ansible/bin/ansible-playbook")
        docker = watch.directory / "docker"
        docker.write_text('#!/bin/sh\nexec podman "$@"\n')
        docker.chmod(0o755)
        environment = engine.environment | packer_environment(directory, watch.directory, project)
        try:
            done = children.run(
                ["packer", "build", self._template(project)],
                cwd=project.directory,
                env=environment,
                log=self.place.log(f"{project.work.name}-packer"),
            )
            return Baked(done.seconds, applying=watch.seconds())
        except CommandFailed as error:
            raise without_systemd(error, project.work) from error
        finally:
            engine.tidy()

    def _template(self, project: Project) -> Path:
        path = project.directory / "packer.json"
        builder = {
            "type": "docker",
            "image": BASE,
            "pull": False,
            "commit": True,
            "run_command": ["-d", "-i", "-t", "--entrypoint=/bin/sh", "--", "{{.Image}}"],
        }
        return write_template(path, builder, project)


def packer_environment(directory: Path, programs: Path, project: Project) -> dict[str, str]:
    """What Packer is told beyond the usual: its files below ``directory``, ``programs`` before all others."""
    return {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "CHECKPOINT_DISABLE": "1",
        "PACKER_NO_COLOR": "1",
        "PACKER_CONFIG_DIR": str(directory),
        "TMPDIR": str(directory),
        "ANSIBLE_ROLES_PATH": str(project.directory / "roles"),
        "ANSIBLE_COLLECTIONS_PATH": str(site_packages(PEERS / "ansible")),
    }


def write_template(path: Path, builder: dict[str, Any], project: Project) -> Path:
    """A template of that builder and the project's playbook by the ansible provisioner; returns ``path``."""
    provisioner = {
        "type": "ansible",
        "playbook_file": str(project.playbook),
        "extra_arguments": [_OLD_KEYS],
    }
    path.write_text(json.dumps({"builders": [builder], "provisioners": [provisioner]}))
    return path
