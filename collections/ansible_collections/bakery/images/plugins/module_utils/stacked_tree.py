# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Walking overlay upper directories, one alone or several stacked, through directory descriptors.

Only overlay's plain format is understood: a whiteout is a character device 0:0, an opaque directory has
``trusted.overlay.opaque`` = ``y`` (Documentation/filesystems/overlayfs). ``metacopy`` and ``redirect``
are refused, since they hide data elsewhere. No component is ever followed when it is a symbolic link, so
a hostile tree cannot lead outside of itself.
"""

from __future__ import annotations

import errno
import os
import resource
import stat
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from ansible_collections.bakery.images.plugins.module_utils.layer_store import StoreError

OPAQUE = "trusted.overlay.opaque"
_NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.EBADF)
_NO_DIRECTORY = -1
_DESCRIPTORS = 65536
_HIDDEN_DATA = ("trusted.overlay.metacopy", "trusted.overlay.redirect")
_OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: a fifo put in the place of a file must not hang the reader.
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in a (stacked) tree.

    ``path`` is relative, b"" for the root; ``layer`` is the index, in the order given to ``walk``, of the
    tree that holds it; ``parent`` is an open descriptor of the directory holding it, ``descriptor`` one of
    the directory itself (-1 for others); both are valid only until the next entry is asked for.
    ``hides``: a directory that hides what layers below the walked ones have there.
    """

    path: bytes
    name: bytes
    status: os.stat_result
    layer: int
    parent: int
    descriptor: int = -1
    hides: bool = False

    @property
    def is_whiteout(self) -> bool:
        return is_whiteout(self.status)

    def open(self) -> int:
        """A descriptor for reading this regular file; never follows a link, never blocks."""
        return os.open(self.name, _OPEN_FILE, dir_fd=self.parent)


@dataclass(frozen=True, slots=True)
class _Source:
    layer: int
    descriptor: int


@dataclass(frozen=True, slots=True)
class _Deeper:
    """A directory to walk next; ``found``: the directories that have the name, highest first."""

    path: bytes
    name: bytes
    found: list[_Source]


_Frame = Generator["Entry | _Deeper", None, None]


def is_whiteout(status: os.stat_result) -> bool:
    """Whether the status is that of overlay's whiteout, a character device 0:0."""
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


@contextmanager
def opened(path: str) -> Iterator[int]:
    """A descriptor of the directory ``path``; StoreError if it cannot be opened."""
    try:
        descriptor = os.open(path, _OPEN_DIRECTORY)
    except OSError as error:
        raise StoreError(f"cannot open {path}: {error.strerror}") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def walk(trees: list[str]) -> Generator[Entry, None, None]:
    """Every entry of the stacked ``trees`` (lowest first), depth first, names in byte order, root first.

    In each directory whiteouts, which hide what layers below the lowest tree have, come before all else.
    """
    raise_descriptor_limit()
    with ExitStack() as stack:
        sources = [_Source(layer, stack.enter_context(opened(tree))) for layer, tree in enumerate(trees)]
        sources.reverse()
        frames = [_directory(b"", b".", sources=sources, parent=sources[0].descriptor)]
        stack.callback(_close_all, frames)
        # An explicit stack: a tree may be deeper than Python's recursion limit.
        while frames:
            item = next(frames[-1], None)
            if item is None:
                frames.pop()
            elif isinstance(item, Entry):
                yield item
            else:
                frames.append(_descend(item))


def _close_all(frames: list[_Frame]) -> None:
    for frame in frames:
        frame.close()


