# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unfinished files and directories: their name says who writes them, and ends in ``.partial``.

A name without that ending is complete at any instant. What a writer that was killed left is told from what a
living one is about to finish by the process in the name: its id, its start, and the namespace of its id.
"""

from __future__ import annotations

import os
import re
import secrets
import time

from ansible_collections.bakery.images.plugins.module_utils.owner import (
    Life,
    own_namespace,
    process_life,
    process_start,
)

PARTIAL = ".partial"
# Longer than anything takes between starting a .partial and renaming it.
_AGE_S = 86_400
_WRITER = re.compile(
    r"(?:\A|[./-])(?P<pid>[0-9]{1,10})-(?P<start>[0-9]{1,20})-(?P<namespace>[0-9]{1,20})\.[0-9a-f]{8}"
    + re.escape(PARTIAL)
    + r"\Z"
)


def unfinished(path: str) -> str:
    """A name beside ``path`` under which the calling process makes it, new at each call."""
    return f"{path}.{unfinished_name()}"


def unfinished_name() -> str:
    """The end of such a name, which may stand alone too."""
    pid = os.getpid()
    return f"{pid}-{process_start(pid) or 0}-{own_namespace()}.{secrets.token_hex(4)}{PARTIAL}"


def is_abandoned(path: str, *, busy: bool = False) -> bool:
    """Whether nobody will finish the file or directory: its writer is gone.

    Where the name does not say who that was, or he cannot be seen from here, it is after a day; and a name
    without a writer unless somebody is at work here (``busy``).
    """
    writer = _WRITER.search(os.path.basename(path))
    if writer:
        life = process_life(int(writer["pid"]), int(writer["start"]), writer["namespace"])
        if life is not Life.UNKNOWN:
            return life is Life.GONE
    elif not busy:
        return True
    try:
        return time.time() - os.lstat(path).st_mtime > _AGE_S
    except FileNotFoundError:
        return False
