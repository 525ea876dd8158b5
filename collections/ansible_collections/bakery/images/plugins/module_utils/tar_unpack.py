# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unpacking a foreign layer tar into an overlay upper directory, without ever leaving it.

A layer tar is untrusted: names with ``..``, absolute names and symbolic links in the way are resolved inside
the tree as a chroot would, every step through a directory descriptor. Whiteouts become overlay's (character
device 0:0, ``trusted.overlay.opaque``), as image-spec 1.1, layer.md, and overlayfs describe them.
"""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager

from ansible_collections.bakery.images.plugins.module_utils.compression import Readable
from ansible_collections.bakery.images.plugins.module_utils.content_attributes import is_kept
from ansible_collections.bakery.images.plugins.module_utils.directory_chain import (
    Directory,
    close_below,
    remove_tree,
)
from ansible_collections.bakery.images.plugins.module_utils.foreign_json import quoted
from ansible_collections.bakery.images.plugins.module_utils.layer_store import StoreError
from ansible_collections.bakery.images.plugins.module_utils.stacked_tree import (
    OPAQUE,
    is_whiteout,
    opened,
    raise_descriptor_limit,
)
from ansible_collections.bakery.images.plugins.module_utils.tar_members import (
    TarMembers,
    disk_room,
    whole_seconds,
)
from ansible_collections.bakery.images.plugins.module_utils.tar_stream import OPAQUE_WHITEOUT, WHITEOUT_PREFIX

_OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_CREATE_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_XATTR = "SCHILY.xattr."
_DIRECTORY_MODE = 0o755
_MOST_LINKS = 40
# As deep as a path of the kernel's 4096 bytes can go; links in it could lead further.
_MOST_LEVELS = 2048
_Parts = list[bytes]


def unpack_layer(source: Readable, tree: str) -> int:
    """Unpack the uncompressed layer tar ``source`` into the empty directory ``tree``.

    Returns how many members other than directories there were. Reads up to the end of the last member, not
    necessarily to the end of ``source``. StoreError for an archive that is damaged or links to what it lacks.
    """
    with opened(tree) as root:
        members = TarMembers(source, what="the layer", room=disk_room(tree))
        unpacker = _Unpacker(root, members)
        name = ""
        try:
            for member in members:
                name = member.name
                unpacker.add(member)
            unpacker.finish()
        except OSError as error:
            raise StoreError(f"cannot unpack the layer up to {quoted(name)}: {error.strerror}") from error
        return unpacker.files


class _Unpacker:
    def __init__(self, root: int, members: TarMembers) -> None:
        raise_descriptor_limit()
        self.root = root
        self.members = members
        self.files = 0
        # Times and modes of directories, set when nothing is written into them any more.
        self.directories: dict[bytes, tarfile.TarInfo] = {}

    def add(self, member: tarfile.TarInfo) -> None:
        parts = _parts(os.fsencode(member.name))
        if not parts:
            if member.isdir():
                self.directories[b""] = member
            return
        *parents, name = parts
        with self._directory(parents) as (directory, real):
            if name == OPAQUE_WHITEOUT:
                os.setxattr(directory, OPAQUE, b"y")
            elif name.startswith(WHITEOUT_PREFIX):
                self._whiteout(directory, name.removeprefix(WHITEOUT_PREFIX))
            elif member.isdir():
                self._make_directory(directory, name)
                self.directories[b"/".join([*real, name])] = member
            else:
                self.files += 1
                if _clear(directory, name):
                    self._forget(real, name)
                self._make(member, directory=directory, name=name)

    def finish(self) -> None:
        """Give directories their metadata, deepest first, so that no later write changes their times."""
        for path in sorted(self.directories, reverse=True):
            with self._directory(path.split(b"/") if path else []) as (directory, _real):
                member = self.directories[path]
                os.fchown(directory, member.uid, member.gid)
                os.fchmod(directory, member.mode & 0o7777)
                _set_xattrs(directory, member)
                os.utime(directory, ns=_times(member))

    def _forget(self, real: _Parts, name: bytes) -> None:
        """A directory that something else replaces, with all below it, has no metadata to set any more."""
        path = b"/".join([*real, name])
        doomed = [known for known in self.directories if known == path or known.startswith(path + b"/")]
        for known in doomed:
            del self.directories[known]

    def _whiteout(self, directory: int, name: bytes) -> None:
        if name.startswith(WHITEOUT_PREFIX):
            # Another of aufs's own files (.wh..wh.plnk and such); they have no meaning in a layer.
            return
        if name in (b"", b".", b".."):
            raise StoreError("the layer has a whiteout without a name")
        self.files += 1
        status = _lstat(directory, name)
        if status is None:
            os.mknod(name, stat.S_IFCHR, os.makedev(0, 0), dir_fd=directory)
        elif stat.S_ISDIR(status.st_mode):
            # The layer brings the directory itself: only what lies below is hidden.
            deeper = os.open(name, _OPEN_DIRECTORY, dir_fd=directory)
            try:
                os.setxattr(deeper, OPAQUE, b"y")
            finally:
                os.close(deeper)

    def _make_directory(self, parent: int, name: bytes) -> None:
        status = _lstat(parent, name)
        hides = False
        if status is not None and not stat.S_ISDIR(status.st_mode):
            hides = is_whiteout(status)
            os.unlink(name, dir_fd=parent)
            status = None
        if status is None:
            os.mkdir(name, _DIRECTORY_MODE, dir_fd=parent)
        if hides:
            descriptor = os.open(name, _OPEN_DIRECTORY, dir_fd=parent)
            try:
                os.setxattr(descriptor, OPAQUE, b"y")
            finally:
                os.close(descriptor)

    def _make(self, member: tarfile.TarInfo, *, directory: int, name: bytes) -> None:
        if member.islnk():
            self._hard_link(member, directory, name)
            return
        if member.isreg():
            self._write_file(member, directory, name)
            return
        if member.issym():
            os.symlink(os.fsencode(member.linkname), name, dir_fd=directory)
        elif member.ischr() or member.isblk():
            kind = stat.S_IFCHR if member.ischr() else stat.S_IFBLK
            if member.ischr() and member.devmajor == member.devminor == 0:
                raise StoreError(
                    f"{_path(os.fsencode(member.name))} in the layer is the character device 0:0, which "
                    "means a deleted file to overlay"
                )
            # A part of the image and no more: what is mounted on the tree has no use of devices (nodev).
            os.mknod(name, kind | 0o600, os.makedev(member.devmajor, member.devminor), dir_fd=directory)
        elif member.isfifo():
            os.mkfifo(name, 0o600, dir_fd=directory)
        else:
            raise StoreError(f"{_path(name)} in the layer is of the unknown kind {member.type!r}")
        os.chown(name, member.uid, member.gid, dir_fd=directory, follow_symlinks=False)
        if not member.issym():
            # A device or fifo just made here under this name: nothing follows.
            os.chmod(name, member.mode & 0o7777, dir_fd=directory)
            _set_xattrs(os.fsencode(f"/proc/self/fd/{directory}/") + name, member)
        os.utime(name, ns=_times(member), dir_fd=directory, follow_symlinks=False)

    def _write_file(self, member: tarfile.TarInfo, directory: int, name: bytes) -> None:
        descriptor = os.open(name, _CREATE_FILE, 0o600, dir_fd=directory)
        with os.fdopen(descriptor, "wb") as out:
            self.members.copy(member, out)
            out.flush()
            # Ownership first: changing it clears set-uid bits and file capabilities.
            os.fchown(descriptor, member.uid, member.gid)
            os.fchmod(descriptor, member.mode & 0o7777)
            _set_xattrs(descriptor, member)
            os.utime(descriptor, ns=_times(member))

    def _hard_link(self, member: tarfile.TarInfo, directory: int, name: bytes) -> None:
        *parents, target = _parts(os.fsencode(member.linkname)) or [b""]
        with self._directory(parents, create=False) as (holder, _real):
            status = _lstat(holder, target) if target else None
            if status is None or stat.S_ISDIR(status.st_mode) or is_whiteout(status):
                raise StoreError(
                    f"{_path(os.fsencode(member.name))} is a hard link to "
                    f"{_path(os.fsencode(member.linkname))}, which the layer lacks"
                )
            os.link(target, name, src_dir_fd=holder, dst_dir_fd=directory, follow_symlinks=False)

    @contextmanager
    def _directory(self, parts: _Parts, *, create: bool = True) -> Iterator[tuple[int, _Parts]]:
        """The directory ``parts`` names inside the tree, and its real place; made if missing and ``create``.

        Symbolic links are resolved as in a chroot: absolute ones from the tree's root, where ``..`` ends.
        """
        here = Directory(self.root)
        real: _Parts = []
        left = parts[::-1]
        links = 0
        try:
            while left:
                part = left.pop()
                if part == b"..":
                    here = here.leave() if real else here
                    del real[-1:]
                    continue
                current = here.descriptor
                status = _lstat(current, part)
                if status is not None and stat.S_ISLNK(status.st_mode):
                    links += 1
                    if links > _MOST_LINKS:
                        raise StoreError(f"too many symbolic links at {_path(b'/'.join(parts))} in the layer")
                    target = os.readlink(part, dir_fd=current)
                    if target.startswith(b"/"):
                        close_below(here)
                        here, real = Directory(self.root), []
                    left.extend(_components(target)[::-1])
                    continue
                self._ensure_directory(current, part, status, create=create)
                if len(real) >= _MOST_LEVELS:
                    raise StoreError(f"{_path(b'/'.join(parts))} in the layer is nested too deeply")
                here = here.enter(part)
                real.append(part)
            yield here.descriptor, real
        finally:
            close_below(here)

    def _ensure_directory(
        self, parent: int, name: bytes, status: os.stat_result | None, *, create: bool
    ) -> None:
        if status is not None and stat.S_ISDIR(status.st_mode):
            return
        if not create:
            raise StoreError(f"{_path(name)} in the layer is not a directory, but a link goes through it")
        self._make_directory(parent, name)


def _components(path: bytes) -> _Parts:
    return [part for part in path.split(b"/") if part not in (b"", b".")]


def _parts(name: bytes) -> _Parts:
    """The components of a member's name; ``..`` is taken away lexically and cannot go above the root."""
    parts: _Parts = []
    for part in _components(name):
        if part == b"..":
            del parts[-1:]
        else:
            parts.append(part)
    return parts


def _lstat(directory: int, name: bytes) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _path(name: bytes) -> str:
    """A path in the image, for messages."""
    return quoted(b"/" + name.lstrip(b"/"))


def _clear(directory: int, name: bytes) -> bool:
    """Remove what an earlier member put there, as a later one of the same name replaces it.

    Returns whether it was a directory.
    """
    status = _lstat(directory, name)
    if status is None:
        return False
    remove_tree(directory, name)
    return stat.S_ISDIR(status.st_mode)


def _set_xattrs(file: int | bytes, member: tarfile.TarInfo) -> None:
    for key, value in member.pax_headers.items():
        if key.startswith(_XATTR):
            name = key.removeprefix(_XATTR)
            # Those of overlay have a meaning of their own where it is mounted with userxattr.
            if is_kept(name) and not name.startswith("user.overlay.") and "\0" not in name:
                os.setxattr(file, name, value.encode("utf-8", "surrogateescape"))


def _times(member: tarfile.TarInfo) -> tuple[int, int]:
    """Access and modification time in ns: whole seconds, as our own layers have."""
    # Engines have no time before 1970 and set this one instead.
    time = max(whole_seconds(member), 0) * 1_000_000_000
    return time, time
