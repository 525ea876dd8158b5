"""The shape of the machine that figures were taken on; no name and no path of it."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Host:
    processors: int
    memory_gib: int
    architecture: str
    kernel: str

    @classmethod
    def here(cls) -> Host:
        pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        release = re.match(r"\d+(\.\d+)*", platform.release())
        kernel = f"{platform.system()} {release.group() if release else platform.release()}"
        processors = len(os.sched_getaffinity(0))
        return cls(processors, round(pages / 2**30), platform.machine(), kernel)

    @property
    def words(self) -> str:
        parts = (f"{self.processors} processors", f"{self.memory_gib} GiB of memory")
        return ", ".join((*parts, self.architecture, self.kernel))


def load() -> float:
    """How busy the machine was, over the last five minutes."""
    return float(Path("/proc/loadavg").read_text().split()[1])
