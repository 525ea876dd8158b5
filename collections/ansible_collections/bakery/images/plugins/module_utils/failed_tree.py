# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept of a machine in which a role failed, so that somebody can look inside."""

from __future__ import annotations

import os
import re
import shutil
import time

from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure
from ansible_collections.bakery.images.plugins.module_utils.layer_store import (
    canonical_json,
    fsync_directory,
    write_atomically,
)
from ansible_collections.bakery.images.plugins.module_utils.machine_journal import Journal
from ansible_collections.bakery.images.plugins.module_utils.throwaway import Throwaways
from ansible_collections.bakery.images.plugins.module_utils.unfinished import PARTIAL, unfinished

_NAME = re.compile(r"\A[A-Za-z0-9][A-Za-z0-9_.-]{0,127}\Z")


def keep_failed(throwaways: Throwaways, journal: Journal, *, name: str) -> str:
    """Stop a machine and keep its unsealed upper directory as ``failed/<name>``; returns that directory.

    An earlier one of that name is replaced. It is for looking at only and never becomes part of an image.
    """
    if not _NAME.match(name) or name.endswith(PARTIAL):
        raise MachineFailure(
            f"'{name}' cannot be the name of a kept machine (letters, digits, '.', '_' and '-')"
        )
    directory = os.path.join(throwaways.store.root, "failed")
    final = os.path.join(directory, name)
    partial = unfinished(final)
    with throwaways.at_rest(journal):
        _move_tree(throwaways, journal, partial=partial, final=final)
    return final


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
            shutil.rmtree(old)
        os.rename(partial, final)
        fsync_directory(os.path.dirname(final))
    except OSError as error:
        raise MachineFailure(f"machine '{journal.id}' cannot be kept as {final}: {error.strerror}") from error
