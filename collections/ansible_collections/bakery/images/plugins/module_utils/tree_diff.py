# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How two stacks of layers differ, file by file, and which layer wrote each side."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.bakery.images.plugins.module_utils.content_attributes import (
    kept_attributes,
    kept_attributes_in,
)
from ansible_collections.bakery.images.plugins.module_utils.contents_program import KINDS
from ansible_collections.bakery.images.plugins.module_utils.layer_store import StoreError
from ansible_collections.bakery.images.plugins.module_utils.stacked_tree import Entry, walk

_READ = 1 << 20
_NEVER_OPENED = (stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO)


@dataclass(frozen=True, slots=True)
class FileDifference:
    """One path that differs. ``change``: added, removed or changed; ``what`` of a change: type, mode, owner,
    size, content, target, device, attributes, time, opaque. ``before`` and ``after`` are indices of layers in
    the two stacks, None where the path is absent.
    """

    path: bytes
    kind: str
    change: str
    what: tuple[str, ...]
    before: int | None
    after: int | None


def kind_of(entry: Entry) -> str:
    """file, directory, link, device, fifo, socket or whiteout."""
    if entry.is_whiteout:
        return "whiteout"
    return KINDS.get(stat.S_IFMT(entry.status.st_mode), "unknown")


def compare_trees(before: list[str], after: list[str], *, epoch: int | None) -> Iterator[FileDifference]:
    """The differences between two stacks of trees (lowest first), in byte order of paths.

    ``epoch``: times after it count as it, as when layers are packed; None means that times do not count.
    What both stacks have from the same tree is not read. StoreError if a tree cannot be read.
    """
    left, right = walk(before), walk(after)
    try:
        yield from _merge(left, right, epoch)
    except OSError as error:
        name = os.fsdecode(error.filename) if error.filename else "a layer's tree"
        raise StoreError(f"cannot read {name!r}: {error.strerror}") from error
    finally:
        left.close()
        right.close()


def _merge(left: Iterator[Entry], right: Iterator[Entry], epoch: int | None) -> Iterator[FileDifference]:
    ours, theirs = next(left, None), next(right, None)
    while ours is not None or theirs is not None:
        if ours is not None and (theirs is None or _order(ours) < _order(theirs)):
            yield FileDifference(ours.path, kind_of(ours), "removed", (), ours.layer, None)
            ours = next(left, None)
        elif theirs is not None and (ours is None or _order(theirs) < _order(ours)):
            yield FileDifference(theirs.path, kind_of(theirs), "added", (), None, theirs.layer)
            theirs = next(right, None)
        elif ours is not None and theirs is not None:
            what = tuple(_aspects(ours, theirs, epoch))
            if what:
                yield FileDifference(theirs.path, kind_of(theirs), "changed", what, ours.layer, theirs.layer)
            ours, theirs = next(left, None), next(right, None)


def _order(entry: Entry) -> list[tuple[bool, bytes]]:
    """The order of ``walk``: depth first, in each directory whiteouts first, then by name."""
    *parents, name = entry.path.split(b"/")
    return [*((True, parent) for parent in parents), (not entry.is_whiteout, name)]


def _aspects(ours: Entry, theirs: Entry, epoch: int | None) -> Iterator[str]:
    """What two entries of one path differ in."""
    a, b = ours.status, theirs.status
    same_inode = (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino)
    if ours.hides != theirs.hides and same_inode is False:
        yield "opaque"
    if same_inode or (ours.is_whiteout and theirs.is_whiteout):
        return
    kind = stat.S_IFMT(a.st_mode)
    if kind != stat.S_IFMT(b.st_mode):
        yield "type"
        return
    if stat.S_IMODE(a.st_mode) != stat.S_IMODE(b.st_mode):
        yield "mode"
    if (a.st_uid, a.st_gid) != (b.st_uid, b.st_gid):
        yield "owner"
    yield from _content_aspects(ours, theirs, kind)
    if epoch is not None and _clamped(a, epoch) != _clamped(b, epoch):
        yield "time"


def _content_aspects(ours: Entry, theirs: Entry, kind: int) -> Iterator[str]:
    if kind == stat.S_IFLNK:
        targets = [os.readlink(entry.name, dir_fd=entry.parent) for entry in (ours, theirs)]
        if targets[0] != targets[1]:
            yield "target"
    elif kind in (stat.S_IFCHR, stat.S_IFBLK):
        if ours.status.st_rdev != theirs.status.st_rdev:
            yield "device"
    elif kind == stat.S_IFREG:
        yield from _file_aspects(ours, theirs)
    if kind in _NEVER_OPENED:
        before, after = (kept_attributes_in(entry.parent, entry.name) for entry in (ours, theirs))
        if before != after:
            yield "attributes"
    elif kind == stat.S_IFDIR and kept_attributes(ours.descriptor) != kept_attributes(theirs.descriptor):
        yield "attributes"


def _file_aspects(ours: Entry, theirs: Entry) -> Iterator[str]:
    left = ours.open()
    try:
        right = theirs.open()
        try:
            if ours.status.st_size != theirs.status.st_size:
                yield "size"
                yield "content"
            elif not _same_bytes(left, right):
                yield "content"
            if kept_attributes(left) != kept_attributes(right):
                yield "attributes"
        finally:
            os.close(right)
    finally:
        os.close(left)


def _same_bytes(left: int, right: int) -> bool:
    while True:
        ours, theirs = os.read(left, _READ), os.read(right, _READ)
        if ours != theirs:
            return False
        if not ours:
            return True


def _clamped(status: os.stat_result, epoch: int) -> int:
    return max(min(status.st_mtime_ns // 1_000_000_000, epoch), 0)
