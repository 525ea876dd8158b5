# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives and package lists of apt that outlive the machines which fetched them.

``cache/apt/archives/<sha256>``: archives by their digest, for everybody. ``cache/apt/lists/<key>/``: package
lists (``lists/``; its time is that of the ``apt-get update`` that made them) and, under the names that apt
gives them, the archives whose digest these lists name (``archives/``). Who may see lists is in their key
(docs/decisions/0013). No machine is ever given a file of the store to write.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import BinaryIO

from ansible_collections.bakery.images.plugins.module_utils.apt_lists import archives_named, opened
from ansible_collections.bakery.images.plugins.module_utils.unfinished import unfinished

_BLOCK = 1 << 20
_OUTDATED = "outdated"
# Lists that old help nobody: a base this old was refreshed, a layer this old has newer lists above it.
_FORGOTTEN_AFTER_S = 30 * 86_400


@dataclass(frozen=True)
class Snapshot:
    """Lists in the store: their key, their directory, when they were fetched (seconds; 0 if outdated)."""

    key: str
    path: str
    updated: float

    @property
    def lists(self) -> str:
        return os.path.join(self.path, "lists")

    @property
    def archives(self) -> str:
        return os.path.join(self.path, "archives")


class AptStore:
    """The directory ``cache/apt`` of a target at ``root``."""

    def __init__(self, root: str) -> None:
        self._archives = os.path.join(root, "cache", "apt", "archives")
        self._lists = os.path.join(root, "cache", "apt", "lists")

    def find(self, key: str) -> Snapshot | None:
        """The lists under a key."""
        path = os.path.join(self._lists, key)
        try:
            updated = os.stat(os.path.join(path, "lists")).st_mtime
        except FileNotFoundError:
            return None
        return Snapshot(key, path, 0.0 if os.path.exists(os.path.join(path, _OUTDATED)) else updated)

    def rename(self, key: str, new: str) -> None:
        """Keep the lists under ``key`` under another key, unless there are lists already."""
        try:
            os.rename(os.path.join(self._lists, key), os.path.join(self._lists, new))
        except FileNotFoundError:
            return  # somebody else has done so
        except OSError:
            shutil.rmtree(os.path.join(self._lists, key), ignore_errors=True)

    def lists(self, key: str) -> str:
        """Where the lists under a key are, if there are any."""
        return os.path.join(self._lists, key, "lists")

    def outdate(self, key: str) -> None:
        """Let the next machine that is given these lists update them when it is launched."""
        with suppress(FileNotFoundError), open(os.path.join(self._lists, key, _OUTDATED), "wb"):
            pass

    def keep(self, key: str, fill: Callable[[str], None], *, updated: float) -> None:
        """Have ``fill`` put lists into a directory, and keep them under a key instead of what was there."""
        final = os.path.join(self._lists, key)
        partial = unfinished(final)
        try:
            for name in ("lists", "archives"):
                os.makedirs(os.path.join(partial, name))
            lists = os.path.join(partial, "lists")
            fill(lists)
            with opened(lists) as descriptor:
                named = archives_named(descriptor, set(_names(self._archives)))
            for name, digest in named.items():
                self._name(digest, os.path.join(partial, "archives", name))
            os.utime(lists, (updated, updated))
            if os.path.isdir(final):
                old = unfinished(final)
                os.rename(final, old)
                shutil.rmtree(old)
            os.rename(partial, final)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        self._forget()

    def take(self, archive: int, digest: str) -> bool:
        """Keep a copy of an open file under its digest; returns False if it has another.

        A copy has no second name, extended attributes or open descriptor that a machine gave it.
        """
        final = os.path.join(self._archives, digest)
        if os.path.exists(final):
            return True
        os.makedirs(self._archives, mode=0o755, exist_ok=True)
        partial = unfinished(final)
        status = os.fstat(archive)
        try:
            with open(partial, "xb") as copy:
                if digest_of(archive, status.st_size, copy=copy) != digest:
                    return False
                copy.flush()
                os.fsync(copy.fileno())
            os.utime(partial, ns=(status.st_mtime_ns, status.st_mtime_ns))
            os.rename(partial, final)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(partial)
        return True

    def offer(self, key: str, name: str, digest: str) -> None:
        """Give a kept archive to those who get the lists under a key, which name it by this digest."""
        self._name(digest, os.path.join(self._lists, key, "archives", name))

    def _name(self, digest: str, path: str) -> None:
        """Another name for a kept archive; somebody else having done so, or lists having gone, is fine."""
        with suppress(FileExistsError, FileNotFoundError):
            os.link(os.path.join(self._archives, digest), path)

    @contextmanager
    def locked(self, key: str) -> Iterator[None]:
        """Machines that start at once fetch the same lists once."""
        os.makedirs(self._lists, mode=0o755, exist_ok=True)
        with open(os.path.join(self._lists, f"{key}.lock"), "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _forget(self) -> None:
        """Remove lists that are too old for everybody."""
        for name in _names(self._lists):
            path = os.path.join(self._lists, name, "lists")
            with suppress(FileNotFoundError, NotADirectoryError):
                if time.time() - os.stat(path).st_mtime > _FORGOTTEN_AFTER_S:
                    shutil.rmtree(os.path.join(self._lists, name), ignore_errors=True)


def digest_of(source: int, size: int, *, copy: BinaryIO | None = None) -> str:
    """The SHA256 of the first ``size`` bytes of an open file, which are copied if asked for."""
    digest = hashlib.sha256()
    while size and (block := os.read(source, min(size, _BLOCK))):
        size -= len(block)
        digest.update(block)
        if copy:
            copy.write(block)
    return digest.hexdigest()


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except FileNotFoundError:
        return []
