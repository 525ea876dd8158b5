# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A layer's tree as a deterministic OCI layer tar stream.

Same tree and epoch, same bytes, on any host: members in byte order depth first, whiteouts before their
siblings (image-spec 1.1, layer.md), times clamped to the epoch, numeric owners, only attributes that
belong to the content. Sockets are left out: nothing can be restored from them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field

from ansible_collections.bakery.images.plugins.module_utils import tar_header
from ansible_collections.bakery.images.plugins.module_utils.content_attributes import (
    kept_attributes,
    kept_attributes_in,
)
from ansible_collections.bakery.images.plugins.module_utils.layer_store import StoreError
from ansible_collections.bakery.images.plugins.module_utils.stacked_tree import (
    PATH_MAX,
    Entry,
    display,
    refuse_hidden_data,
    too_long,
    walk,
)
from ansible_collections.bakery.images.plugins.module_utils.tar_header import Member

WHITEOUT_PREFIX = b".wh."
OPAQUE_WHITEOUT = b".wh..wh..opq"
CHUNK = 1 << 20

_SECTOR = 512
_LARGEST_HOLE = 64 << 30

Sink = Callable[[bytearray], None]

_SPECIAL = {
    stat.S_IFLNK: tar_header.SYMBOLIC_LINK,
    stat.S_IFCHR: tar_header.CHARACTER_DEVICE,
    stat.S_IFBLK: tar_header.BLOCK_DEVICE,
    stat.S_IFIFO: tar_header.FIFO,
}


@dataclass
class _Blocks:
    """Collects bytes into chunks of CHUNK bytes and hands each, never touched again, to the sink."""

    sink: Sink
    chunk: bytearray = field(default_factory=lambda: bytearray(CHUNK))
    used: int = 0
    total: int = 0

    def write(self, content: bytes) -> None:
        end = self.used + len(content)
        if end <= CHUNK:
            self.chunk[self.used : end] = content
            self.used = end
            return
        view = memoryview(content)
        while view:
            taken = view[: CHUNK - self.used]
            self.chunk[self.used : self.used + len(taken)] = taken
            self.used += len(taken)
            view = view[len(taken) :]
            if self.used == CHUNK:
                self.flush()

    def copy_from(self, descriptor: int, size: int) -> int:
        """Read ``size`` bytes of a file straight into chunks; returns how many there were."""
        left = size
        while left:
            if self.used == CHUNK:
                self.flush()
            with memoryview(self.chunk) as view:
                count = os.readv(descriptor, [view[self.used : self.used + left]])
            if not count:
                break
            self.used += count
            left -= count
        return size - left

    def flush(self) -> None:
        if self.used:
            if self.used < CHUNK:
                del self.chunk[self.used :]
            self.total += self.used
            self.sink(self.chunk)
            self.chunk = bytearray(CHUNK)
            self.used = 0


@dataclass(frozen=True)
class TarSummary:
    """What went into a stream: ``size`` in bytes, ``files`` counts members that are no directories."""

    size: int
    files: int


def write_layer_tar(trees: list[str], sink: Sink, *, epoch: int | None, whole: bool = False) -> TarSummary:
    """Write the stacked ``trees`` (lowest first) as one layer tar to ``sink``, in chunks of about 1 MiB.

    ``epoch``: modification times after it become it; None leaves them. ``whole``: nothing lies below the
    trees, so that whiteouts and opaque directories mean nothing and are left out. Raises StoreError.
    """
    writer = _LayerWriter(_Blocks(sink), epoch, whole)
    try:
        for entry in walk(trees):
            writer.add(entry)
    except OSError as error:
        name = os.fsdecode(error.filename) if error.filename else trees[-1]
        raise StoreError(f"cannot read {name!r} of a layer's tree: {error.strerror}") from error
    return writer.finish()


