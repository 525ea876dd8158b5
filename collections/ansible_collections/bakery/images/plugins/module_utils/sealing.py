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
import stat
from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.bakery.images.plugins.module_utils.beneath import (
    DIRECTORY,
    open_beneath,
    open_regular,
)
from ansible_collections.bakery.images.plugins.module_utils.directory_chain import (
    Directory,
    close_below,
    remove_tree,
)
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure
from ansible_collections.bakery.images.plugins.module_utils.lower_view import LowerView, Shown, lower_view
from ansible_collections.bakery.images.plugins.module_utils.sealed import Sealed, Sealing
from ansible_collections.bakery.images.plugins.module_utils.sealing_files import (
    content_of,
    continues,
    cut_password_dates,
    equals,
    is_empty_stub,
    is_kept_alike,
    names_a_source_after,
    replace_by_empty,
    shortened,
)
from ansible_collections.bakery.images.plugins.module_utils.sealing_rules import (
    BYTECODE,
    PRUNED_NAMES_WHEN_EMPTY,
    PRUNED_WHEN_EMPTY,
    SOCKET,
    UNREPEATABLE,
    Action,
    Rule,
    everything_in,
    is_log_of_the_bake,
    rule_for,
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
_NO_ID = (b"", b"uninitialized")


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

    def has_file(self, name: str) -> bool:
        return self.below.has_file(name, over=self.descriptor)


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
            raise MachineFailure(f"cannot seal {shortened(place)}: {error.strerror}") from error
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

    def _entry(self, frame: _Frame, name: str, status: os.stat_result) -> None:
        path = frame.of(name)
        if is_whiteout(status):
            frame.stays = True  # what a role deleted stays deleted, whatever it was
            return
        rule = None if self._by.keeps(path) else rule_for(frame.path, name) or frame.inherited
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
            inherited = everything_in(rule)
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
            return equals(shown, frame.descriptor)
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
        ours = content_of(open_regular(frame.descriptor, name)).strip()
        theirs = content_of(shown.open_regular()).strip() if shown else b""
        if shown and (ours == theirs or (ours not in _NO_ID and theirs in _NO_ID)):
            self._take_away(frame, name, status, reason=rule.reason)
            return True
        if ours in _NO_ID:
            return False
        self._empty(frame, name, status, reason=rule.reason)
        return True

    def _seal_log(self, frame: _Frame, name: str, status: os.stat_result, *, rule: Rule) -> bool:
        shown = frame.below.at(name)
        if shown and continues(frame.descriptor, name, shown):
            return self._give_back(frame, name, status, shown=shown, reason=rule.reason)
        if not shown and is_log_of_the_bake(frame.of(name), owner=status.st_uid, is_there=frame.has_file):
            self._take_away(frame, name, status, reason=rule.reason)
            return True
        if not status.st_size:
            return False
        self._empty(frame, name, status, reason=rule.reason)
        return True

    def _seal_owned(self, frame: _Frame, name: str, status: os.stat_result, *, rule: Rule) -> bool:
        """What is the machine's own; where the base's was replaced, that one does not come back either."""
        shown = frame.below.at(name)
        if shown and continues(frame.descriptor, name, shown):
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
        if status.st_nlink > 1 or is_kept_alike(frame.descriptor, name, status, shown=shown):
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
            replace_by_empty(parent, name, status)
        else:
            os.close(open_beneath(parent, name, os.O_WRONLY | os.O_TRUNC))
        self._clamp(parent, name, os.stat(name, dir_fd=parent, follow_symlinks=False))
        frame.stays = True
        self._tell(frame.of(name), "emptied", reason)

    def _is_stub(self, frame: _Frame, name: str, status: os.stat_result) -> bool:
        """Whether it is an empty mount point that the engine left, which goes and is no news to anybody."""
        if frame.of(name) not in self._by.stubs:
            return False
        empty = is_empty_stub(frame.descriptor, name, status)
        if empty:
            os.unlink(name, dir_fd=frame.descriptor)
            self.sealed.removed += 1
        return empty

    def _is_stale_bytecode(self, frame: _Frame, name: str, status: os.stat_result) -> bool:
        """Whether compiled Python names a source time after the epoch (PEP 552) and there is that source:
        cutting the source's time makes it useless, and it differs from bake to bake. Hash-based files stay,
        and so do those that are shipped without a source (PEP 3147, "Case 4").
        """
        if not stat.S_ISREG(status.st_mode):
            return False
        stale = names_a_source_after(frame.descriptor, name, epoch=self._by.epoch)
        # In __pycache__ Python looks at nothing that has no source.
        return stale and (os.path.basename(frame.path) == "__pycache__" or frame.has_file(name[:-1]))

    # ── what stays ──

    def _leave(self, frame: _Frame, name: str, status: os.stat_result) -> None:
        path = frame.of(name)
        frame.stays = True
        self._refuse_long(path)
        if path in ("etc/shadow", "etc/gshadow"):
            cut_password_dates(frame.descriptor, name, epoch=self._by.epoch)
        if path in UNREPEATABLE:
            self.sealed.notes.append(f"/{path} is {UNREPEATABLE[path]}")
        self._clamp(frame.descriptor, name, status)

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
        self.sealed.tell(f"/{display(os.fsencode(path))}", what, reason=reason)

    @staticmethod
    def _refuse_long(path: str) -> None:
        if len(path) * 4 >= PATH_MAX and len(os.fsencode(path)) >= PATH_MAX:
            raise MachineFailure(too_long(os.fsencode(path)))
