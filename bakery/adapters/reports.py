"""Reports of checks: files for their owner alone, as checks may say what only root could read."""

from __future__ import annotations

import json
import os
import re
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bakery.adapters.home import ensure_home
from bakery.adapters.owner import Life, own_namespace, process_life, this_owner
from bakery.errors import MachineError

_FOLDER = "reports"
# Who writes it; the name of an older bakery's does not say that.
_WRITER = re.compile(
    r".*\.(?P<pid>\d{1,10})-(?P<start>\d{1,20})-(?P<namespace>\d{1,20})\.[0-9a-f]{16}\.partial"
)
# Longer than anybody takes to write a report.
_UNSEEN_S = 86_400


def keep_report(path: Path, report: Mapping[str, Any]) -> None:
    """Write ``report`` as JSON to ``path`` in a folder of a home, whole or not at all.

    Raises MachineError when it cannot be written.
    """
    ensure_home(path.parent.parent)
    owner = this_owner("")
    writer = f"{owner.pid}-{owner.start}-{own_namespace()}.{secrets.token_hex(8)}"
    partial = path.with_name(f"{path.name}.{writer}.partial")
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with open(descriptor, "w", encoding="ascii") as file:  # noqa: PTH123  # a Path cannot take a descriptor
                # DEL is the one control character that JSON need not escape (RFC 8259, section 7).
                file.write(json.dumps(report, indent=2).replace("\x7f", "\\u007f") + "\n")
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise MachineError(
            f"the report {path} cannot be written: {(error.strerror or '').lower()}"
        ) from error


def sweep_reports(home: Path, dry_run: bool) -> tuple[Path, ...]:  # noqa: FBT001  # as sweep_private_dirs
    """Remove the unfinished reports in a home whose writers were killed. Returns them."""
    dead = tuple(path for path in sorted((home / _FOLDER).glob("*.partial")) if _is_dead(path))
    if not dry_run:
        for path in dead:
            path.unlink(missing_ok=True)
    return dead


def _is_dead(path: Path) -> bool:
    match = _WRITER.fullmatch(path.name)
    if match:
        life = process_life(int(match["pid"]), int(match["start"]), match["namespace"])
        if life is not Life.UNKNOWN:
            return life is Life.GONE
    try:
        return time.time() - path.lstat().st_mtime > _UNSEEN_S
    except FileNotFoundError:
        return False
