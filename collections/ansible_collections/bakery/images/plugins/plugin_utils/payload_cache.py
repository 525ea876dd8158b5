# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps what Ansible packs for its own modules from one run to the next.

A run of ansible-playbook packs each module that it sends, once: 0.1 to 0.2 s of finding and compressing its
module_utils. The packages are files of the run, removed at its end, and the next run makes the same ones. So
they are copied into a directory that stays, and the next run finds links to them where it looks.

Only packages of ansible-core's own modules are kept, and only while nothing but ansible-core provides
module_utils: then a name means one content, that of the installed ansible-core, and a directory is for just
one of those. A version of ansible-core that keeps its packages elsewhere finds nothing here and packs anew.

Ansible unpickles what it finds. So the name of a kept package holds the digest of its content, and one that
is not what its name says (a machine that lost its power, a bad disk) is removed instead of being offered.
That is also why nothing is flushed: what did not reach the disk is noticed.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import stat
import sys
from contextlib import suppress

import ansible
import ansible.module_utils
import ansible.modules
from ansible import constants
from ansible.plugins.loader import module_utils_loader
from ansible.release import __version__

# As ansible.executor.module_common names the directory, and in it a package: NAME-COMPRESSION-EXTENSIONS.
_DIRECTORY = "ansiballz_cache"
_PREFIX, _SUFFIX = "ansible.modules.", "-none"
_MARK = ".bakery"
# In what is kept: the name of the package, a dot, the digest of its content.
_KEPT = re.compile(r"(?P<package>.+)\.(?P<digest>[0-9a-f]{64})")


class PayloadCache:
    """Packages of one ansible-core below ``parent``, which only this user may write to."""

    def __init__(self, parent: str) -> None:
        self._parent = parent
        self._run = os.path.join(str(constants.DEFAULT_LOCAL_TMP), _DIRECTORY)

    def offer(self) -> None:
        """Link what is kept into this run; the first task of a run does, the others find it done."""
        mark = os.path.join(self._run, _MARK)
        if os.path.exists(mark) or not _is_plain():
            return
        with suppress(OSError):
            os.makedirs(self._run, mode=0o700, exist_ok=True)
            os.close(os.open(mark, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            kept = self._kept()
            for name in os.listdir(kept) if _is_ours(kept) else ():
                package = _package_of(name)
                if package and _is_whole_or_removed(os.path.join(kept, name)):
                    with suppress(FileExistsError):
                        os.symlink(os.path.join(kept, name), os.path.join(self._run, package))

    def keep(self) -> None:
        """Copy what this run has packed itself to what is kept, unless another run did meanwhile."""
        with suppress(OSError):
            fresh = [
                one.name for one in os.scandir(self._run) if _is_package(one.name) and not one.is_symlink()
            ]
            if not fresh or not _is_plain():
                return
            kept = self._kept()
            os.makedirs(kept, mode=0o700, exist_ok=True)
            known = {_package_of(name) for name in os.listdir(kept)}
            for name in fresh if _is_ours(kept) else ():
                if name not in known:
                    _copy_and_link(os.path.join(self._run, name), kept)

    def _kept(self) -> str:
        return os.path.join(self._parent, _fingerprint())


def _is_package(name: str) -> bool:
    return name.startswith(_PREFIX) and name.endswith(_SUFFIX)


def _package_of(kept_name: str) -> str | None:
    """The package that a kept file is by its name; None for anything else."""
    match = _KEPT.fullmatch(kept_name)
    return match["package"] if match and _is_package(match["package"]) else None


def _is_whole_or_removed(path: str) -> bool:
    """Whether a kept file has the content that its name tells; one that has not is removed."""
    try:
        if _digest(path) == path[-64:]:
            return True
    except OSError:  # no regular file, or one that the disk does not give back
        pass
    with suppress(OSError):
        os.unlink(path)
    return False


def _digest(path: str) -> str:
    """The SHA-256 of a regular file. OSError for anything else, at once."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(f"{path} is no regular file")
        return hashlib.file_digest(file, "sha256").hexdigest()


def _copy_and_link(source: str, kept: str) -> None:
    """Copy to another file system perhaps; both names hold the whole content at any time."""
    target = os.path.join(kept, f"{os.path.basename(source)}.{_digest(source)}")
    partial = f"{target}.{os.getpid()}.{secrets.token_hex(4)}.partial"
    try:
        shutil.copyfile(source, partial)
        os.rename(partial, target)
    except OSError:  # no room, most likely: it is not worth any
        with suppress(FileNotFoundError):
            os.unlink(partial)
        raise
    link = f"{source}.{os.getpid()}.partial"
    os.symlink(target, link)
    os.rename(link, source)


def _is_plain() -> bool:
    """Whether all module_utils are those of ansible-core: no role or setting adds or replaces any."""
    own = os.path.realpath(os.path.dirname(ansible.module_utils.__file__))
    paths = module_utils_loader._get_paths(subdirs=False)  # noqa: SLF001  # as module_common does
    return all(os.path.realpath(path) == own or not os.path.isdir(path) for path in paths)


def _is_ours(directory: str) -> bool:
    """A package is a pickle: what others may write is not read."""
    status = os.stat(directory)
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _fingerprint() -> str:
    """The installed ansible-core: its version, its place, the times and sizes of its modules' files."""
    digest = hashlib.sha256(f"{__version__} {sys.version} {ansible.__file__}".encode())
    for package in (ansible.modules, ansible.module_utils):
        for directory, folders, names in os.walk(os.path.dirname(str(package.__file__))):
            folders.sort()
            for name in sorted(names):
                if name.endswith(".py"):
                    status = os.stat(os.path.join(directory, name))
                    digest.update(f"{name} {status.st_mtime_ns} {status.st_size}\n".encode())
    return digest.hexdigest()[:32]
