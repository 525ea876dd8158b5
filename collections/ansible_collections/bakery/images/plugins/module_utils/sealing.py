# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sealing: take everything of the bake out of a stopped machine's upper directory, in one walk.

The walk goes through directory descriptors and never follows a link. It also cuts every time to the
epoch and to whole seconds, so that the frozen tree on disk equals the tar that is made of it.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure
from ansible_collections.bakery.images.plugins.module_utils.sealing_rules import (
    PRUNED_NAMES_WHEN_EMPTY,
    PRUNED_WHEN_EMPTY,
    RULES,
    UNREPEATABLE,
    Action,
    Rule,
)

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OPAQUE = "trusted.overlay.opaque"
_OVERLAY = "trusted.overlay."
_SECOND_NS = 1_000_000_000
_DAY_S = 86_400
_PYC_HEADER = 16
_PYC_HASH_BASED = 1


@dataclass
class Sealed:
    """What sealing did: entries taken away, times cut, and sentences about what cannot be repeated."""

    removed: int = 0
    clamped: int = 0
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Place:
    """One directory of the walk."""

    path: str
    descriptor: int
    inherited: Action | None


def seal(upper: str, *, lowers: Sequence[str], epoch: int, stubs: Sequence[str] = ()) -> Sealed:
    """Seal the directory ``upper`` over the trees ``lowers`` (highest first); no time is after ``epoch`` (s).

    ``stubs`` are paths that the engine's mounts left: they go as long as they are empty.
    """
    walk = _Walk(_Below(lowers), epoch, frozenset(stubs))
    try:
        root = os.open(upper, _DIRECTORY)
        try:
            walk.directory(_Place("", root, None))
            walk.clamp_root(root)
        finally:
            os.close(root)
    except OSError as error:
        raise MachineFailure(f"cannot seal {error.filename or upper}: {error.strerror}") from error
    return walk.sealed


