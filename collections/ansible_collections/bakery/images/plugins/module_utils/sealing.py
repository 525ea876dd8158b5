# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sealing: take what the bake left out of a stopped machine's upper directory, in one walk.

The walk goes through directory descriptors, never follows a link and opens nothing but regular files. It
also cuts every time to the epoch and to whole seconds, so that the frozen tree on disk equals the tar that is
made of it.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field

from ansible_collections.bakery.images.plugins.module_utils.beneath import (
    DIRECTORY,
    open_beneath,
    open_regular,
    read_limited,
)
from ansible_collections.bakery.images.plugins.module_utils.content_attributes import kept_attributes
from ansible_collections.bakery.images.plugins.module_utils.directory_chain import (
    Directory,
    close_below,
    remove_tree,
)
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure
from ansible_collections.bakery.images.plugins.module_utils.lower_view import LowerView, Shown, lower_view
from ansible_collections.bakery.images.plugins.module_utils.sealing_rules import (
    BYTECODE,
    LOGS_OF_THE_BAKE,
    PRUNED_NAMES_WHEN_EMPTY,
    PRUNED_WHEN_EMPTY,
    ROTATED_LOGS,
    RULES,
    SOCKET,
    UNREPEATABLE,
    Action,
    Rule,
)
from ansible_collections.bakery.images.plugins.module_utils.stacked_tree import (
    MOST_ENTRIES,
    PATH_MAX,
    display,
    is_opaque,
    is_whiteout,
    too_long,
)

_SECOND_NS = 1_000_000_000
_DAY_S = 86_400
_PYC_HEADER = 16
_PYC_HASH_BASED = 1
_MOST_TOLD = 1000
_LARGEST_SHADOW = 16 << 20
_LARGEST_COMPARED = 16 << 20
_READ = 1 << 16
_LONGEST_SHOWN = 200
_NO_ID = (b"", b"uninitialized")


@dataclass(frozen=True)
class SealedEntry:
    """What sealing did to a path, and why: ``removed``, ``emptied``, ``cut back`` to what the base has there,
    or ``hidden`` with what the base has there.
    """

    path: str
    what: str
    reason: str


@dataclass
class Sealed:
    """What sealing did: entries taken away (the first of them told, ``more`` are not), times cut, and
    sentences about what cannot be repeated.
    """

    removed: int = 0
    clamped: int = 0
    entries: list[SealedEntry] = field(default_factory=list)
    more: int = 0
    notes: list[str] = field(default_factory=list)

    def to_record(self) -> dict[str, object]:
        """As a layer's record has it: ``{entries: [{path, what, reason}…], more}``."""
        told = [{"path": one.path, "what": one.what, "reason": one.reason} for one in self.entries]
        return {"entries": told, "more": self.more}


@dataclass(frozen=True)
class Sealing:
    """What to seal by: no time is after ``epoch`` (s); ``stubs`` are paths that the engine's mounts left and
    that go as long as they are empty; nothing is taken away that is in ``keep``, paths relative to the root.
    """

    epoch: int
    stubs: frozenset[str] = frozenset()
    keep: tuple[str, ...] = ()

    def keeps(self, path: str) -> bool:
        """Whether the path is to be left as it is."""
        return any(path == kept or path.startswith(kept + "/") for kept in self.keep)

    def keeps_something_in(self, path: str) -> bool:
        """Whether something in the directory is to be left as it is."""
        return any(kept.startswith(path + "/") for kept in self.keep)


def seal(upper: str, *, lowers: Sequence[str], by: Sealing) -> Sealed:
    """Seal the directory ``upper`` over the trees ``lowers`` (highest first). MachineFailure."""
    try:
        root = os.open(upper, DIRECTORY)
        try:
            with lower_view(lowers) as below:
                return _Walk(root, below, by).run()
        finally:
            os.close(root)
    except OSError as error:
        raise MachineFailure(f"cannot seal {error.filename or upper}: {error.strerror}") from error


@dataclass
class _Frame:
    """One directory of the walk.

    ``below`` is what the layers below show in it, ``inherited`` the rule that holds for everything in it;
    ``doomed``: it goes itself as soon as it is empty.
    """

    path: str
    directory: Directory
    below: LowerView
    before: os.stat_result
    left: list[tuple[str, os.stat_result]]
    inherited: Rule | None = None
    doomed: bool = False
    stays: bool = False
    removed_before: int = 0

    @property
    def descriptor(self) -> int:
        return self.directory.descriptor

    def of(self, name: str) -> str:
        return f"{self.path}/{name}" if self.path else name


