"""Where the benchmarks find and put things."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BENCH = ROOT / "bench"
README = ROOT / "README.md"
RESULTS = BENCH / "results"
# Environments of the peers, public roles, and the work of a run: all that is made beside the results.
PEERS = BENCH / ".peers"
REQUIREMENTS = BENCH / "peers" / "requirements"
COLLECTIONS = ROOT / "collections"
# The interpreter's environment: bakery, ansible-playbook.
COMMANDS = ROOT / ".venv" / "bin"


def work_directory() -> Path:
    """Where layers, images and projects of a run lie: one place, so that the next run finds what one left."""
    chosen = os.environ.get("BAKERY_BENCH_DIR")
    return Path(chosen) / "bakery-bench" if chosen else PEERS / "work"


def roles_directory() -> Path:
    """Where the public roles are."""
    return Path(os.environ.get("BAKERY_BENCH_ROLES") or PEERS / "roles")
