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


def keep_report(path: Path, report: Mapping[str, Any]) -> None:
    """Write ``report`` as JSON to ``path`` in a folder of a home, whole or not at all.

    Raises MachineError when it cannot be written.
    """
    ensure_home(path.parent.parent)
    partial = path.with_name(f"{path.name}.{secrets.token_hex(8)}.partial")
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
