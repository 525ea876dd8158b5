"""Reports of checks: files for their owner alone, as checks may say what only root could read."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bakery.adapters.home import ensure_home
from bakery.errors import MachineError

_ALL_BUT_OWNER = 0o077


def keep_report(path: Path, report: Mapping[str, Any]) -> None:
    """Write ``report`` as JSON to ``path`` below a home, whole or not at all.

    A folder that an older bakery left open to others is closed, with what is in it. Raises MachineError.
    """
    ensure_home(path.parent.parent)
    partial = path.with_name(f"{path.name}.{secrets.token_hex(8)}.partial")
    try:
        _close_folder(path.parent)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with open(descriptor, "w", encoding="ascii") as file:  # noqa: PTH123  # a Path cannot take a descriptor
                json.dump(report, file, indent=2)
                file.write("\n")
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise MachineError(
            f"the report {path} cannot be written: {(error.strerror or '').lower()}"
        ) from error


def _close_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_mode & _ALL_BUT_OWNER:
        folder.chmod(0o700)
        for entry in os.scandir(folder):
            if entry.is_file(follow_symlinks=False):
                Path(entry.path).chmod(0o600)
