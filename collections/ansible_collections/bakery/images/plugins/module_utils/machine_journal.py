# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal of a machine: ``machines/<id>/machine.json``, durable before the machine owns anything.

A machine's directory appears by one rename with its journal in it, so whatever a killed bake leaves
(mounts, a container, files) can be found from the directory, and its owner from the journal.
"""

from __future__ import annotations

import json
import os
import re
import stat
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ansible_collections.bakery.images.plugins.module_utils.directory_chain import delete_tree
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure
from ansible_collections.bakery.images.plugins.module_utils.layer_store import (
    canonical_json,
    fsync_directory,
    write_atomically,
)
from ansible_collections.bakery.images.plugins.module_utils.owner import Life, Owner
from ansible_collections.bakery.images.plugins.module_utils.unfinished import PARTIAL, unfinished

_MACHINE_ID = re.compile(r"\A[A-Za-z0-9][A-Za-z0-9_.-]{0,62}\Z")
_DIRECTORY_MODE = 0o700
# In bytes. A journal names layers and mounts, some hundred at most.
_LARGEST = 16 << 20
_END_OF_TIME = 1 << 40
_NOTHING = type(None)
# What the fields of a journal may be after it was written by whatever: exact types, as JSON has them.
_KINDS: dict[str, tuple[type, ...]] = {
    "id": (str,),
    "kind": (str,),
    "created": (int, float),
    "ttl_s": (int,),
    "owner": (dict, _NOTHING),
    "container": (str, _NOTHING),
    "epoch": (int,),
    "pid": (int, _NOTHING),
    "start": (int, _NOTHING),
    "details": (dict,),
}


@dataclass(frozen=True)
class Journal:
    """What is known of a machine. Times are seconds since 1970, wall clock."""

    id: str
    kind: str
    created: float
    ttl_s: int
    owner: dict[str, Any] | None = None
    container: str | None = None
    parents: tuple[str, ...] = ()
    mounts: tuple[str, ...] = ()
    stubs: tuple[str, ...] = ()
    epoch: int = 0
    pid: int | None = None
    start: int | None = None
    details: dict[str, Any] = field(default_factory=dict)

    def is_dead(self, now: float) -> bool:
        """Whether nobody needs the machine any more: its owner is gone, or it has none who can be seen and
        its time is up.
        """
        owner = Owner.from_wire(self.owner)
        life = owner.life() if owner else Life.UNKNOWN
        return now > self.created + self.ttl_s if life is Life.UNKNOWN else life is Life.GONE


class Machines:
    """The directory ``machines/`` of a target; makes, reads and removes machine directories."""

    def __init__(self, root: str) -> None:
        self.directory = os.path.join(os.path.abspath(root), "machines")

    def path(self, machine_id: str, *parts: str) -> str:
        """A path in the directory of a machine; refuses what cannot be a machine id."""
        if not _MACHINE_ID.match(machine_id) or machine_id.endswith(PARTIAL):
            raise MachineFailure(f"'{machine_id}' is not a machine id (letters, digits, '.', '_' and '-')")
        return os.path.join(self.directory, machine_id, *parts)

    def shared(self, name: str) -> str:
        """A path beside the machines, for what they have in common."""
        return os.path.join(os.path.dirname(self.directory), name)

    def begin(self, journal: Journal) -> Journal:
        """Make the directory of a new machine with its journal in it, durably."""
        final = self.path(journal.id)
        partial = unfinished(final)
        try:
            os.makedirs(self.directory, mode=_DIRECTORY_MODE, exist_ok=True)
            os.mkdir(partial, _DIRECTORY_MODE)
            self._write(partial, journal)
            os.rename(partial, final)
            fsync_directory(self.directory)
        except OSError as error:
            with suppress(OSError):
                delete_tree(partial)
            if os.path.isdir(final):
                raise MachineFailure(f"machine '{journal.id}' exists already; discard it first") from error
            raise MachineFailure(
                f"cannot make machine '{journal.id}' in {self.directory}: {error.strerror}"
            ) from error
        return journal

    def update(self, journal: Journal, **fields: Any) -> Journal:
        """Replace fields of the journal in one durable step; returns the new journal."""
        journal = replace(journal, **fields)
        self._write(self.path(journal.id), journal)
        return journal

    def find(self, machine_id: str) -> Journal | None:
        """The journal of a machine, or None if there is no such machine."""
        return self.read(self.path(machine_id))

    def get(self, machine_id: str) -> Journal:
        """The journal of a machine that must exist."""
        journal = self.find(machine_id)
        if journal is None:
            raise MachineFailure(f"there is no machine '{machine_id}' in {self.directory}; launch it first")
        return journal

    @staticmethod
    def read(directory: str) -> Journal | None:
        """The journal in a machine's directory; None if there is none."""
        path = os.path.join(directory, "machine.json")
        try:
            return _journal(json.loads(_content(path)))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise MachineFailure(
                f"{path} cannot be read ({error}); remove the machine with the sweep"
            ) from error

    def lives(self, name: str, now: float) -> bool:
        """Whether somebody needs what is called so in the directory.

        Not if its journal cannot be read: the writers of journals rename whole ones into place.
        """
        try:
            journal = self.read(os.path.join(self.directory, name))
        except MachineFailure:
            return False
        return journal is not None and not journal.is_dead(now)

    def names(self) -> list[str]:
        """The names in the directory, machines and ``.partial`` leftovers, sorted."""
        try:
            return sorted(os.listdir(self.directory))
        except FileNotFoundError:
            return []

    def remove(self, machine_id: str) -> None:
        """Remove the directory of a machine that owns no mounts any more; the journal goes last."""
        remove_directory(self.path(machine_id))

    @staticmethod
    def _write(directory: str, journal: Journal) -> None:
        write_atomically(os.path.join(directory, "machine.json"), canonical_json(asdict(journal)) + b"\n")


