"""A container store of the benchmark's own: the user's images know nothing of it, and it goes as a whole."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench import children

PREFIX = "bakery-bench"
BASE = f"localhost/{PREFIX}-base"
_NETWORK = {
    "name": "podman",
    "id": "0" * 63 + "1",
    "driver": "bridge",
    "network_interface": "bakerybench0",
    "subnets": [{"subnet": "10.213.0.0/16", "gateway": "10.213.0.1"}],
    "ipv6_enabled": False,
    "internal": False,
    "dns_enabled": False,
    "ipam_options": {"driver": "host-local"},
}


@dataclass(frozen=True)
class Engine:
    """podman and buildah on a store below ``directory``."""

    directory: Path

    @property
    def environment(self) -> dict[str, str]:
        """What every peer's process needs so that its engine uses this store."""
        return os.environ | {
            "CONTAINERS_CONF": str(self.directory / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(self.directory / "storage.conf"),
        }

    def prepare(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "containers.conf").write_text(_settings(self.directory))
        (self.directory / "storage.conf").write_text(
            "[storage]\n"
            'driver = "overlay"\n'
            f'graphroot = "{self.directory / "graph"}"\n'
            f'runroot = "{self.directory / "run"}"\n'
        )
        networks = self.directory / "networks"
        networks.mkdir(exist_ok=True)
        (networks / "podman.json").write_text(json.dumps(_NETWORK | {"created": "2000-01-01T00:00:00Z"}))

    def run(self, *argv: str) -> str:
        """A command of podman or buildah; raises CommandFailed."""
        log = self.directory / "engine.log"
        return children.run(argv, env=self.environment, log=log).output.strip()

    def tidy(self) -> None:
        """Remove containers, and images that have no name and under none that has."""
        for argv in (
            ("podman", "rm", "--force", "--all", "--volumes", "--time=0"),
            ("buildah", "rm", "--all"),
            ("podman", "image", "prune", "--force"),
        ):
            children.attempt(argv, env=self.environment)

    def forget(self, name: str) -> None:
        """Remove an image, and what only it was made of."""
        children.attempt(("podman", "rmi", "--force", name), env=self.environment)
        children.attempt(("podman", "image", "prune", "--force"), env=self.environment)

    def remove(self) -> None:
        """Everything: containers first, then what is still mounted, then the files."""
        if not self.directory.exists():
            return
        if (self.directory / "storage.conf").exists():
            self.tidy()
        for place in _mounts_below(self.directory):
            subprocess.run(["umount", "--lazy", place], check=False, capture_output=True)
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self.directory)


def _settings(directory: Path) -> str:
    """Engines without cgroup v2 need runc; limits above our own hard ones are refused."""
    limits = []
    for name, kind, wanted in (
        ("nofile", resource.RLIMIT_NOFILE, 65536),
        ("nproc", resource.RLIMIT_NPROC, 32768),
    ):
        hard = resource.getrlimit(kind)[1]
        limit = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        limits.append(f'"{name}={limit}:{limit}"')
    text = f"[containers]\ndefault_ulimits = [{', '.join(limits)}]\n"
    text += f'[network]\nnetwork_backend = "netavark"\nnetwork_config_dir = "{directory / "networks"}"\n'
    text += '[engine]\nevents_logger = "file"\n'
    if not Path("/sys/fs/cgroup/cgroup.controllers").exists():
        text += 'runtime = "runc"\ncgroup_manager = "cgroupfs"\n'
    return text


def _mounts_below(directory: Path) -> list[str]:
    """Mount points in ``directory``, innermost first (proc(5), mountinfo)."""
    prefix = f"{directory}/"
    places = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return sorted((place for place in places if place.startswith(prefix)), key=len, reverse=True)
