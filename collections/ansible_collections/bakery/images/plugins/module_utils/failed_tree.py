# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept of a machine in which a role failed, so that somebody can look inside."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass

from ansible_collections.bakery.images.plugins.module_utils.directory_chain import delete_tree, disk_usage
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure
from ansible_collections.bakery.images.plugins.module_utils.layer_store import (
    canonical_json,
    fsync_directory,
    write_atomically,
)
from ansible_collections.bakery.images.plugins.module_utils.machine_journal import Journal
from ansible_collections.bakery.images.plugins.module_utils.throwaway import Throwaways
from ansible_collections.bakery.images.plugins.module_utils.unfinished import PARTIAL, unfinished

# With less than that left on a disk, what a role wrote there may be what fills it.
_ROOM = 256 << 20
_NAME = re.compile(r"\A[A-Za-z0-9][A-Za-z0-9_.-]{0,127}\Z")


@dataclass(frozen=True)
class Kept:
    """The directory of what is kept of a failed machine, or the sentence why nothing is."""

    path: str | None
    refusal: str | None = None


def keep_failed(throwaways: Throwaways, journal: Journal, *, name: str) -> Kept:
    """Stop a machine and keep its unsealed upper directory as ``failed/<name>``.

    An earlier one of that name is replaced. It is for looking at only and never becomes part of an image.
    Nothing is kept where that would keep the disk full: a tree that takes more than is left beside it.
    """
    if not _NAME.match(name) or name.endswith(PARTIAL):
        raise MachineFailure(
            f"'{name}' cannot be the name of a kept machine (letters, digits, '.', '_' and '-')"
        )
    directory = os.path.join(throwaways.store.root, "failed")
    final = os.path.join(directory, name)
    partial = unfinished(final)
    with throwaways.at_rest(journal):
        upper = throwaways.machines.path(journal.id, "upper")
        refusal = _refusal(upper)
        if refusal:
            return Kept(None, refusal)
        _move_tree(throwaways, journal, partial=partial, final=final)
    return Kept(final)


def _refusal(upper: str) -> str | None:
    """Why a tree cannot be kept: it keeps the disk full."""
    try:
        status = os.statvfs(upper)
        left = status.f_bavail * status.f_frsize
        if left >= _ROOM:
            return None
        taken = disk_usage(upper)
    except OSError as error:
        raise MachineFailure(f"what a role left in {upper} cannot be read: {error.strerror}") from error
    if taken <= left:
        return None
    return (
        f"nothing is kept of the machine: the disk has {_mib(left)} left, and the {_mib(taken)} that the "
        "role wrote would keep it full"
    )


def _mib(size: int) -> str:
    return f"{size >> 20} MiB"


def _move_tree(throwaways: Throwaways, journal: Journal, *, partial: str, final: str) -> None:
    try:
        os.makedirs(partial, mode=0o700)
        record = {
            "parents": list(journal.parents),
            "epoch": journal.epoch,
            "kept": time.time(),
            "machine": journal.id,
        }
        write_atomically(os.path.join(partial, "layer.json"), canonical_json(record) + b"\n")
        os.rename(throwaways.machines.path(journal.id, "upper"), os.path.join(partial, "tree"))
        if os.path.isdir(final):
            old = unfinished(final)
            os.rename(final, old)
            delete_tree(old)
        os.rename(partial, final)
        fsync_directory(os.path.dirname(final))
    except OSError as error:
        raise MachineFailure(f"machine '{journal.id}' cannot be kept as {final}: {error.strerror}") from error
