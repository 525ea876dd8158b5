# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where machines can be made: some directories no engine can name, and some carry no overlay mount."""

from __future__ import annotations

import ctypes
import os

from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure

# statfs(2): OVERLAYFS_SUPER_MAGIC of linux/magic.h.
_OVERLAYFS = 0x794C7630
# Of struct statfs only the first word, f_type, is looked at; the whole is 120 bytes on 64-bit Linux.
_STATFS_BYTES = 256
_ELSEWHERE = "set BAKERY_HOME to another directory"


def require_place(root: str) -> None:
    """MachineFailure unless machines can be made below ``root``; asked before anything is made there."""
    try:
        root.encode("utf-8")
    except UnicodeEncodeError as error:
        raise MachineFailure(
            f"container engines cannot run anything below {root}: the path is not UTF-8; {_ELSEWHERE}"
        ) from error
    if ":" in root:
        raise MachineFailure(
            f"container engines cannot run anything below {root}: for them a ':' ends a path; {_ELSEWHERE}"
        )
    control = next((letter for letter in root if ord(letter) < ord(" ") or ord(letter) == 0x7F), None)
    if control:
        raise MachineFailure(
            f"{root!r} cannot hold machines: its path has the control character {control!r}; {_ELSEWHERE}"
        )
    if is_overlay(root):
        raise MachineFailure(
            f"{root} is on an overlay file system, such as that of a container, and on one no other can be "
            f"mounted for a machine; set BAKERY_HOME to a directory of a volume or of the host"
        )


def is_overlay(path: str) -> bool:
    """Whether the directory, or the nearest above it that exists, is on overlayfs."""
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    answer = ctypes.create_string_buffer(_STATFS_BYTES)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.statfs(os.fsencode(path), answer):
        return False  # whoever makes something there is told why that fails
    return ctypes.cast(answer, ctypes.POINTER(ctypes.c_long))[0] == _OVERLAYFS