class _Walk:
    """The state of one walk."""

    def __init__(self, root: int, below: LowerView, by: Sealing) -> None:
        self.sealed = Sealed()
        self._by = by
        self._limit_ns = by.epoch * _SECOND_NS
        self._seen = 0
        self._root = root
        self._frames: list[_Frame] = []
        self._below = below

    def run(self) -> Sealed:
        """Seal everything; a loop, since a tree may be deeper than Python recurses."""
        before = os.fstat(self._root)
        here = Directory(self._root)
        self._frames = [_Frame("", here, self._below, before, self._listing(here))]
        try:
            while self._frames:
                here = self._frames[-1].directory
                if self._frames[-1].left:
                    self._entry(self._frames[-1], *self._frames[-1].left.pop())
                else:
                    self._finish(self._frames.pop())
        except OSError as error:
            place = self._frames[-1].of(os.fsdecode(error.filename or "")) if self._frames else ""
            raise MachineFailure(f"cannot seal {_shortened(place)}: {error.strerror}") from error
        finally:
            for frame in self._frames[1:]:
                frame.below.close()
            close_below(here)
        wanted = self._wanted_ns(before)
        os.utime(self._root, ns=(wanted, wanted))
        return self.sealed

    def _listing(self, directory: Directory) -> list[tuple[str, os.stat_result]]:
        """Names and what they are, in order when taken from the end."""
        with os.scandir(directory.descriptor) as listing:
            found = [(entry.name, entry.stat(follow_symlinks=False)) for entry in listing]
        self._seen += len(found)
        if self._seen > MOST_ENTRIES:
            raise MachineFailure(f"the machine has more than {MOST_ENTRIES} new files; no image can be made")
        return sorted(found, reverse=True)

    # ── entries ──

    def _entry(self, frame: _Frame, name: str, status: os.stat_result) -> None:
        path = frame.of(name)
        if is_whiteout(status):
            frame.stays = True  # what a role deleted stays deleted, whatever it was
            return
        rule = None if self._by.keeps(path) else _rule(frame.path, name) or frame.inherited
        if stat.S_ISDIR(status.st_mode):
            self._directory(frame, name, status, rule=rule)
        elif not (self._is_stub(frame, name, status) or self._is_taken(frame, name, status, rule=rule)):
            self._leave(frame, name, status)

    def _directory(self, frame: _Frame, name: str, status: os.stat_result, *, rule: Rule | None) -> None:
        path = frame.of(name)
        doomed = rule is not None and rule.action is Action.DROP
        if doomed and rule and not self._by.keeps_something_in(path) and not frame.below.at(name):
            remove_tree(frame.descriptor, name)
            self._tell(path, "removed", rule.reason)
            return
        if not doomed:
            self._refuse_long(path)
        deeper = frame.directory.enter(name)
        inherited = rule
        if rule and (doomed or rule.action is Action.CONTENTS):
            inherited = _everything_in(rule)
        elif rule and rule.action is Action.MACHINE_ID:
            inherited = None
        below = LowerView() if is_opaque(deeper.descriptor) else frame.below.enter(name)
        removed = self.sealed.removed
        self._frames.append(
            _Frame(
                path,
                deeper,
                below,
                status,
                self._listing(deeper),
                inherited=inherited,
                doomed=doomed,
                removed_before=removed,
            )
        )

    def _finish(self, frame: _Frame) -> None:
        """Leave a directory, all of whose entries are sealed; it goes if it has become nothing."""
        if not self._frames:
            return
        above = self._frames[-1]
        name = os.path.basename(frame.path)
        opaque = is_opaque(frame.descriptor)
        frame.below.leave()
        gone = not frame.stays and self._may_go(above, frame, opaque=opaque)
        frame.directory.leave()
        if not gone:
            self._leave(above, name, frame.before)
            return
        os.rmdir(name, dir_fd=above.descriptor)
        if opaque and above.below.at(name):
            # The base's was deleted before this one was made: it does not come back.
            self._hide(above, name, status=frame.before)

    def _may_go(self, above: _Frame, frame: _Frame, *, opaque: bool) -> bool:
        """Whether an empty directory goes: below is the same one, or none and this one means nothing."""
        if frame.doomed:
            return True
        if opaque or self._by.keeps(frame.path):
            return False
        shown = above.below.at(os.path.basename(frame.path))
        if shown is not None:
            return _equals(shown, frame.descriptor)
        emptied = self.sealed.removed != frame.removed_before
        named = emptied and os.path.basename(frame.path) in PRUNED_NAMES_WHEN_EMPTY
        return named or frame.path in PRUNED_WHEN_EMPTY or frame.path in self._by.stubs

    # ── what goes ──

    def _is_taken(self, frame: _Frame, name: str, status: os.stat_result, *, rule: Rule | None) -> bool:
        """Do what a rule says to what is no directory; returns whether nothing is left to do to it."""
        kept = self._by.keeps(frame.of(name))
        if stat.S_ISSOCK(status.st_mode):
            self._take_away(frame, name, status, reason=SOCKET, hides=True)
            return True
        if rule is not None and self._applies(rule, status):
            return self._obey(frame, name, status, rule=rule)
        if not kept and name.endswith(".pyc") and self._is_stale_bytecode(frame, name, status):
            self._take_away(frame, name, status, reason=BYTECODE)
            return True
        return False

    def _obey(self, frame: _Frame, name: str, status: os.stat_result, *, rule: Rule) -> bool:
        if rule.action is Action.MACHINE_ID:
            return self._seal_machine_id(frame, name, status, rule=rule)
        if rule.action is Action.LOGS:
            return self._seal_log(frame, name, status, rule=rule)
        if rule.owned:
            return self._seal_owned(frame, name, status, rule=rule)
        self._take_away(frame, name, status, reason=rule.reason)
        return True

    @staticmethod
    def _applies(rule: Rule, status: os.stat_result) -> bool:
        """Whether what is there is of the kind that a bake leaves, and not made in its place on purpose."""
        if rule.action is Action.CONTENTS:
            return False  # a file or a link, where a directory would be emptied
        if rule.action in (Action.LOGS, Action.MACHINE_ID):
            return stat.S_ISREG(status.st_mode)
        return rule.links or not stat.S_ISLNK(status.st_mode)

    def _seal_machine_id(self, frame: _Frame, name: str, status: os.stat_result, *, rule: Rule) -> bool:
        """Only an id is the machine's own: the states without one (machine-id(5)) are somebody's wish."""
        shown = frame.below.at(name)
        ours = _content(open_regular(frame.descriptor, name)).strip()
        theirs = _content(shown.open_regular()).strip() if shown else b""
        if shown and (ours == theirs or (ours not in _NO_ID and theirs in _NO_ID)):
            self._take_away(frame, name, status, reason=rule.reason)
            return True
        if ours in _NO_ID:
            return False
        self._empty(frame, name, status, reason=rule.reason)
        return True

    def _seal_log(self, frame: _Frame, name: str, status: os.stat_result, *, rule: Rule) -> bool:
        shown = frame.below.at(name)
        if shown and _continues(frame.descriptor, name, shown):
            return self._give_back(frame, name, status, shown=shown, reason=rule.reason)
        if not shown and _is_log_of_the_bake(frame.of(name), status):
            self._take_away(frame, name, status, reason=rule.reason)
            return True
        if not status.st_size:
            return False
        self._empty(frame, name, status, reason=rule.reason)
        return True

    def _seal_owned(self, frame: _Frame, name: str, status: os.stat_result, *, rule: Rule) -> bool:
        """What is the machine's own; where the base's was replaced, that one does not come back either."""
        shown = frame.below.at(name)
        if shown and _continues(frame.descriptor, name, shown):
            return self._give_back(frame, name, status, shown=shown, reason=rule.reason)
        hides = shown is not None
        if hides and not status.st_size and stat.S_ISREG(status.st_mode):
            return False  # emptied on purpose
        self._take_away(frame, name, status, reason=rule.reason, hides=hides)
        return True

    def _give_back(
        self, frame: _Frame, name: str, status: os.stat_result, *, shown: Shown, reason: str
    ) -> bool:
        """Leave what the base has there, with the owner, mode and attributes that a role gave it."""
        if status.st_nlink > 1 or _is_kept_alike(frame.descriptor, name, status, shown=shown):
            self._take_away(frame, name, status, reason=reason)
            return True
        if status.st_size > shown.status.st_size:
            descriptor = open_beneath(frame.descriptor, name, os.O_WRONLY)
            try:
                os.ftruncate(descriptor, shown.status.st_size)
            finally:
                os.close(descriptor)
            self._tell(frame.of(name), "cut back", reason)
        frame.stays = True
        self._clamp(frame.descriptor, name, shown.status)
        return True

    def _take_away(
        self, frame: _Frame, name: str, status: os.stat_result, *, reason: str, hides: bool = False
    ) -> None:
        path = frame.of(name)
        os.unlink(name, dir_fd=frame.descriptor)
        if hides and frame.below.at(name):
            self._hide(frame, name, status=status)
            self._tell(path, "hidden", reason)
        else:
            self._tell(path, "removed", reason)

    def _hide(self, frame: _Frame, name: str, *, status: os.stat_result) -> None:
        """Put a whiteout in the place of what is taken away, so that the base's is not seen instead."""
        os.mknod(name, stat.S_IFCHR, os.makedev(0, 0), dir_fd=frame.descriptor)
        frame.stays = True
        self._clamp(frame.descriptor, name, status)

    def _empty(self, frame: _Frame, name: str, status: os.stat_result, *, reason: str) -> None:
        parent = frame.descriptor
        if status.st_nlink > 1:
            _replace_by_empty(parent, name, status)
        else:
            os.close(open_beneath(parent, name, os.O_WRONLY | os.O_TRUNC))
        self._clamp(parent, name, os.stat(name, dir_fd=parent, follow_symlinks=False))
        frame.stays = True
        self._tell(frame.of(name), "emptied", reason)

    def _is_stub(self, frame: _Frame, name: str, status: os.stat_result) -> bool:
        """Whether it is an empty mount point that the engine left, which goes and is no news to anybody."""
        if frame.of(name) not in self._by.stubs:
            return False
        if stat.S_ISLNK(status.st_mode):
            empty = os.readlink(name, dir_fd=frame.descriptor) in ("/proc/mounts", "/proc/self/mounts")
        else:
            empty = stat.S_ISREG(status.st_mode) and status.st_size == 0
        if empty:
            os.unlink(name, dir_fd=frame.descriptor)
            self.sealed.removed += 1
        return empty

    def _is_stale_bytecode(self, frame: _Frame, name: str, status: os.stat_result) -> bool:
        """Whether compiled Python names a source time after the epoch (PEP 552) and there is that source:
        cutting the source's time makes it useless, and it differs from bake to bake. Hash-based files stay,
        and so do those that are shipped without a source (PEP 3147, "Case 4").
        """
        if not stat.S_ISREG(status.st_mode) or status.st_size < _PYC_HEADER:
            return False
        descriptor = open_beneath(frame.descriptor, name)
        try:
            header = os.read(descriptor, _PYC_HEADER)
        finally:
            os.close(descriptor)
        flags = int.from_bytes(header[4:8], "little")
        stale = not flags & _PYC_HASH_BASED and int.from_bytes(header[8:12], "little") > self._by.epoch
        # In __pycache__ Python looks at nothing that has no source.
        return stale and (os.path.basename(frame.path) == "__pycache__" or self._has_source(frame, name))

    def _has_source(self, frame: _Frame, name: str) -> bool:
        source = name[:-1]
        try:
            status = os.stat(source, dir_fd=frame.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return frame.below.at(source) is not None
        return not is_whiteout(status)

    # ── what stays ──

    def _leave(self, frame: _Frame, name: str, status: os.stat_result) -> None:
        path = frame.of(name)
        frame.stays = True
        self._refuse_long(path)
        if path in ("etc/shadow", "etc/gshadow"):
            self._clamp_password_dates(frame.descriptor, name)
        if path in UNREPEATABLE:
            self.sealed.notes.append(f"/{path} is {UNREPEATABLE[path]}")
        self._clamp(frame.descriptor, name, status)

    def _clamp_password_dates(self, parent: int, name: str) -> None:
        """Cut the day of the last password change, field 3 of shadow(5), to the epoch's day."""
        day = self._by.epoch // _DAY_S
        descriptor = open_regular(parent, name, os.O_RDWR)
        if descriptor is None:
            return
        with os.fdopen(descriptor, "r+b") as shadow:
            before = read_limited(descriptor, limit=_LARGEST_SHADOW, path=name)
            after = b"".join(_cut_day(line, day) for line in before.splitlines(keepends=True))
            if after != before:
                shadow.seek(0)
                shadow.write(after)
                shadow.truncate()

    def _clamp(self, parent: int, name: str, status: os.stat_result) -> None:
        """Give it the time in ``status``, which may be from before the sealing, cut to the epoch and to whole
        seconds.
        """
        wanted = self._wanted_ns(status)
        if stat.S_ISDIR(status.st_mode) or status.st_mtime_ns == wanted:
            status = os.stat(name, dir_fd=parent, follow_symlinks=False)
        if status.st_mtime_ns != wanted:
            os.utime(name, ns=(wanted, wanted), dir_fd=parent, follow_symlinks=False)
            self.sealed.clamped += 1

    def _wanted_ns(self, status: os.stat_result) -> int:
        # Not before 1970 either: engines cannot set such a time and take 1970 instead.
        return max(min(status.st_mtime_ns // _SECOND_NS * _SECOND_NS, self._limit_ns), 0)

    def _tell(self, path: str, what: str, reason: str) -> None:
        self.sealed.removed += 1
        if len(self.sealed.entries) < _MOST_TOLD:
            self.sealed.entries.append(SealedEntry(f"/{display(os.fsencode(path))}", what, reason))
        else:
            self.sealed.more += 1

    @staticmethod
    def _refuse_long(path: str) -> None:
        if len(path) * 4 >= PATH_MAX and len(os.fsencode(path)) >= PATH_MAX:
            raise MachineFailure(too_long(os.fsencode(path)))


def _rule(where: str, name: str) -> Rule | None:
    found = _BY_PLACE.get(where, ())
    if where.startswith("home/"):
        _user, _slash, rest = where[5:].partition("/")
        found = (*found, *_BY_PLACE.get(f"home/*/{rest}" if rest else "home/*", ()))
    for rule in found:
        if rule.what is not None and re.fullmatch(rule.what, name):
            return rule
    return None


def _by_place() -> dict[str, tuple[Rule, ...]]:
    places: dict[str, tuple[Rule, ...]] = {}
    for rule in RULES:
        places[rule.where] = (*places.get(rule.where, ()), rule)
    return places


_BY_PLACE = _by_place()


def _everything_in(rule: Rule) -> Rule:
    """The rule for what is in a directory that is to be emptied: everything, whatever it is, goes."""
    return Rule(rule.where, rule.what, Action.DROP, rule.reason, links=True)


def _is_log_of_the_bake(path: str, status: os.stat_result) -> bool:
    name = path.removeprefix("var/log/")
    if re.fullmatch(ROTATED_LOGS, os.path.basename(path), re.DOTALL):
        return True
    return not status.st_uid and re.fullmatch(LOGS_OF_THE_BAKE, name, re.DOTALL) is not None


def _continues(parent: int, name: str, shown: Shown) -> bool:
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


def _is_kept_alike(parent: int, name: str, status: os.stat_result, *, shown: Shown) -> bool:
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


def _content(descriptor: int | None) -> bytes:
    """How an open file begins, enough to tell an id; it is closed."""
    if descriptor is None:
        return b""
    try:
        return os.read(descriptor, _READ)
    finally:
        os.close(descriptor)


def _replace_by_empty(parent: int, name: str, status: os.stat_result) -> None:
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


def _equals(shown: Shown, upper: int) -> bool:
    """Whether what is below is a directory with the owner, mode and attributes of the directory ``upper``."""
    theirs, ours = shown.status, os.fstat(upper)
    if (theirs.st_mode, theirs.st_uid, theirs.st_gid) != (ours.st_mode, ours.st_uid, ours.st_gid):
        return False
    descriptor = os.open(shown.name, DIRECTORY, dir_fd=shown.parent)
    try:
        return kept_attributes(descriptor) == kept_attributes(upper)
    finally:
        os.close(descriptor)


def _shortened(path: str) -> str:
    shown = f"/{display(os.fsencode(path))}"
    return shown if len(shown) < _LONGEST_SHOWN else f"{shown[:_LONGEST_SHOWN]}…"


def _cut_day(line: bytes, day: int) -> bytes:
    fields = line.split(b":")
    if len(fields) > 3 and fields[2].isdigit() and int(fields[2]) > day:
        fields[2] = str(day).encode()
        return b":".join(fields)
    return line
