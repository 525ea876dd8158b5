# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A tar archive that somebody else wrote, member by member from a stream, with bounds.

tarfile reads such archives, but trusts their numbers: a header may claim gigabytes for itself, a time may be
no number, a name may hold a NUL. Whatever is wrong with one is a StoreError here.
"""

from __future__ import annotations

import math
import os
import struct
import tarfile
from collections.abc import Iterator
from typing import IO, Any

from ansible_collections.bakery.images.plugins.module_utils.compression import Readable
from ansible_collections.bakery.images.plugins.module_utils.foreign_json import quoted
from ansible_collections.bakery.images.plugins.module_utils.layer_store import StoreError

# More than any image has; each costs an inode.
MOST_MEMBERS = 1_000_000
# All headers of one member with their records: what xattrs (64 KiB each), long names and a sparse map take.
_MOST_HEADER = 4 << 20
# PATH_MAX, NAME_MAX (path_resolution(7)) and dev_t (makedev(3)) of Linux.
_LONGEST_PATH = 4096
_MOST_ID = (1 << 32) - 2
_MOST_MAJOR, _MOST_MINOR = (1 << 12) - 1, (1 << 20) - 1
# What ext4 keeps: 1901 to 2446. The kernel too puts a time outside of a file system's range at its end.
_EARLIEST, _LATEST = -(1 << 31), (1 << 34) - (1 << 31) - 1
_COPY = 1 << 20
# A file system is not filled to its last byte: at most so much, and a tenth of what is free, is left.
_SPARE = 1 << 30
# What tarfile lets through of an archive whose numbers and records are nonsense.
_NONSENSE = (
    tarfile.TarError,
    ValueError,
    OverflowError,
    RecursionError,
    LookupError,
    TypeError,
    EOFError,
    struct.error,
)


class TarMembers:
    """The members of the uncompressed archive ``source``; ``what`` it is in messages.

    All files together may take ``room`` bytes, sparse ones as large as they claim to be.
    """

    def __init__(self, source: Readable, *, what: str, room: int) -> None:
        self._source = _Metered(source)
        self._what = what
        self._room = room
        # A tarfile.TarFile, whose type hides the list of what it has read.
        self._archive: Any = None

    def __iter__(self) -> Iterator[tarfile.TarInfo]:
        """Each member, its numbers and names checked; copy it before the next one is asked for."""
        count = 0
        while (member := self._next()) is not None:
            count += 1
            if count > MOST_MEMBERS:
                raise StoreError(f"{self._what} has more than {MOST_MEMBERS} members; it is not unpacked")
            self._check(member)
            yield member

    def copy(self, member: tarfile.TarInfo, out: IO[bytes]) -> None:
        """Write the content of a regular file to ``out``; sparse files become dense."""
        try:
            source = self._archive.extractfile(member) if self._archive else None
        except _NONSENSE as error:
            raise self._damaged(error) from error
        if source is None:
            raise StoreError(f"{quoted(member.name)} in {self._what} has no content")
        while chunk := self._read(source):
            out.write(chunk)

    def _read(self, source: IO[bytes]) -> bytes:
        try:
            return source.read(_COPY)
        except _NONSENSE as error:
            raise self._damaged(error) from error

    def _next(self) -> tarfile.TarInfo | None:
        self._source.allow(_MOST_HEADER)
        try:
            if self._archive is None:
                # The type wants seek() and more, which a stream is never asked for.
                self._archive = tarfile.open(  # type: ignore[call-overload]  # noqa: SIM115  (a stream's)
                    fileobj=self._source, mode="r|", encoding="utf-8", errors="surrogateescape"
                )
            member: tarfile.TarInfo | None = self._archive.next()
            # It would remember them all.
            self._archive.members = []
        except _NONSENSE as error:
            raise self._damaged(error) from error
        except _HeaderTooLarge as error:
            raise StoreError(
                f"{self._what} has a header of more than {_MOST_HEADER} bytes; it is not unpacked"
            ) from error
        self._source.allow(None)
        return member

    def _damaged(self, error: Exception) -> StoreError:
        reason = quoted(str(error))[1:-1] if isinstance(error, tarfile.TarError) else "it has absurd values"
        return StoreError(f"{self._what} is not a valid tar archive: {reason}")

    def _check(self, member: tarfile.TarInfo) -> None:
        for name in (member.name, member.linkname):
            if "\0" in name or len(os.fsencode(name)) > _LONGEST_PATH:
                raise StoreError(f"{quoted(name)} in {self._what} is no name that a file can have")
        place = f"{quoted(member.name)} in {self._what}"
        if not (0 <= member.uid <= _MOST_ID and 0 <= member.gid <= _MOST_ID):
            raise StoreError(f"{place} has an owner that no file can have")
        if not (0 <= member.devmajor <= _MOST_MAJOR and 0 <= member.devminor <= _MOST_MINOR):
            raise StoreError(f"{place} has a device number that no device can have")
        if not math.isfinite(member.mtime):
            raise StoreError(f"{place} has a time that is no number")
        if member.size < 0:
            raise StoreError(f"{place} has a negative size")
        if member.isreg():
            self._room -= member.size
            if self._room < 0:
                raise StoreError(
                    f"{self._what} is too large to unpack: with {quoted(member.name)} it exceeds the space "
                    "that is free; free some, or take a smaller image"
                )


def disk_room(path: str) -> int:
    """Bytes that may be written to the file system of ``path``."""
    status = os.statvfs(path)
    free = status.f_bavail * status.f_frsize
    return free - min(free // 10, _SPARE)


def whole_seconds(member: tarfile.TarInfo) -> int:
    """The member's modification time, as far as a file system keeps it."""
    return min(max(int(member.mtime // 1), _EARLIEST), _LATEST)


class _HeaderTooLarge(Exception):
    """More was read for one header than any may have."""


class _Metered:
    """Passes a stream on, and no more of it than is allowed."""

    def __init__(self, source: Readable) -> None:
        self._source = source
        self._left: int | None = None

    def allow(self, most: int | None) -> None:
        """Allow so many more bytes; None: any number."""
        self._left = most

    def read(self, size: int, /) -> bytes:
        chunk = self._source.read(size)
        if self._left is not None:
            self._left -= len(chunk)
            if self._left < 0:
                raise _HeaderTooLarge
        return chunk
