# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Walking down and up in a tree of any depth with a bounded number of descriptors, and removing one.

A tree that somebody else made may be deeper than Python recurses, than a process may open descriptors, and
than the kernel takes a path (PATH_MAX). So walks are loops, each step goes from a descriptor by one name, and
of the way back only the last directories stay open: one further up is found again by ``..`` and must be the
same inode as before.
"""

from __future__ import annotations

import errno
import os
import stat

from ansible_collections.bakery.images.plugins.module_utils.beneath import DIRECTORY

_HELD = 16
_BLOCK = 512


class Directory:
    """One open directory of a walk, with the way back up.

    ``descriptor`` is -1, which no call takes, while the walk is far below, and after it is closed.
    """

    __slots__ = ("_identity", "above", "depth", "descriptor")

    def __init__(self, descriptor: int, *, above: Directory | None = None) -> None:
        """``above`` is None where the walk begins: that descriptor is the caller's, the others the walk's."""
        self.descriptor = descriptor
        self.above = above
        self.depth = above.depth + 1 if above else 0
        self._identity: tuple[int, int] | None = None

    def enter(self, name: str | bytes) -> Directory:
        """The directory ``name`` in this one; OSError if it is none, or only a symbolic link to one."""
        deeper = Directory(os.open(name, DIRECTORY, dir_fd=self.descriptor), above=self)
        if deeper.depth > _HELD:
            far: Directory = deeper
            for _step in range(_HELD):
                far = far.above or far
            far.let_go()
        return deeper

    def leave(self) -> Directory:
        """Close it and return to the directory above, which is open again."""
        if self.above is None:
            raise ValueError("the walk began here")
        if self.above.descriptor < 0:
            self.above.open_again(self.descriptor)
        self.close()
        return self.above

    def close(self) -> None:
        """Close it, also when the walk is given up."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def let_go(self) -> None:
        """Close it until the walk comes back; where the walk began stays open."""
        if self.above is not None and self.descriptor >= 0:
            status = os.fstat(self.descriptor)
            self._identity = (status.st_dev, status.st_ino)
            self.close()

    def open_again(self, below: int) -> None:
        """Come back from a directory in it."""
        descriptor = os.open("..", DIRECTORY, dir_fd=below)
        status = os.fstat(descriptor)
        if (status.st_dev, status.st_ino) != self._identity:
            os.close(descriptor)
            raise OSError(errno.ESTALE, "a directory was moved while its tree was walked")
        self.descriptor = descriptor


def remove_tree(parent: int, name: str | bytes) -> None:
    """Remove what is called ``name`` in the directory ``parent``, a directory of any depth with all in it.

    No link is followed, and no other file system entered: EXDEV. FileNotFoundError if nothing is there.
    """
    if not stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
        os.unlink(name, dir_fd=parent)
        return
    current = Directory(parent)
    try:
        device = os.fstat(parent).st_dev
        # For each directory on the way down its name and the directories that are still in it.
        current = current.enter(name)
        way: list[tuple[str | bytes, list[str]]] = [(name, _emptied(current.descriptor, device))]
        while way:
            done, left = way[-1]
            if left:
                deeper = left.pop()
                current = current.enter(deeper)
                way.append((deeper, _emptied(current.descriptor, device)))
            else:
                way.pop()
                current = current.leave()
                os.rmdir(done, dir_fd=current.descriptor)
    finally:
        close_below(current)


def delete_tree(path: str) -> None:
    """``remove_tree`` for a path of the host, whose parents are followed as usual; it may be gone already."""
    parent, name = os.path.split(os.path.abspath(path))
    try:
        descriptor = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        remove_tree(descriptor, name)
    except FileNotFoundError:
        return
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error
    finally:
        os.close(descriptor)


def disk_usage(path: str) -> int:
    """Bytes on disk below the directory ``path``; a file with several names counts once."""
    root = os.open(path, DIRECTORY)
    current = Directory(root)
    seen: set[int] = set()
    total = 0
    try:
        way = [_statuses(root)]
        while way:
            if not way[-1]:
                way.pop()
                current = current.leave() if way else current
                continue
            name, status = way[-1].pop()
            if status.st_ino not in seen:
                seen.add(status.st_ino)
                total += status.st_blocks * _BLOCK
            if stat.S_ISDIR(status.st_mode):
                current = current.enter(name)
                way.append(_statuses(current.descriptor))
    finally:
        close_below(current)
        os.close(root)
    return total


def _statuses(directory: int) -> list[tuple[str, os.stat_result]]:
    with os.scandir(directory) as listing:
        return [(entry.name, entry.stat(follow_symlinks=False)) for entry in listing]


def _emptied(directory: int, device: int) -> list[str]:
    """Remove everything but directories; returns the names of these."""
    if os.fstat(directory).st_dev != device:
        raise OSError(errno.EXDEV, "another file system is mounted in it")
    with os.scandir(directory) as listing:
        entries = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in listing]
    for name, is_directory in entries:
        if not is_directory:
            os.unlink(name, dir_fd=directory)
    return [name for name, is_directory in entries if is_directory]


def close_below(directory: Directory) -> None:
    """Give a walk up: close the directory and all on the way back but the one where the walk began."""
    while directory.above is not None:
        directory.close()
        directory = directory.above