class _Walk:
    """The state of one walk."""

    def __init__(self, below: _Below, epoch: int, stubs: frozenset[str]) -> None:
        self.sealed = Sealed()
        self._below = below
        self._epoch = epoch
        self._limit_ns = epoch * _SECOND_NS
        self._stubs = stubs

    def directory(self, place: _Place) -> bool:
        """Seal what is in a directory; returns whether nothing is left in it."""
        rules = _rules_for(place.path)
        left = False
        for entry in sorted(os.scandir(place.descriptor), key=lambda entry: entry.name):
            status = entry.stat(follow_symlinks=False)
            if not self._entry(place, entry.name, status, rules=rules):
                left = True
        return not left

    def _entry(self, place: _Place, name: str, status: os.stat_result, *, rules: Sequence[Rule]) -> bool:
        """Seal one entry; returns whether it is gone."""
        path = f"{place.path}/{name}" if place.path else name
        action = _action(rules, name) or place.inherited
        whiteout = stat.S_ISCHR(status.st_mode) and status.st_rdev == 0
        if stat.S_ISDIR(status.st_mode) and action is not Action.DROP:
            return self._subdirectory(place, path, status, action=action)
        if action is not None and self._apply(place, path, status, action=action):
            return True
        if path in self._stubs and self._is_stub(place.descriptor, name, status):
            return self._remove(place.descriptor, name, status)
        if whiteout:
            return False
        if name.endswith(".pyc") and self._is_stale_bytecode(place.descriptor, name, status):
            return self._remove(place.descriptor, name, status)
        if path in ("etc/shadow", "etc/gshadow"):
            self._clamp_password_dates(place.descriptor, name)
        if path in UNREPEATABLE:
            self.sealed.notes.append(f"/{path} is {UNREPEATABLE[path]}")
        self._clamp(place.descriptor, name, status)
        return False

    def _apply(self, place: _Place, path: str, status: os.stat_result, *, action: Action) -> bool:
        """Do what a rule says to an entry that is not a kept directory; returns whether it is gone."""
        name = os.path.basename(path)
        if action is Action.EMPTY or (
            action is Action.LOGS and status.st_uid and stat.S_ISREG(status.st_mode)
        ):
            if not stat.S_ISREG(status.st_mode) or self._below.has(path):
                return self._remove(place.descriptor, name, status)
            os.close(os.open(name, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW, dir_fd=place.descriptor))
            status = os.stat(name, dir_fd=place.descriptor, follow_symlinks=False)
            self._clamp(place.descriptor, name, status)
            return False
        if action in (Action.LOGS, Action.FILES) and stat.S_ISLNK(status.st_mode):
            return False  # such as access.log -> /dev/stdout, made on purpose
        return self._remove(place.descriptor, name, status)

    def _subdirectory(
        self, place: _Place, path: str, status: os.stat_result, *, action: Action | None
    ) -> bool:
        name = os.path.basename(path)
        # CONTENTS keeps the named directory and drops what is in it; the others hold at any depth.
        inherited = Action.DROP if action is Action.CONTENTS else action
        with _opened(place.descriptor, name) as descriptor:
            removed_before = self.sealed.removed
            empty = self.directory(_Place(path, descriptor, inherited))
            emptied = self.sealed.removed != removed_before
            if empty and (self._may_go(path, emptied=emptied) or self._below.equals(path, descriptor)):
                os.rmdir(name, dir_fd=place.descriptor)
                return True
        self._clamp(place.descriptor, name, status)
        return False

    def _may_go(self, path: str, *, emptied: bool) -> bool:
        """Whether an empty directory goes although no lower layer has it."""
        if self._below.has(path):
            return False
        name = os.path.basename(path)
        named = path in PRUNED_WHEN_EMPTY or (emptied and name in PRUNED_NAMES_WHEN_EMPTY)
        return named or path in self._stubs

    @staticmethod
    def _is_stub(parent: int, name: str, status: os.stat_result) -> bool:
        if stat.S_ISLNK(status.st_mode):
            return os.readlink(name, dir_fd=parent) in ("/proc/mounts", "/proc/self/mounts")
        return stat.S_ISREG(status.st_mode) and status.st_size == 0

    def _is_stale_bytecode(self, parent: int, name: str, status: os.stat_result) -> bool:
        """Whether compiled Python names a source time after the epoch (PEP 552): cutting the source's time
        makes it useless, and it differs from bake to bake. Hash-based files stay.
        """
        if not stat.S_ISREG(status.st_mode) or status.st_size < _PYC_HEADER:
            return False
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        try:
            header = os.read(descriptor, _PYC_HEADER)
        finally:
            os.close(descriptor)
        flags = int.from_bytes(header[4:8], "little")
        return not flags & _PYC_HASH_BASED and int.from_bytes(header[8:12], "little") > self._epoch

    def _clamp_password_dates(self, parent: int, name: str) -> None:
        """Cut the day of the last password change, field 3 of shadow(5), to the epoch's day."""
        day = self._epoch // _DAY_S
        descriptor = os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        with os.fdopen(descriptor, "r+b") as shadow:
            before = shadow.read()
            after = b"".join(_cut_day(line, day) for line in before.splitlines(keepends=True))
            if after != before:
                shadow.seek(0)
                shadow.write(after)
                shadow.truncate()

    def _remove(self, parent: int, name: str, status: os.stat_result) -> bool:
        if stat.S_ISDIR(status.st_mode):
            shutil.rmtree(name, dir_fd=parent)
        else:
            os.unlink(name, dir_fd=parent)
        self.sealed.removed += 1
        return True

    def _clamp(self, parent: int, name: str, status: os.stat_result) -> None:
        """Cut a time to the epoch and to whole seconds; a directory's is the one from before the sealing."""
        wanted = self._wanted_ns(status)
        if stat.S_ISDIR(status.st_mode):
            status = os.stat(name, dir_fd=parent, follow_symlinks=False)
        if status.st_mtime_ns != wanted:
            os.utime(name, ns=(wanted, wanted), dir_fd=parent, follow_symlinks=False)
            self.sealed.clamped += 1

    def clamp_root(self, root: int) -> None:
        """Cut the time of the upper directory itself."""
        wanted = self._wanted_ns(os.fstat(root))
        os.utime(root, ns=(wanted, wanted))

    def _wanted_ns(self, status: os.stat_result) -> int:
        return min(status.st_mtime_ns // _SECOND_NS * _SECOND_NS, self._limit_ns)


class _Below:
    """What the layers below show at a path: the merged view, without a mount."""

    def __init__(self, lowers: Sequence[str]) -> None:
        self._lowers = tuple(lowers)

    def has(self, path: str) -> bool:
        """Whether something is there."""
        return self._find(path) is not None

    def equals(self, path: str, upper: int) -> bool:
        """Whether a directory is there with the owner, mode and attributes of the directory ``upper``."""
        found = self._find(path)
        if found is None:
            return False
        theirs, ours = os.lstat(found), os.fstat(upper)
        if (theirs.st_mode, theirs.st_uid, theirs.st_gid) != (ours.st_mode, ours.st_uid, ours.st_gid):
            return False
        return not _is_opaque(upper) and _attributes(found) == _attributes(upper)

    def _find(self, path: str) -> str | None:
        """The highest file system object that the layers show at ``path``."""
        candidates = list(self._lowers)
        for part in path.split("/"):
            deeper: list[str] = []
            for candidate in candidates:
                child = f"{candidate}/{part}"
                try:
                    status = os.lstat(child)
                except (FileNotFoundError, NotADirectoryError):
                    continue
                if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
                    break
                is_directory = stat.S_ISDIR(status.st_mode)
                if is_directory or not deeper:
                    deeper.append(child)
                if not is_directory or _is_opaque(child):
                    break
            candidates = deeper
        return candidates[0] if candidates else None


def _rules_for(path: str) -> Sequence[Rule]:
    found = _BY_PLACE.get(path, ())
    if path.startswith("home/"):
        _user, _slash, rest = path[5:].partition("/")
        found = (*found, *_BY_PLACE.get(f"home/*/{rest}" if rest else "home/*", ()))
    return found


def _action(rules: Sequence[Rule], name: str) -> Action | None:
    for rule in rules:
        if rule.what is not None and re.fullmatch(rule.what, name):
            return rule.action
    return None


def _by_place() -> dict[str, tuple[Rule, ...]]:
    places: dict[str, tuple[Rule, ...]] = {}
    for rule in RULES:
        places[rule.where] = (*places.get(rule.where, ()), rule)
    return places


_BY_PLACE = _by_place()


def _cut_day(line: bytes, day: int) -> bytes:
    fields = line.split(b":")
    if len(fields) > 3 and fields[2].isdigit() and int(fields[2]) > day:
        fields[2] = str(day).encode()
        return b":".join(fields)
    return line


def _is_opaque(place: int | str) -> bool:
    try:
        return os.getxattr(place, _OPAQUE) == b"y"
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.ENOTSUP):
            return False
        raise


def _attributes(place: int | str) -> dict[str, bytes]:
    names = [name for name in os.listxattr(place) if not name.startswith(_OVERLAY)]
    return {name: os.getxattr(place, name) for name in names}


@contextmanager
def _opened(parent: int, name: str) -> Iterator[int]:
    descriptor = os.open(name, _DIRECTORY, dir_fd=parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
