"""What a run of benchmarks works in, and which benchmarks there are."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench import ami, boundary, packing, ssh
from bench.base import load_base, make_base
from bench.engine import Engine
from bench.failure import NotRun
from bench.install import ensure_packages
from bench.peers.bakery import Bakery
from bench.peers.bender import Bender
from bench.peers.containerfile import Containerfile
from bench.peers.packer import Packer
from bench.peers.peer import CachingPeer, Peer, Place
from bench.peers.playbook import Playbook
from bench.places import PEERS, work_directory
from bench.progress import Progress
from bench.race import Race, Rerun
from bench.timing import Timing
from bench.work import Project, Work
from bench.workloads import api, commands, mixed, public

# Works that are baked from nothing, by the name they are selected by.
WORKS: Mapping[str, Callable[[Path], Work]] = {
    "commands": commands.work,
    "mixed": mixed.work,
    "api": api.work,
    "public": public.work,
}
AGAIN, BOUNDARY, PACKING, SSH, AMI = "again", "boundary", "packing", "ssh", "ami"
BENCHMARKS = (*WORKS, AGAIN, BOUNDARY, PACKING, SSH, AMI)
PEER_NAMES = ("bakery", "bakery-off", "mitogen", "podman", "bender", "packer", "buildah")


class Benchmark(Protocol):
    """Something to measure, in steps that are known before."""

    def steps(self) -> list[str]: ...

    def run(self, progress: Progress) -> tuple[Timing, ...]:
        """Raises NotRun if all of it is impossible here."""


@dataclass(frozen=True)
class Kitchen:
    """A directory with a store of its own and the base in it; ``peers`` are the names of who competes."""

    place: Place
    peers: tuple[str, ...]

    @classmethod
    @contextlib.contextmanager
    def opened(cls, peers: tuple[str, ...]) -> Iterator[Kitchen]:
        """Whatever an earlier run left is removed first, and whatever this one made at the end."""
        PEERS.mkdir(parents=True, exist_ok=True)
        with (PEERS / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise NotRun("another benchmark of this checkout is running") from error
            directory = work_directory()
            kitchen = cls(Place(directory, Engine(directory / "engine")), peers)
            kitchen.clean()
            try:
                directory.mkdir(parents=True)
                yield kitchen
            finally:
                # A second Ctrl-C would only leave more behind.
                before = signal.signal(signal.SIGINT, signal.SIG_IGN)
                kitchen.clean()
                signal.signal(signal.SIGINT, before)

    @property
    def bakery(self) -> Bakery:
        return Bakery(self.place)

    def clean(self) -> None:
        logs = self.place.directory / "logs"
        if logs.is_dir():
            shutil.rmtree(PEERS / "logs", ignore_errors=True)
            shutil.move(logs, PEERS / "logs")
        self.bakery.sweep()
        self.place.engine.remove()
        shutil.rmtree(self.place.directory, ignore_errors=True)

    def benchmark(self, name: str, rounds: int) -> Benchmark:
        """Lays out what it needs; raises NotRun if it cannot be had."""
        if name == PACKING:
            ensure_packages("buildah", "zstd")
            self.place.engine.prepare()
            return packing.Packing(self.place, rounds)
        if name == BOUNDARY:
            self._ensure_base(self._project("commands"))
            return boundary.Boundary(self.bakery.home, rounds)
        if name == AMI:
            return ami.Amis(self.place, self._project("mixed", AMI), rounds)
        if name == SSH:
            project = self._project("mixed")
            self._ensure_base(project)
            return ssh.OverSsh(self.bakery, project, rounds)
        project = self._project("api" if name == AGAIN else name)
        self._ensure_base(project)
        if name == AGAIN:
            return self._rerun(project, rounds)
        return Race(project, self._competitors(project.work), rounds)

    def _project(self, name: str, directory: str = "") -> Project:
        """The work of that name, in a directory of the same name unless another one is given."""
        work = WORKS[name](self.place.directory / "sources")
        project = Project(work, self.place.directory / "projects" / (directory or name))
        if not project.playbook.exists():
            project.lay_out()
        return project

    def _ensure_base(self, project: Project) -> None:
        if self.bakery.home.exists():
            return
        print("bench: making the base", flush=True)
        make_base(self.bakery.home, project, self.place.log("base"))
        self.place.engine.prepare()
        load_base(self.bakery.home, self.place)

    def _competitors(self, work: Work) -> list[Peer]:
        """bakery first: the Containerfile copies files that it made."""
        place = self.place
        everybody: dict[str, Peer] = {
            "bakery": Bakery(place),
            "bakery-off": Bakery(place, executor=False),
            "mitogen": Playbook(place, mitogen=True),
            "podman": Playbook(place),
            "bender": Bender(place),
            "packer": Packer(place),
            "buildah": Containerfile(place),
        }
        if not work.net:
            del everybody["bakery-off"]
        return [peer for name, peer in everybody.items() if name in self.peers]

    def _rerun(self, project: Project, rounds: int) -> Rerun:
        place = self.place
        caching: dict[str, CachingPeer] = {
            "bakery": Bakery(place),
            "bender": Bender(place),
            "buildah": Containerfile(place),
        }
        others: dict[str, Peer] = {
            "mitogen": Playbook(place, mitogen=True),
            "podman": Playbook(place),
            "packer": Packer(place),
        }
        return Rerun(
            project,
            [peer for name, peer in caching.items() if name in self.peers],
            [peer for name, peer in others.items() if name in self.peers],
            rounds,
        )
