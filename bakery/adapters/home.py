"""The directory of everything bakery keeps: ``$BAKERY_HOME``."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from bakery.errors import MachineError

# Checks may say what only root could read.
_CLOSED = ("reports", "crashes")
_OTHERS = 0o077


def ensure_home(home: Path) -> Path:
    """Create ``home`` if need be; returns it.

    Root's may be passed through (0711): machines are entered from there as other users; what is secret in it
    has a mode of its own. Anybody else's is theirs alone (0700). What an older bakery left open in it is
    closed. Raises MachineError when it cannot be used.
    """
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        home.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, exist_ok=True)
    except OSError as error:
        raise MachineError(
            f"cannot create {home}: {_reason(error)}", hint="set BAKERY_HOME to a directory of yours"
        ) from error
    if not os.access(home, os.W_OK | os.X_OK):
        raise MachineError(
            f"cannot write to {home}",
            hint="run bakery as its owner or set BAKERY_HOME to a directory of yours",
        )
    for name in _CLOSED:
        _close(home / name)
    return home


def _close(folder: Path) -> None:
    """Take a folder of ours, and the files in it, from everybody but their owner."""
    with contextlib.suppress(OSError):  # not there, or somebody else's: the home's owner will do it
        if folder.stat(follow_symlinks=False).st_mode & _OTHERS:
            folder.chmod(0o700)
            for entry in os.scandir(folder):
                if entry.is_file(follow_symlinks=False):
                    Path(entry.path).chmod(0o600)


def _reason(error: OSError) -> str:
    if isinstance(error, FileExistsError):
        return "a file is in the way"
    return (error.strerror or "unknown error").lower()
