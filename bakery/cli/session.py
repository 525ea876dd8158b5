"""What the global options and the environment decide for one invocation."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Session:
    """One invocation.

    ``project`` is what --project named, a project file or its directory; None means: search upwards.
    ``verbosity`` is -1 with --quiet and counts --verbose.
    """

    project: Path | None
    home: Path
    json: bool = False
    colour: bool = True
    verbosity: int = 0

    @property
    def quiet(self) -> bool:
        return self.verbosity < 0


def default_home() -> Path:
    """$BAKERY_HOME, else /var/lib/bakery for root and bakery/ in the XDG data directory for others."""
    if given := os.environ.get("BAKERY_HOME"):
        return Path(given).absolute()
    if os.geteuid() == 0:
        return Path("/var/lib/bakery")
    data = os.environ.get("XDG_DATA_HOME")
    return (Path(data) if data else Path.home() / ".local" / "share") / "bakery"
