# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What sealing asks of single files and directories, and does to them; nothing is followed or waited for."""

from __future__ import annotations

import os
import stat

from ansible_collections.bakery.images.plugins.module_utils.beneath import (
    DIRECTORY,
    open_beneath,
    open_regular,
    read_limited,
)
from ansible_collections.bakery.images.plugins.module_utils.content_attributes import kept_attributes
from ansible_collections.bakery.images.plugins.module_utils.lower_view import Shown
from ansible_collections.bakery.images.plugins.module_utils.stacked_tree import display

_DAY_S = 86_400
_PYC_HEADER = 16
_PYC_HASH_BASED = 1
_LARGEST_SHADOW = 16 << 20
_LARGEST_COMPARED = 16 << 20
_READ = 1 << 16
_LONGEST_SHOWN = 200


def continues(parent: int, name: str, shown: Shown) -> bool:
    """Whether a file is one that the layers below have, as it was or longer: nobody took anything away."""
    theirs = shown.open_regular()
    if theirs is None:
        return False
    try:
        ours = open_regular(parent, name)
        if ours is None:
            return False
        try:
            return _begins_with(ours, theirs)
        finally:
            os.close(ours)
    finally:
        os.close(theirs)


def _begins_with(ours: int, theirs: int) -> bool:
    size = os.fstat(theirs).st_size
    if os.fstat(ours).st_size < size:
        return False
    for offset in range(0, min(size, _LARGEST_COMPARED), _READ):
        length = min(_READ, size - offset)
        if os.pread(ours, length, offset) != os.pread(theirs, length, offset):
            return False
    return True


def is_kept_alike(parent: int, name: str, status: os.stat_result, *, shown: Shown) -> bool:
    """Whether a file has the owner, mode and attributes of the one below."""
    theirs = shown.status
    if (theirs.st_mode, theirs.st_uid, theirs.st_gid) != (status.st_mode, status.st_uid, status.st_gid):
        return False
    before, after = shown.open_regular(), open_regular(parent, name)
    try:
        return before is None or after is None or kept_attributes(before) == kept_attributes(after)
    finally:
        for descriptor in (before, after):
            if descriptor is not None:
                os.close(descriptor)


def content_of(descriptor: int | None) -> bytes:
    """How an open file begins, enough to tell an id; it is closed."""
    if descriptor is None:
        return b""
    try:
        return os.read(descriptor, _READ)
    finally:
        os.close(descriptor)


def replace_by_empty(parent: int, name: str, status: os.stat_result) -> None:
    """An empty file in the place of one name of a file: emptying it would empty its other names too."""
    before = open_beneath(parent, name)
    try:
        attributes = kept_attributes(before)
    finally:
        os.close(before)
    os.unlink(name, dir_fd=parent)
    descriptor = open_beneath(parent, name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode=0o600)
    try:
        os.fchown(descriptor, status.st_uid, status.st_gid)
        os.fchmod(descriptor, stat.S_IMODE(status.st_mode))
        for attribute, value in attributes.items():
            os.setxattr(descriptor, attribute, value)
    finally:
        os.close(descriptor)


def equals(shown: Shown, upper: int) -> bool:
    """Whether what is below is a directory with the owner, mode and attributes of the directory ``upper``."""
    theirs, ours = shown.status, os.fstat(upper)
    if (theirs.st_mode, theirs.st_uid, theirs.st_gid) != (ours.st_mode, ours.st_uid, ours.st_gid):
        return False
    descriptor = os.open(shown.name, DIRECTORY, dir_fd=shown.parent)
    try:
        return kept_attributes(descriptor) == kept_attributes(upper)
    finally:
        os.close(descriptor)


def _cut_day(line: bytes, day: int) -> bytes:
    fields = line.split(b":")
    if len(fields) > 3 and fields[2].isdigit() and int(fields[2]) > day:
        fields[2] = str(day).encode()
        return b":".join(fields)
    return line


def cut_password_dates(parent: int, name: str, *, epoch: int) -> None:
    """Cut the day of the last password change, field 3 of shadow(5), to the epoch's day; EFBIG if it is no
    file that anybody has.
    """
    descriptor = open_regular(parent, name, os.O_RDWR)
    if descriptor is None:
        return
    with os.fdopen(descriptor, "r+b") as shadow:
        before = read_limited(descriptor, limit=_LARGEST_SHADOW, path=name)
        after = b"".join(_cut_day(line, epoch // _DAY_S) for line in before.splitlines(keepends=True))
        if after != before:
            shadow.seek(0)
            shadow.write(after)
            shadow.truncate()


def names_a_source_after(parent: int, name: str, *, epoch: int) -> bool:
    """Whether compiled Python names a source time after the epoch (PEP 552); hash-based files name none."""
    descriptor = open_beneath(parent, name)
    try:
        header = os.read(descriptor, _PYC_HEADER)
    finally:
        os.close(descriptor)
    if len(header) < _PYC_HEADER:
        return False
    flags = int.from_bytes(header[4:8], "little")
    return not flags & _PYC_HASH_BASED and int.from_bytes(header[8:12], "little") > epoch


def is_empty_stub(parent: int, name: str, status: os.stat_result) -> bool:
    """Whether it is what an engine makes where it will mount something: nobody wrote to it."""
    if stat.S_ISLNK(status.st_mode):
        return os.readlink(name, dir_fd=parent) in ("/proc/mounts", "/proc/self/mounts")
    return stat.S_ISREG(status.st_mode) and status.st_size == 0


def shortened(path: str) -> str:
    """A path of the tree for people, who need not see all of a very long one."""
    shown = f"/{display(os.fsencode(path))}"
    return shown if len(shown) < _LONGEST_SHOWN else f"{shown[:_LONGEST_SHOWN]}…"
