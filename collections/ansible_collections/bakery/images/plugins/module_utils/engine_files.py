# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container engine mounts into a machine, files below /etc and /tmp: what a role does to them is no
part of its layer. Looked at from outside, without following a link of the machine and without reading them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress

_NAMES = ("hosts", "hostname", "resolv.conf")
_TMP_MODE = 0o1777
_BENEATH = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def look_at_engine_files(pid: int) -> dict[str, list[int]]:
    """By name, what tells whether a file was written: of the machine whose first process is ``pid``."""
    found = {}
    try:
        root = os.open(f"/proc/{pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return {}
    try:
        with suppress(OSError):
            found["tmp"] = [stat.S_IMODE(os.stat("tmp", dir_fd=root, follow_symlinks=False).st_mode)]
        etc = os.open("etc", _BENEATH, dir_fd=root)
    except OSError:
        return found
    finally:
        os.close(root)
    for name in _NAMES:
        with suppress(OSError):
            status = os.stat(name, dir_fd=etc, follow_symlinks=False)
            found[name] = [status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns]
    os.close(etc)
    return found


def lost_writes(pid: int, before: Mapping[str, Sequence[int]]) -> list[str]:
    """A sentence for each file that was written since ``before``, and for another mode of /tmp."""
    now = look_at_engine_files(pid)
    changed = [name for name, seen in sorted(before.items()) if name in now and now[name] != list(seen)]
    things = ["the mode of /tmp" if name == "tmp" else f"/etc/{name}" for name in changed]
    return [
        f"{thing} was changed, and that is not in the image: in a container the engine mounts its own"
        for thing in things
    ]


def odd_tmp(tree: str) -> list[str]:
    """A sentence if /tmp of a machine's tree, which its image will have, is not as programs expect it."""
    with suppress(OSError):
        mode = os.lstat(os.path.join(tree, "tmp")).st_mode
        if stat.S_ISDIR(mode) and stat.S_IMODE(mode) != _TMP_MODE:
            said = (
                f"the image's /tmp has the mode {stat.S_IMODE(mode):04o}, not {_TMP_MODE:04o}: programs of "
                "other users than root cannot make temporary files there safely, or at all; give it that "
                "mode in the base"
            )
            return [said]
    return []