def raise_descriptor_limit() -> None:
    """A descriptor per level and layer is open at a time, more than the default limit of 1024 allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _directory(
    path: bytes, name: bytes, *, sources: list[_Source], parent: int, hides: bool = False
) -> _Frame:
    """``sources``: the directories merged here, highest first."""
    top = sources[0]
    visible, opaque = _visible(path, sources)
    status = os.fstat(top.descriptor)
    yield Entry(path, name, status, top.layer, parent, top.descriptor, hides or opaque)
    entries = _merged_entries(visible)
    prefix = path + b"/" if path else b""
    ordered = sorted(entries)
    whiteouts = set()
    for child in ordered:
        kind, found = entries[child]
        if kind == stat.S_IFCHR:
            entry = _entry(prefix + child, child, found[0])
            if entry.is_whiteout:
                whiteouts.add(child)
                yield entry
    for child in ordered:
        kind, found = entries[child]
        if kind == stat.S_IFDIR:
            yield _Deeper(prefix + child, child, found)
        elif child not in whiteouts:
            yield _entry(prefix + child, child, found[0])


def _descend(deeper: _Deeper) -> _Frame:
    """Walk a directory that several layers may have; the first that has something else ends the merge."""
    with ExitStack() as stack:
        sources: list[_Source] = []
        ended = False
        for source in deeper.found:
            try:
                descriptor = os.open(deeper.name, _OPEN_DIRECTORY, dir_fd=source.descriptor)
            except OSError as error:
                if error.errno not in (errno.ENOTDIR, errno.ELOOP):
                    raise
                ended = True
                break
            stack.callback(os.close, descriptor)
            sources.append(_Source(source.layer, descriptor))
        # What is not a directory in a lower layer hides everything below it, like an opaque directory.
        parent = deeper.found[0].descriptor
        yield from _directory(deeper.path, deeper.name, sources=sources, parent=parent, hides=ended)


def _visible(path: bytes, sources: list[_Source]) -> tuple[list[_Source], bool]:
    """The directories down to the first opaque one, and whether there is one."""
    for index, source in enumerate(sources):
        names = os.listxattr(source.descriptor)
        if not names:
            continue
        refuse_hidden_data(path, names)
        if OPAQUE in names and os.getxattr(source.descriptor, OPAQUE) == b"y":
            return sources[: index + 1], True
    return sources, False


def refuse_hidden_data(path: bytes, names: list[str]) -> None:
    """StoreError if an attribute says that an overlay keeps the data of ``path`` elsewhere."""
    for name in _HIDDEN_DATA:
        if name in names:
            raise StoreError(
                f"/{display(path)} has the attribute {name}; "
                "mount overlays with metacopy=off,redirect_dir=off"
            )


def _merged_entries(sources: list[_Source]) -> dict[bytes, tuple[int, list[_Source]]]:
    """Name -> (file type by the highest source, the sources that have it, highest first)."""
    merged: dict[bytes, tuple[int, list[_Source]]] = {}
    for source in sources:
        with os.scandir(source.descriptor) as listing:
            for item in listing:
                name = os.fsencode(item.name)
                known = merged.get(name)
                if known is None:
                    merged[name] = (_kind(item), [source])
                elif known[0] == stat.S_IFDIR:
                    known[1].append(source)
    return merged


def _kind(item: os.DirEntry[str]) -> int:
    if item.is_dir(follow_symlinks=False):
        return stat.S_IFDIR
    if item.is_file(follow_symlinks=False) or item.is_symlink():
        return 0
    return stat.S_IFMT(item.stat(follow_symlinks=False).st_mode)


def _entry(path: bytes, name: bytes, source: _Source) -> Entry:
    status = os.stat(name, dir_fd=source.descriptor, follow_symlinks=False)
    return Entry(path, name, status, source.layer, source.descriptor)


def open_beneath(tree: int, path: bytes) -> int | None:
    """Open the regular file ``path`` below the directory descriptor ``tree`` for reading, or None.

    None also when a component is a symbolic link or the file is of another type.
    """
    with _parent_beneath(tree, path) as parent:
        try:
            descriptor = os.open(os.path.basename(path), _OPEN_FILE, dir_fd=parent)
        except OSError as error:
            if error.errno in _NOT_THERE:
                return None
            raise
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    return None


def lstat_beneath(tree: int, path: bytes) -> os.stat_result | None:
    """The status of ``path`` below ``tree``, or None; None also when a parent is a symbolic link."""
    with _parent_beneath(tree, path) as parent:
        try:
            return os.stat(os.path.basename(path), dir_fd=parent, follow_symlinks=False)
        except OSError as error:
            if error.errno in _NOT_THERE:
                return None
            raise


@contextmanager
def _parent_beneath(tree: int, path: bytes) -> Iterator[int]:
    """The directory holding ``path``; -1, which no call takes, if there is none."""
    directory = os.dup(tree)
    try:
        for part in path.split(b"/")[:-1]:
            deeper = os.open(part, _OPEN_DIRECTORY, dir_fd=directory)
            os.close(directory)
            directory = deeper
    except OSError as error:
        if error.errno not in _NOT_THERE:
            raise
        yield _NO_DIRECTORY
    else:
        yield directory
    finally:
        os.close(directory)


def display(path: bytes) -> str:
    r"""A path for people and JSON: UTF-8, other bytes as ``\xNN``."""
    return path.decode("utf-8", "backslashreplace")
