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

from ansible_collections.bakery.images.plugins.module_utils.beneath import DIRECTORY, REGULAR
from ansible_collections.bakery.images.plugins.module_utils.directory_chain import Directory
from ansible_collections.bakery.images.plugins.module_utils.layer_store import StoreError

# The longest path that a program can open has one byte less (linux/limits.h).
PATH_MAX = 4096
OPAQUE = "trusted.overlay.opaque"
_DESCRIPTORS = 65536
_HIDDEN_DATA = ("trusted.overlay.metacopy", "trusted.overlay.redirect")
# Far more than any image has, and what a walk can still hold in memory.
MOST_ENTRIES = 10_000_000


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
        if not stat.S_ISREG(self.status.st_mode):
            raise ValueError(f"{self.path!r} is no regular file")
        return os.open(self.name, REGULAR, dir_fd=self.parent)


@dataclass(frozen=True, slots=True)
class _Source:
    layer: int
    directory: Directory

    @property
    def descriptor(self) -> int:
        return self.directory.descriptor


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


def is_opaque(directory: int) -> bool:
    """Whether an open directory hides what the layers below have in it."""
    try:
        return os.getxattr(directory, OPAQUE) == b"y"
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.ENOTSUP):
            return False
        raise


@contextmanager
def opened(path: str) -> Iterator[int]:
    """A descriptor of the directory ``path``; StoreError if it cannot be opened."""
    try:
        descriptor = os.open(path, DIRECTORY)
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
        sources = [
            _Source(layer, Directory(stack.enter_context(opened(tree)))) for layer, tree in enumerate(trees)
        ]
        sources.reverse()
        frames = [_directory(b"", b".", sources=sources, parent=sources[0].descriptor)]
        stack.callback(_close_all, frames)
        # An explicit stack: a tree may be deeper than Python's recursion limit.
        count = 0
        while frames:
            item = next(frames[-1], None)
            if item is None:
                frames.pop()
            elif isinstance(item, Entry):
                count += 1
                if count > MOST_ENTRIES:
                    raise StoreError(
                        f"a layer has more than {MOST_ENTRIES} entries; no image can be made of it"
                    )
                yield item
            else:
                frames.append(_descend(item))


def _close_all(frames: list[_Frame]) -> None:
    for frame in frames:
        frame.close()


def raise_descriptor_limit() -> None:
    """Some descriptors per layer are open at a time, more than the default limit of 1024 allows."""
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
    sources: list[_Source] = []
    ended = False
    try:
        for source in deeper.found:
            try:
                directory = source.directory.enter(deeper.name)
            except OSError as error:
                if error.errno not in (errno.ENOTDIR, errno.ELOOP):
                    raise
                ended = True
                break
            sources.append(_Source(source.layer, directory))
        # What is not a directory in a lower layer hides everything below it, like an opaque directory.
        parent = deeper.found[0].descriptor
        yield from _directory(deeper.path, deeper.name, sources=sources, parent=parent, hides=ended)
        for source in sources:
            source.directory.leave()
    finally:
        for source in sources:
            source.directory.close()


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


def too_long(path: bytes) -> str:
    """What to say of a path that no engine could unpack."""
    return (
        f"/{display(path[:60])}… is {path.count(b'/')} directories deep, and its path of {len(path)} bytes "
        f"is longer than the {PATH_MAX - 1} that can be opened; an image cannot hold it, so remove it"
    )


def display(path: bytes) -> str:
    r"""A path for people and JSON: UTF-8, other bytes as ``\xNN``."""
    return path.decode("utf-8", "backslashreplace")
