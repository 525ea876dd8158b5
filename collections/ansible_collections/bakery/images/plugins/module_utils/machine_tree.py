# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at a machine's mounted tree from outside without being led out of it by its symbolic links."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable

_MOST_LINKS = 40


def resolve(tree: str, path: str) -> str | None:
    """Where ``path`` in ``tree`` is on this host, links followed as inside the tree; None if missing."""
    todo = [part for part in path.split("/") if part]
    done: list[str] = []
    links = 0
    while todo:
        part = todo.pop(0)
        if part == ".":
            continue
        if part == "..":
            done = done[:-1]
            continue
        place = "/".join((tree, *done, part))
        try:
            mode = os.lstat(place).st_mode
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
                return None
            raise
        if not stat.S_ISLNK(mode):
            done.append(part)
            continue
        links += 1
        if links > _MOST_LINKS:
            return None
        target = os.readlink(place)
        if target.startswith("/"):
            done = []
        todo = [piece for piece in target.split("/") if piece] + todo
    return "/".join((tree, *done))


def boots_systemd(tree: str) -> bool:
    """Whether ``/sbin/init`` of the tree is systemd."""
    init = resolve(tree, "/sbin/init")
    return init is not None and os.path.basename(init) == "systemd" and os.access(init, os.X_OK)


def make_directory(tree: str, path: str) -> None:
    """Make the directory ``path`` of a tree in which nothing runs, links followed as inside the tree.

    As engines make the working directory of an image that they start. What cannot be made is left to the
    engine, which has a sentence for it.
    """
    place = tree
    for part in path.split("/"):
        inside = f"{place[len(tree) :]}/{part}"
        found = resolve(tree, inside)
        if found is None:
            found = f"{place}/{part}"
            try:
                os.mkdir(found, 0o755)
            except OSError:
                return
        place = found


def make_stubs(tree: str, stubs: Iterable[str]) -> tuple[str, ...]:
    """Create the mount points that are missing in a tree; returns their paths.

    The engine would create them too, but change the times of the directories that hold them.
    """
    made = []
    for stub in stubs:
        parent, _slash, name = stub.rpartition("/")
        place = f"{tree}/{parent}" if parent else tree
        path = f"{place}/{name}"
        if os.path.lexists(path) or resolve(tree, parent) != place.rstrip("/"):
            continue
        before = os.stat(place)
        if stub == "etc/mtab":
            os.symlink("/proc/mounts", path)
        elif stub in ("etc/hosts", "etc/hostname", "etc/resolv.conf"):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
        else:
            os.mkdir(path, 0o755)
        os.utime(place, ns=(before.st_atime_ns, before.st_mtime_ns))
        made.append(stub)
    return tuple(made)
