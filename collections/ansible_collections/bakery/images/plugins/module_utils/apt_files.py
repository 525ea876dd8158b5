# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moving files of apt's between directories that machines fill and the store's, beneath descriptors."""

from __future__ import annotations

import errno
import os
import stat
from itertools import islice

from ansible_collections.bakery.images.plugins.module_utils.apt_lists import ARCHIVE_NAME, opened
from ansible_collections.bakery.images.plugins.module_utils.beneath import (
    open_beneath,
    open_directory,
    open_regular,
)

_BLOCK = 1 << 20
_MOST_ARCHIVES = 5000


def link_all(source: str, target: str) -> None:
    """Second names for the store's files: they are below an overlay mount, where nothing writes them."""
    with opened(source) as before, opened(target) as after:
        for name in os.listdir(before):
            os.link(name, name, src_dir_fd=before, dst_dir_fd=after)


def remove_files(directory: str) -> None:
    """Remove the files in a directory of the host's own."""
    for name in os.listdir(directory):
        os.unlink(os.path.join(directory, name))


def archive_files(upper: int, place: str) -> list[tuple[str, os.stat_result]]:
    """Regular files that are called as archives are, in a directory that a machine filled."""
    directory = open_directory(upper, place)
    if directory is None:
        return []
    try:
        with os.scandir(directory) as entries:
            found = [
                (entry.name, entry.stat(follow_symlinks=False))
                for entry in islice(entries, _MOST_ARCHIVES)
                if ARCHIVE_NAME.match(entry.name)
            ]
    finally:
        os.close(directory)
    return [(name, status) for name, status in found if stat.S_ISREG(status.st_mode)]


def flush_file(directory: int, name: str) -> None:
    """Have what is in a regular file written to the disk."""
    descriptor = open_regular(directory, name)
    if descriptor is not None:
        os.fsync(descriptor)
        os.close(descriptor)


def copy_file(source: int, target: int, name: str, *, limit: int) -> int:
    """Copy a regular file and its time into a new one of the same name, both beneath descriptors, durably.

    Returns its size. OSError (EFBIG) if that is over ``limit`` by now: whoever looked may have seen less.
    """
    original = open_regular(source, name)
    if original is None:
        raise FileNotFoundError(name)
    with os.fdopen(original, "rb") as reader:
        status = os.fstat(reader.fileno())
        if status.st_size > limit:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), name)
        copy = open_beneath(target, name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode=0o644)
        with os.fdopen(copy, "wb") as writer:
            left = status.st_size
            while left and (block := reader.read(min(left, _BLOCK))):
                writer.write(block)
                left -= len(block)
            writer.flush()
            os.fsync(writer.fileno())
            os.utime(writer.fileno(), ns=(status.st_mtime_ns, status.st_mtime_ns))
    return status.st_size
