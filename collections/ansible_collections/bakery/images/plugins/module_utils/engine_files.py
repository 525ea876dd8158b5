# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files below /etc that a container engine mounts into a machine: what a role writes there is no part of
its layer. Looked at from outside, without following a link of the machine and without reading them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

_NAMES = ("hosts", "hostname", "resolv.conf")
_BENEATH = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def look_at_engine_files(pid: int) -> dict[str, list[int]]:
    """By name, what tells whether a file was written: of the machine whose first process is ``pid``."""
    found = {}
    try:
        root = os.open(f"/proc/{pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return {}
    try:
        etc = os.open("etc", _BENEATH, dir_fd=root)
    except OSError:
        return {}
    finally:
        os.close(root)
    for name in _NAMES:
        try:
            status = os.stat(name, dir_fd=etc, follow_symlinks=False)
        except OSError:
            continue
        found[name] = [status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns]
    os.close(etc)
    return found


def lost_writes(pid: int, before: Mapping[str, Sequence[int]]) -> list[str]:
    """A sentence for each file that was written since ``before``."""
    now = look_at_engine_files(pid)
    return [
        f"/etc/{name} was changed, and that is not in the image: in a container the engine mounts its own"
        for name, seen in sorted(before.items())
        if name in now and list(now[name]) != list(seen)
    ]
