"""Whether something is there, asked with a name that a user wrote.

``Path`` raises OSError or ValueError for names that no file can have: too long, with a NUL, behind a loop of
links or a directory that cannot be searched. Nothing is there then, and whoever asks says so.
"""

# ruff: noqa: PTH110, PTH112, PTH113

from __future__ import annotations

import os
from pathlib import Path


def is_there(path: Path) -> bool:
    """Whether there is anything, behind links if need be."""
    return os.path.exists(path)


def is_directory(path: Path) -> bool:
    """Whether it is a directory or a link to one."""
    return os.path.isdir(path)


def is_file(path: Path) -> bool:
    """Whether it is a regular file or a link to one."""
    return os.path.isfile(path)
