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
import secrets
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ansible_collections.bakery.images.plugins.module_utils.directory_chain import delete_tree
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure
from ansible_collections.bakery.images.plugins.module_utils.layer_store import (
    PARTIAL,
    canonical_json,
    fsync_directory,
    write_atomically,
)
from ansible_collections.bakery.images.plugins.module_utils.owner import Owner

_MACHINE_ID = re.compile(r"\A[A-Za-z0-9][A-Za-z0-9_.-]{0,62}\Z")
_DIRECTORY_MODE = 0o700


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
        """Whether nobody needs the machine any more: its owner is gone, or it has none and its time is up."""
        owner = Owner.from_wire(self.owner)
        return not owner.is_alive() if owner else now > self.created + self.ttl_s


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
        partial = f"{final}.{os.getpid()}.{secrets.token_hex(4)}{PARTIAL}"
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
            with open(path, "rb") as source:
                record = json.load(source)
            for name in ("parents", "mounts", "stubs"):
                record[name] = tuple(record.get(name, ()))
            return Journal(**record)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, TypeError) as error:
            raise MachineFailure(
                f"{path} cannot be read ({error}); remove the machine with the sweep"
            ) from error

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
    """Remove a machine's directory tree without following links; its journal is the last thing to go."""
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return
    try:
        for name in names:
            if name != "machine.json":
                delete_tree(os.path.join(directory, name))
        delete_tree(directory)
    except OSError as error:
        raise MachineFailure(f"cannot remove {error.filename or directory}: {error.strerror}") from error
