"""An AMI from nothing, in a world whose states take their time: how long, and how soon states are noticed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bench.ec2_states import AVAILABLE, RUNNING, STOPPED, States
from bench.failure import CommandFailed
from bench.install import ensure_packages, ensure_venv
from bench.peers.ami import AmiWork
from bench.peers.names import BAKERY, PACKER_AMI
from bench.peers.peer import Place
from bench.progress import Progress
from bench.timing import Timing
from bench.work import Project

if TYPE_CHECKING:
    from tests.ec2world.world import World

_TITLE = "An AMI of the mixed modules"
READY = f"{_TITLE}: image ready"
NOTICED = {
    RUNNING: f"{_TITLE}: an instance is running, until that is noticed",
    STOPPED: f"{_TITLE}: the instance is stopped, until that is noticed",
    AVAILABLE: f"{_TITLE}: the image is available, until that is noticed",
}
CAPTURED = f"{_TITLE}: the image is available, until its instance is released"
CHECKED = f"{_TITLE}: the last check is over, until its instance is released"
# How long things take in each round, in seconds: until an instance is running, until it is stopped, until an
# image is available, until an instance is terminated. They differ, so that nobody's pauses happen to fit.
_DELAYS = ((7.0, 17.0, 63.0, 31.0), (9.3, 21.6, 52.2, 26.4), (8.1, 13.3, 71.7, 35.9))
# A check that runs after all others, for the moment.
_LAST_CHECK = """\
import time
from pathlib import Path


def test_the_last_check(host):
    Path("{path}").write_text(str(time.time()))
"""


@dataclass
class Amis:
    """``project`` has the roles; every turn begins in an empty account."""

    place: Place
    project: Project
    rounds: int
    _seconds: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    _failures: dict[str, str] = field(default_factory=dict)

    def steps(self) -> list[str]:
        return [f"{_TITLE}: {who}" for _ in range(self.rounds) for who in (BAKERY, PACKER_AMI)]

    def run(self, progress: Progress) -> tuple[Timing, ...]:
        from tests.ec2world.world import World  # moto takes seconds to import

        ensure_packages("openssh-client", "packer")
        ensure_venv("ansible")
        shutil.rmtree(self._directory, ignore_errors=True)
        self._directory.mkdir(parents=True)
        last = self.project.directory / "checks" / "test_zz_last.py"
        last.write_text(_LAST_CHECK.format(path=self._checked))
        print("bench: making the world", flush=True)
        with World(self._directory / "world") as world:
            work = AmiWork(self.place, self.project, world, self._directory)
            work.lay_out()
            for turn in range(self.rounds):
                for who, make in ((BAKERY, work.bakery), (PACKER_AMI, work.packer)):
                    with progress.step(f"{_TITLE}: {who}", about=f", round {turn + 1} of {self.rounds}"):
                        _begin(world, turn)
                        self._turn(world, who, make)
        everything = [(task, who) for task in _TASKS for who in (BAKERY, PACKER_AMI)]
        return tuple(
            Timing(task, who, tuple(self._seconds.get((task, who), ())), self._failures.get(who))
            for task, who in everything
            if (task, who) in self._seconds or who in self._failures
        )

    def _turn(self, world: World, who: str, make: Callable[[], float]) -> None:
        if who in self._failures:
            return
        self._checked.unlink(missing_ok=True)
        try:
            with States(world) as states:
                seconds = make()
        except CommandFailed as error:
            self._failures[who] = f"failed: {error}"
            print(f"bench:     failed: {error}", flush=True)
            return
        print(f"bench:     {seconds:.1f} s", flush=True)
        self._add(READY, who, seconds)
        for state, task in NOTICED.items():
            self._add(task, who, *states.noticed(state))
        self._add(CAPTURED, who, states.released_after_capture())
        if self._checked.exists():
            over = datetime.fromtimestamp(float(self._checked.read_text()), UTC)
            self._add(CHECKED, who, states.released_after_use(over))

    def _add(self, task: str, who: str, *seconds: float) -> None:
        self._seconds.setdefault((task, who), []).extend(seconds)

    @property
    def _directory(self) -> Path:
        return self.place.directory / "ami"

    @property
    def _checked(self) -> Path:
        return self._directory / "checked"


_TASKS = (READY, *NOTICED.values(), CAPTURED, CHECKED)


def _begin(world: World, turn: int) -> None:
    """An empty account, in which things take their time."""
    world.forget()
    world.empty_account()
    delays = world.delays
    delays.instance_s, delays.stop_s, delays.image_s, delays.terminate_s = _DELAYS[turn % len(_DELAYS)]
