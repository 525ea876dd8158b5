# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine's directory, ``<home>/ec2/machines/<id>``, and additions to the journal in it.

The cloud's tags are the truth; what stands here only makes it quicker to find.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from typing import Any

from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure
from ansible_collections.bakery.images.plugins.module_utils.layer_store import (
    canonical_json,
    write_atomically,
)

_MACHINE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}\Z")
_JOURNAL = "journal.json"


def machine_directory(home: str, machine_id: str) -> str:
    """The directory of a machine; refuses what cannot be a machine's id."""
    if not _MACHINE_ID.match(machine_id):
        raise MachineFailure(f"'{machine_id}' is not a machine id (letters, digits, '.', '_' and '-')")
    return os.path.join(home, "ec2", "machines", machine_id)


def note(home: str, machine_id: str) -> Callable[..., None]:
    """A function that adds its keyword arguments to the machine's journal, durably."""
    directory = machine_directory(home, machine_id)

    def add(**fields: Any) -> None:
        path = os.path.join(directory, _JOURNAL)
        try:
            os.makedirs(directory, mode=0o700, exist_ok=True)
            write_atomically(path, canonical_json({**_read(path), **fields}) + b"\n")
        except OSError as error:
            raise MachineFailure(f"cannot write {path}: {error.strerror}") from error

    return add


def _read(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as source:
            journal: dict[str, Any] = json.load(source)
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise MachineFailure(f"{path} cannot be read: {error}") from error
    return journal