class _LayerWriter:
    def __init__(self, blocks: _Blocks, epoch: int | None, whole: bool) -> None:  # noqa: FBT001
        self.blocks = blocks
        self.epoch = epoch
        self.whole = whole
        self.files = 0
        self.first_names: dict[tuple[int, int], bytes] = {}

    def finish(self) -> TarSummary:
        self.blocks.write(tar_header.END_OF_ARCHIVE)
        self.blocks.flush()
        return TarSummary(self.blocks.total, self.files)

    def add(self, entry: Entry) -> None:
        kind = stat.S_IFMT(entry.status.st_mode)
        if kind == stat.S_IFDIR:
            self._add_directory(entry)
            return
        if entry.is_whiteout:
            self._add_whiteout(entry)
            return
        self._refuse_reserved_name(entry)
        if kind == stat.S_IFSOCK:
            return
        self.files += 1
        if entry.status.st_nlink > 1 and self._add_hard_link(entry):
            return
        if kind == stat.S_IFREG:
            self._add_regular(entry)
        else:
            self._add_special(entry, kind)

    def _add_directory(self, entry: Entry) -> None:
        self._refuse_reserved_name(entry)
        name = entry.path + b"/" if entry.path else b"./"
        xattrs = _xattrs(entry, kept_attributes(entry.descriptor))
        self._header(entry, Member(name, tar_header.DIRECTORY, xattrs=xattrs))
        if entry.hides and not self.whole:
            prefix = name if entry.path else b""
            self._marker(prefix + OPAQUE_WHITEOUT)

    def _add_whiteout(self, entry: Entry) -> None:
        if not self.whole:
            directory = entry.path[: len(entry.path) - len(entry.name)]
            self._marker(directory + WHITEOUT_PREFIX + entry.name)
            self.files += 1

    def _marker(self, name: bytes) -> None:
        """An empty file whose name carries the meaning; its metadata means nothing and is fixed."""
        self.blocks.write(tar_header.header(Member(name, mode=0)))

    def _add_hard_link(self, entry: Entry) -> bool:
        """Link to the first name of the same inode; False if this is the first."""
        inode = (entry.status.st_dev, entry.status.st_ino)
        first = self.first_names.setdefault(inode, entry.path)
        if first == entry.path:
            return False
        self._header(entry, Member(entry.path, tar_header.HARD_LINK, link=first))
        return True

    def _add_regular(self, entry: Entry) -> None:
        descriptor = entry.open()
        try:
            size = entry.status.st_size
            if size - entry.status.st_blocks * _SECTOR > _LARGEST_HOLE:
                raise StoreError(
                    f"/{display(entry.path)} is a sparse file of {size} bytes, nearly all of them holes, and "
                    "an image would hold every one; remove it, or make it when the image starts"
                )
            names = os.listxattr(descriptor)
            refuse_hidden_data(entry.path, names)
            xattrs = _xattrs(entry, kept_attributes(descriptor, names))
            self._header(entry, Member(entry.path, size=size, xattrs=xattrs))
            if self.blocks.copy_from(descriptor, size) != size:
                raise StoreError(f"{display(entry.path)} became shorter while its layer was being packed")
            self.blocks.write(tar_header.padding(size))
        finally:
            os.close(descriptor)

    def _add_special(self, entry: Entry, kind: int) -> None:
        device = (0, 0)
        link = b""
        if kind in (stat.S_IFCHR, stat.S_IFBLK):
            device = (os.major(entry.status.st_rdev), os.minor(entry.status.st_rdev))
        elif kind == stat.S_IFLNK:
            link = os.readlink(entry.name, dir_fd=entry.parent)
        xattrs = {}
        if kind != stat.S_IFLNK:  # acl(5) and xattr(7): a symbolic link has neither
            xattrs = _xattrs(entry, kept_attributes_in(entry.parent, entry.name))
        self._header(entry, Member(entry.path, _SPECIAL[kind], link=link, device=device, xattrs=xattrs))

    def _header(self, entry: Entry, member: Member) -> None:
        status = entry.status
        if len(entry.path) >= PATH_MAX:
            raise StoreError(too_long(entry.path))
        # Engines cannot set a time before 1970 and take 1970 instead.
        mtime = max(status.st_mtime_ns // 1_000_000_000, 0)
        if self.epoch is not None and mtime > self.epoch:
            mtime = self.epoch
        complete = Member(
            member.name,
            member.kind,
            status.st_mode,
            status.st_uid,
            status.st_gid,
            mtime,
            member.size,
            member.link,
            member.device,
            member.xattrs,
        )
        self.blocks.write(tar_header.header(complete))

    @staticmethod
    def _refuse_reserved_name(entry: Entry) -> None:
        if entry.name.startswith(WHITEOUT_PREFIX):
            raise StoreError(
                f"/{display(entry.path)} cannot be in an image: OCI reserves names that begin with '.wh.'"
            )


def _xattrs(entry: Entry, kept: dict[str, bytes]) -> dict[bytes, bytes]:
    """The attributes as a tar archive has them."""
    for name in kept:
        if "=" in name:
            raise StoreError(
                f"/{display(entry.path)} has the extended attribute '{name}', "
                "whose name cannot be in a tar archive; remove it"
            )
    return {os.fsencode(name): value for name, value in kept.items()}
