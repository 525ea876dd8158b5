"""A report of what should not have happened, kept in a file instead of shown."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import traceback
from datetime import UTC, datetime
from pathlib import Path

from bakery import __version__
from bakery.cli.session import default_home
from bakery.cli.text import clean


def save(error: BaseException) -> Path | None:
    """Write the traceback to ``$BAKERY_HOME/crashes`` or else the temporary directory; None if neither works.

    Readable by its owner alone: a traceback holds no values of variables, but the words of an exception may.
    """
    text = _report(error)
    name = f"bakery-{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.txt"
    for directory in (default_home() / "crashes", Path(tempfile.gettempdir())):
        try:
            if directory.parent.is_dir():
                directory.mkdir(exist_ok=True, mode=0o700)
            path = directory / name
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(clean(text))
        except OSError:
            continue
        return path
    return None


def _report(error: BaseException) -> str:
    trace = "".join(traceback.format_exception(error))
    return f"bakery {__version__}, Python {sys.version.split()[0]}, {platform.platform()}\n\n{trace}"
