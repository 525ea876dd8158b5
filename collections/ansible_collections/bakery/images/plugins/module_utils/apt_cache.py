# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Package archives and package lists of apt, kept outside of images and shared between machines.

Each machine gets directories of its own, filled with hard links and mounted over ``/var/cache/apt/archives``
and ``/var/lib/apt/lists``; what is new in them afterwards is linked into the cache. Lists belong to a set of
sources and keyrings, so a role that adds a repository never sees lists made without it.

``cache/apt/<scope>/archives/*.deb``, ``cache/apt/<scope>/lists/<key>/``; the time of the latter directory is
that of the ``apt-get update`` that made it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure
from ansible_collections.bakery.images.plugins.module_utils.machine_command import MachineCommand

_ARCHIVES = "var/cache/apt/archives"
_LISTS = "var/lib/apt/lists"
_KEPT = ".bakery"
_ARCHIVE_NAME = re.compile(r"\A[a-z0-9][^/]*_[^/]*\.deb\Z")
_NOT_LISTS = frozenset({"lock", "partial", "auxfiles"})
_SOURCES = ("/etc/apt", "/usr/share/keyrings", "/var/lib/dpkg/arch")
_UPDATE_TIMEOUT_S = 600
_PARTIAL = ".partial"

# Read through APT_CONFIG, from a mount below /run: nothing of it is in the image. Some base images delete
# archives as soon as they are installed, so they are linked aside before. dpkg need not flush its writes:
# a machine that loses power is thrown away.
APT_CONFIG = """\
DPkg::Options:: "--force-unsafe-io";
Binary::apt::APT::Keep-Downloaded-Packages "true";
Acquire::Retries "3";
DPkg::Pre-Install-Pkgs:: "sh /run/bakery/keep-archives";
"""
# apt hands over the paths of the archives it is about to install, one a line.
KEEP_ARCHIVES = """\
while read -r archive; do
  ln -f "$archive" /var/cache/apt/archives/.bakery/ 2>/dev/null
done
exit 0
"""


@dataclass(frozen=True)
class Sources:
    """What package lists depend on: a digest of it, and when it last changed (seconds)."""

    key: str
    changed: float


class AptCache:
    """The apt cache of one scope, as one machine uses it through the directory ``farm``."""

    def __init__(self, root: str, scope: str, farm: str) -> None:
        name = hashlib.sha256(scope.encode()).hexdigest()[:32]
        self._directory = os.path.join(root, "cache", "apt", name)
        self._farm = farm

    def prepare(self, tree: str) -> list[str]:
        """Fill the machine's own directories; returns engine options that mount them, none without apt."""
        if not _is_real(tree, "usr/bin/apt-get", stat.S_ISREG):
            return []
        options = []
        for place, name in ((_ARCHIVES, "archives"), (_LISTS, "lists")):
            if not _is_real(tree, place, stat.S_ISDIR):
                return []
            self._make(name, os.path.join(tree, place))
            options.append(f"--volume={os.path.join(self._farm, name)}:/{place}:rw")
        os.mkdir(os.path.join(self._farm, "archives", _KEPT), 0o755)
        self._link_archives()
        return options

    def refresh(self, command: MachineCommand, *, max_age_s: int) -> bool:
        """Give the machine package lists no older than ``max_age_s``; returns whether they were fetched."""
        key = sources_of(command).key
        with self._locked(key):
            updated = self._age_of(key)
            if updated is not None and time.time() - updated < max_age_s:
                self._link_lists(key, updated)
                return False
            self._update(command)
            self._store_lists(key)
        return True

    def harvest(self, sources: Sources | None) -> None:
        """Keep what the stopped machine downloaded; ``sources`` as they were just before it stopped.

        Lists made before the sources changed are not kept: they lack what the new source offers.
        """
        if not os.path.isdir(self._farm):
            return
        self._keep_archives()
        if sources is None:
            return
        updated = os.stat(os.path.join(self._farm, "lists")).st_mtime
        known = self._age_of(sources.key)
        if updated > sources.changed and updated > (known or 0):
            with self._locked(sources.key):
                self._store_lists(sources.key)

    def _make(self, name: str, model: str) -> None:
        """A directory of the machine's own with the owners and modes that the tree's has."""
        for suffix in ("", "/partial"):
            directory = os.path.join(self._farm, name) + suffix
            os.makedirs(directory)
            with suppress(FileNotFoundError):
                status = os.lstat(model + suffix)
                os.chown(directory, status.st_uid, status.st_gid)
                os.chmod(directory, stat.S_IMODE(status.st_mode))

    def _link_archives(self) -> None:
        source = os.path.join(self._directory, "archives")
        with suppress(FileNotFoundError):
            for name in os.listdir(source):
                _link(os.path.join(source, name), os.path.join(self._farm, "archives", name))

    def _keep_archives(self) -> None:
        target = os.path.join(self._directory, "archives")
        os.makedirs(target, mode=0o755, exist_ok=True)
        for source in (os.path.join(self._farm, "archives"), os.path.join(self._farm, "archives", _KEPT)):
            for name in _names(source):
                path = os.path.join(source, name)
                if _ARCHIVE_NAME.match(name) and stat.S_ISREG(os.lstat(path).st_mode):
                    _link(path, os.path.join(target, name))

    def _age_of(self, key: str) -> float | None:
        try:
            return os.stat(self._lists(key)).st_mtime
        except FileNotFoundError:
            return None

    def _link_lists(self, key: str, updated: float) -> None:
        """Hard links keep the times that the server gave; the directory's is that of the update, as apt's."""
        farm = os.path.join(self._farm, "lists")
        for name in _names(self._lists(key)):
            _link(os.path.join(self._lists(key), name), os.path.join(farm, name))
        os.utime(farm, (updated, updated))

    def _store_lists(self, key: str) -> None:
        farm, final = os.path.join(self._farm, "lists"), self._lists(key)
        partial = f"{final}.{os.getpid()}.{secrets.token_hex(4)}{_PARTIAL}"
        os.makedirs(partial)
        for name in _names(farm):
            path = os.path.join(farm, name)
            if name not in _NOT_LISTS and stat.S_ISREG(os.lstat(path).st_mode):
                _link(path, os.path.join(partial, name))
        updated = os.stat(farm).st_mtime
        os.utime(partial, (updated, updated))
        if os.path.isdir(final):
            old = f"{final}.{os.getpid()}.{secrets.token_hex(4)}{_PARTIAL}"
            os.rename(final, old)
            shutil.rmtree(old)
        os.rename(partial, final)

    def _lists(self, key: str) -> str:
        return os.path.join(self._directory, "lists", key)

    @contextmanager
    def _locked(self, key: str) -> Iterator[None]:
        """Two machines that start at once fetch the same lists once."""
        os.makedirs(os.path.join(self._directory, "lists"), mode=0o755, exist_ok=True)
        with open(self._lists(key) + ".lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @staticmethod
    def _update(command: MachineCommand) -> None:
        done = command.run(
            ["apt-get", "--quiet", "--option", "APT::Update::Error-Mode=any", "update"],
            timeout_s=_UPDATE_TIMEOUT_S,
        )
        if done.returncode:
            lines = [
                line for line in done.stderr.decode(errors="replace").splitlines() if line[:2] in ("E:", "W:")
            ]
            reason = lines[0][2:].strip() if lines else f"apt-get update ended with {done.returncode}"
            raise MachineFailure(
                f"package lists cannot be fetched in the machine: {reason}; check its network and sources"
            )


def sources_of(command: MachineCommand) -> Sources:
    """Digest what apt's lists depend on, read by a process inside the machine."""
    done = command.run(["/bin/sh", "-c", "find /etc/apt -type f -exec sha256sum {} + | sort"], timeout_s=60)
    return Sources(hashlib.sha256(done.stdout).hexdigest()[:32], 0.0)


def _digest_sources() -> bytes:
    """Runs inside the machine: no imports here. Pins and preferences do not change lists."""
    digest, changed = hashlib.sha256(), 0.0
    for path in sorted(_files_below(_SOURCES)):
        try:
            with open(path, "rb") as source:
                content = source.read()
                changed = max(changed, os.fstat(source.fileno()).st_ctime)
        except FileNotFoundError:
            continue
        digest.update(f"{path}\0{len(content)}\0".encode(errors="surrogateescape") + content)
    return f"{digest.hexdigest()[:32]} {changed}".encode()


def _files_below(places: tuple[str, ...]) -> Iterator[str]:
    for place in places:
        if os.path.isfile(place):
            yield place
        for directory, _directories, names in os.walk(place):
            if not directory.startswith("/etc/apt/preferences"):
                yield from (
                    path for path in (f"{directory}/{name}" for name in names) if os.path.isfile(path)
                )


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except FileNotFoundError:
        return []


def _link(source: str, target: str) -> None:
    """Give a file a second name; somebody else having done so, or the file having gone, is fine."""
    with suppress(FileExistsError, FileNotFoundError):
        os.link(source, target, follow_symlinks=False)


def _is_real(tree: str, path: str, is_kind: object) -> bool:
    """Whether ``path`` in a tree is of a kind, with no link on the way: we are not inside the tree."""
    place = tree
    for part in path.split("/"):
        place = f"{place}/{part}"
        try:
            mode = os.lstat(place).st_mode
        except (FileNotFoundError, NotADirectoryError):
            return False
        if stat.S_ISLNK(mode) and place != f"{tree}/usr":
            return False
    return bool(callable(is_kind) and is_kind(mode))
