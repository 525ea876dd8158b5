# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What apt's package lists depend on in a machine's tree: its sources, its keyrings, its architectures.

The tree is looked at from outside while nothing runs in it, beneath a descriptor, and within bounds: what is
in it was written by software that nobody trusts.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from ansible_collections.bakery.images.plugins.module_utils.beneath import (
    open_directory,
    open_regular,
    read_limited,
    status_beneath,
)

_APT = "etc/apt"
_PLACES = (_APT, "usr/share/keyrings")
_ARCHITECTURES = "var/lib/dpkg/arch"
# Pins choose among what the lists offer; they do not change lists.
_NO_SOURCES = ("etc/apt/preferences", "etc/apt/preferences.d")
# Many times what public roles have there: every project of Debian's keyrings together is below 2 MiB.
_MOST_FILES, _MOST_LEVELS, _MOST_BYTES = 2000, 8, 16 << 20


class _OutOfBoundsError(Exception):
    """More than anybody's sources, or something that is not told by what is in these directories."""


def sources_key(tree: str) -> str | None:
    """A digest of what package lists made in ``tree`` depend on.

    None if there is more of it than anybody needs, or if a link leads out of the digested directories:
    nobody can tell then whether it changed. Nothing may run in the tree.
    """
    digest = hashlib.sha256()
    left = _MOST_BYTES
    try:
        with _directory(tree) as root:
            if _apt_directory(root) is None:
                return None
            for path, status in _entries(root):
                if stat.S_ISREG(status.st_mode):
                    content = _content(root, path, limit=left)
                    left -= len(content)
                    digest.update(f"{path}\0{len(content)}\0".encode(errors="surrogateescape") + content)
                elif stat.S_ISLNK(status.st_mode):
                    target = _target(root, path)
                    digest.update(f"{path}\0->{target}\0".encode(errors="surrogateescape"))
    except (_OutOfBoundsError, OSError):
        return None
    return digest.hexdigest()[:32]


def newest_change(upper: str) -> float | None:
    """When sources were last changed (seconds) in ``upper``, what a machine changed; 0.0 if they were not.

    None if it cannot be told within the bounds. The time is the inode's, which nothing in a machine can set.
    """
    newest = 0.0
    try:
        with _directory(upper) as root:
            for place in _PLACES:
                # A directory that was touched tells of what was removed from it.
                status = status_beneath(root, place)
                newest = max(newest, status.st_ctime if status else 0.0)
            for _path, status in _entries(root):
                newest = max(newest, status.st_ctime)
    except (_OutOfBoundsError, OSError):
        return None
    return newest


def _apt_directory(root: int) -> os.stat_result | None:
    """The status of ``/etc/apt``, which must be a directory with no link on the way."""
    status = status_beneath(root, _APT)
    return status if status and stat.S_ISDIR(status.st_mode) else None


@contextmanager
def _directory(path: str) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _entries(root: int) -> Iterator[tuple[str, os.stat_result]]:
    """Paths and status of all that counts, in order."""
    count = 0
    for place in _PLACES:
        for path, status in _below(root, place, levels=_MOST_LEVELS):
            count += 1
            if count > _MOST_FILES:
                raise _OutOfBoundsError
            yield path, status
    if status_of_architectures := status_beneath(root, _ARCHITECTURES):
        yield _ARCHITECTURES, status_of_architectures


def _below(root: int, place: str, *, levels: int) -> Iterator[tuple[str, os.stat_result]]:
    if not levels:
        raise _OutOfBoundsError
    descriptor = open_directory(root, place)
    if descriptor is None:
        return
    try:
        for name in _names(descriptor):
            path = f"{place}/{name}"
            if path in _NO_SOURCES:
                continue
            status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            yield path, status
            if stat.S_ISDIR(status.st_mode):
                yield from _below(root, path, levels=levels - 1)
    finally:
        os.close(descriptor)


def _names(descriptor: int) -> list[str]:
    """The names in a directory, in order; counted while they are read."""
    names = []
    with os.scandir(descriptor) as entries:
        for entry in entries:
            if len(names) == _MOST_FILES:
                raise _OutOfBoundsError
            names.append(entry.name)
    return sorted(names)


def _content(root: int, path: str, *, limit: int) -> bytes:
    """OSError if it is over the limit."""
    descriptor = open_regular(root, path)
    if descriptor is None:
        raise _OutOfBoundsError
    try:
        return read_limited(descriptor, limit=limit, path=path)
    finally:
        os.close(descriptor)


def _target(root: int, path: str) -> str:
    """Where a link leads, which must be among what is digested: what it leads to counts."""
    parent, _slash, name = path.rpartition("/")
    directory = open_directory(root, parent)
    if directory is None:
        raise _OutOfBoundsError
    try:
        target = os.readlink(name, dir_fd=directory)
    finally:
        os.close(directory)
    place = os.path.normpath(os.path.join("/", parent, target)).lstrip("/")
    if not any(place.startswith(f"{known}/") for known in _PLACES):
        raise _OutOfBoundsError
    return target
