"""What every competitor can do, and what it is given to do it with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.engine import PREFIX, Engine
from bench.failure import NotRun, about_services
from bench.work import Project, Work


@dataclass(frozen=True)
class Baked:
    """Seconds from nothing but the base to an image ready to push.

    ``applying`` is the time of the process that applied the tasks, ``provisioning`` that of launching,
    applying and freezing all roles; each only where there is one to be told apart.
    """

    seconds: float
    applying: float | None = None
    provisioning: float | None = None


def without_systemd(error: NotRun, work: Work) -> NotRun:
    """The same failure; where roles manage services in a container that boots nothing, that is the reason."""
    if work.booted and about_services(str(error)):
        return NotRun(f"no systemd runs in its container: {error}")
    return error


class Peer(Protocol):
    """A competitor. Each method raises NotRun with the reason if it cannot do it."""

    @property
    def name(self) -> str: ...

    def install(self) -> None:
        """Bring what it needs; cheap when it is there."""

    def bake(self, project: Project, mark: str) -> Baked:
        """Bake everything, with nothing cached; ``mark`` is different each time."""


class CachingPeer(Peer, Protocol):
    """A competitor that keeps what it baked."""

    def bake_again(self, project: Project) -> Baked:
        """Bake what changed since the last time, be it nothing."""


@dataclass(frozen=True)
class Place:
    """What the peers share: the engine with the base in it, and room for files and logs."""

    directory: Path
    engine: Engine

    def image(self, peer: str) -> str:
        return f"localhost/{PREFIX}-{peer}"

    def log(self, name: str) -> Path:
        return self.directory / "logs" / f"{name}.log"