def _content(path: str) -> bytes:
    """A journal's bytes; OSError for what is no file, which is not waited for, and ValueError for a file that
    is no journal by its size.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as source:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("it is no file")
        content = source.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise ValueError("it is too large")
    return content


def _journal(record: Any) -> Journal:
    """The journal that a JSON document is; ValueError or TypeError for any other document."""
    if not isinstance(record, dict):
        raise TypeError("it is not a JSON object")
    for name in ("parents", "mounts", "stubs"):
        record[name] = _texts(name, record.get(name, []))
    journal = Journal(**record)
    for name, kinds in _KINDS.items():
        value = getattr(journal, name)
        if type(value) not in kinds:
            raise ValueError(f"its '{name}' is not what it should be")
    if not (0 <= journal.created < _END_OF_TIME and abs(journal.ttl_s) < _END_OF_TIME):
        raise ValueError("its 'created' or 'ttl_s' is no time")
    Owner.from_wire(journal.owner)
    return journal


def _texts(name: str, value: Any) -> tuple[str, ...]:
    if not (isinstance(value, list) and all(isinstance(one, str) for one in value)):
        raise ValueError(f"its '{name}' are not a list of texts")
    return tuple(value)


def new_journal(machine_id: str, kind: str, *, owner: Owner | None, ttl_s: int, **fields: Any) -> Journal:
    """The first journal of a machine, created now."""
    return Journal(
        id=machine_id,
        kind=kind,
        created=time.time(),
        ttl_s=ttl_s,
        owner=owner.to_wire() if owner else None,
        **fields,
    )


def remove_directory(directory: str) -> None:
    """Remove a machine's directory tree without following links; its journal is the last thing to go.

    Whatever else is in its place is removed too.
    """
    try:
        if os.path.islink(directory) or not os.path.isdir(directory):
            os.unlink(directory)
            return
        names = os.listdir(directory)
    except FileNotFoundError:
        return
    except OSError as error:
        raise MachineFailure(f"cannot remove {directory}: {error.strerror}") from error
    try:
        for name in names:
            if name != "machine.json":
                delete_tree(os.path.join(directory, name))
        delete_tree(directory)
    except OSError as error:
        # shutil names files as it reaches them, from within their directory.
        name = os.path.join(directory, os.fsdecode(error.filename or ""))
        raise MachineFailure(f"cannot remove {name}: {error.strerror}") from error
