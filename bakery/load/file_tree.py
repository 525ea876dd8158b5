"""Reads a tree of files for its digest: paths, execute bits, bytes and links; never times or owners."""

# Paths are strings here: making Path objects for thousands of files costs more than hashing them.
# ruff: noqa: PTH110, PTH115, PTH116, PTH123, PTH206

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path

from bakery.errors import InputError, Place
from bakery.load.mistakes import shown_path
from bakery.load.text_file import reason

# Larger files are hashed in pieces and are not looked into.
_MOST_IN_MEMORY = 4_000_000
_DEEPEST = 64

Ignored = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class TreeFile:
    """One file or link. ``path`` is relative, ``digest`` is over kind, execute bit and bytes or target.

    ``content`` is None for links and for files above 4 MB.
    """

    path: str
    digest: str
    content: bytes | None


def is_cache(path: str) -> bool:
    """Whether a path is a by-product of editing or running that no result depends on."""
    name = path.rpartition("/")[2]
    if name == "__pycache__" or name.endswith((".pyc", "~")) or name.startswith(".#"):
        return True
    return (name.startswith(".") and name.endswith((".swp", ".swo"))) or (
        len(name) > 1 and name[0] == name[-1] == "#"
    )


def read_tree(root: Path, *, ignored: Ignored = is_cache) -> tuple[TreeFile, ...]:
    """The files and links of ``root``, sorted by their paths' bytes; a file is a tree with one path, ``""``.

    ``ignored`` is asked about each relative path. A link into the tree counts by its text; a link out of it,
    or to something ignored, counts as what it points at. Empty directories do not count, as in git. Raises
    InputError for what cannot be read and for pipes, sockets and devices.
    """
    tree = _Tree(os.path.realpath(root), ignored)
    try:
        found = list(tree.walk(tree.root, "", ()))
    except OSError as error:
        raise _refusal(str(error.filename or root), f"cannot be read: {reason(error)}") from error
    except ValueError as error:
        raise InputError("this is no file name", where=Place(shown_path(root))) from error
    return tuple(sorted(found, key=lambda one: os.fsencode(one.path)))


def tree_digest(files: tuple[TreeFile, ...]) -> str:
    """The SHA-256 over all paths and their digests, 64 hex digits."""
    whole = sha256()
    for one in files:
        whole.update(os.fsencode(one.path) + b"\0" + one.digest.encode("ascii") + b"\n")
    return whole.hexdigest()


@dataclass(frozen=True)
class _Tree:
    root: str
    ignored: Ignored

    def walk(self, place: str, path: str, above: tuple[str, ...]) -> Iterator[TreeFile]:
        """``place`` is on disk, ``path`` in the tree; ``above`` are the directories that lead here."""
        mode = os.stat(place).st_mode
        if stat.S_ISREG(mode):
            yield _read_file(place, path)
        elif stat.S_ISDIR(mode):
            real = os.path.realpath(place) if above else place
            if real in above or len(above) > _DEEPEST:
                raise _refusal(place, "leads into itself through a link")
            yield from self._directory(place, path, (*above, real))
        else:
            raise _refusal(
                place, "is a pipe, socket or device; only files, directories and links have a digest"
            )

    def _directory(self, place: str, path: str, above: tuple[str, ...]) -> Iterator[TreeFile]:
        with os.scandir(place) as entries:
            for entry in entries:
                below = f"{path}/{entry.name}" if path else entry.name
                if self.ignored(below):
                    continue
                if entry.is_symlink():
                    yield from self._link(entry.path, below, above)
                elif entry.is_file(follow_symlinks=False):
                    yield _read_file(entry.path, below)
                else:
                    yield from self.walk(entry.path, below, above)

    def _link(self, place: str, path: str, above: tuple[str, ...]) -> Iterator[TreeFile]:
        target = os.path.realpath(place)
        if os.path.exists(target) and not self._counts(target):
            yield from self.walk(target, path, above)
            return
        text = os.fsencode(os.readlink(place))
        yield TreeFile(path, sha256(b"link -\0" + text).hexdigest(), None)

    def _counts(self, target: str) -> bool:
        """Whether what a link points at is itself part of the tree."""
        if target == self.root:
            return True
        if not target.startswith(self.root + os.sep):
            return False
        parts = os.path.relpath(target, self.root).split(os.sep)
        return not any(self.ignored("/".join(parts[:number])) for number in range(1, len(parts) + 1))


def _read_file(place: str, path: str) -> TreeFile:
    with open(place, "rb", buffering=0) as stream:
        status = os.fstat(stream.fileno())
        head = b"file x\0" if status.st_mode & stat.S_IXUSR else b"file -\0"
        if status.st_size <= _MOST_IN_MEMORY:
            content = stream.readall()
            return TreeFile(path, sha256(head + content).hexdigest(), content)
        inner = file_digest(stream, "sha256")
    return TreeFile(path, sha256(head + b"large\0" + inner.digest()).hexdigest(), None)


def _refusal(place: str, what: str) -> InputError:
    return InputError(f"this {what}", where=Place(shown_path(Path(place))))
