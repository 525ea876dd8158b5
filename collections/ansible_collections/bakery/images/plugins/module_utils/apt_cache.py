# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The apt cache as one machine has it: a view of its own of what is kept for all.

``/var/cache/apt/archives`` and ``/var/lib/apt/lists`` of a machine are overlay mounts: what is kept is below,
what the machine writes goes into a directory of its own. Lists are given to machines that stand on the layers
which the lists were fetched on, so that nobody's lists come from software that is not in the machine anyway;
archives are given by the digest that these lists name, and taken back by it (docs/decisions/0013).
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Protocol

from ansible_collections.bakery.images.plugins.module_utils.apt_files import (
    archive_files,
    copy_file,
    flush_file,
    link_all,
    remove_files,
)
from ansible_collections.bakery.images.plugins.module_utils.apt_lists import (
    MOST_IN_LISTS,
    ListsRefusedError,
    archives_named,
    list_names,
    opened,
)
from ansible_collections.bakery.images.plugins.module_utils.apt_sources import newest_change, sources_key
from ansible_collections.bakery.images.plugins.module_utils.apt_store import AptStore, Snapshot, digest_of
from ansible_collections.bakery.images.plugins.module_utils.beneath import open_regular, status_beneath
from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure
from ansible_collections.bakery.images.plugins.module_utils.overlay_mount import mount_overlay

_PLACES = {"archives": "var/cache/apt/archives", "lists": "var/lib/apt/lists"}
_KEPT, _GIVEN, _ASIDE = ".bakery", "given.json", "aside"
# Some bases have apt keep lists compressed; the digests in them are read on the host.
_UPDATE = (
    "apt-get",
    "--quiet",
    "--option=APT::Update::Error-Mode=any",
    "--option=Acquire::GzipIndexes=false",
    "update",
)
_UPDATE_TIMEOUT_S = 600
# What public roles ask of lists: one that updates older ones shall do so once and not in every bake.
_OLD_FOR_ROLES_S = 3600
# Of what one machine downloaded; the rest is downloaded again.
_MOST_DOWNLOADED = 8 << 30
_ATTEMPTS = 3
_LONGEST_REASON = 500

# Read through APT_CONFIG, from a mount below /run: nothing of it is in the image. Some base images delete
# archives as soon as they are installed, so they are linked aside before. dpkg need not flush its writes:
# a machine that loses power is thrown away.
APT_CONFIG = """\
DPkg::Options:: "--force-unsafe-io";
Binary::apt::APT::Keep-Downloaded-Packages "true";
Acquire::Retries "3";
DPkg::Pre-Install-Pkgs:: "sh /run/bakery/keep-archives";
"""
# apt hands over the paths of the archives it is about to install, one a line. What the machine was given is
# left where it is: a second name for it would be a copy.
KEEP_ARCHIVES = """\
cd /var/cache/apt/archives/.bakery || exit 0
grep -vxFf given | while read -r archive; do
  ln -f "$archive" . 2>/dev/null
done
exit 0
"""


class Runs(Protocol):
    """Runs commands as root in a machine."""

    def run(self, command: Sequence[str], *, timeout_s: float) -> subprocess.CompletedProcess[bytes]:
        """Run a command and wait for it."""


@dataclass(frozen=True)
class _Given:
    """What a machine was given: the key of its sources, "" if they have none, key and time of its lists."""

    sources: str
    lists: str = ""
    updated: float = 0.0


class AptCache:
    """The apt cache of a machine that stands on ``layers`` (lowest first); ``farm``: a directory of its own.

    ``scope`` keeps apart what has nothing to do with each other.
    """

    def __init__(self, root: str, scope: str, layers: Sequence[str], *, farm: str) -> None:
        self._store = AptStore(root)
        self._scope = scope
        self._layers = tuple(layers)
        self._farm = farm

    def prepare(self, tree: str) -> list[str]:
        """Mount the machine's view before it is started; returns engine options, none without apt.

        A machine whose sources are beyond all bounds gets empty directories, and nothing of them is kept.
        """
        if not self._has_apt(tree):
            return []
        sources = sources_key(tree) or ""
        snapshot = self._newest(sources) if sources else None
        for name, place in _PLACES.items():
            self._make(name, os.path.join(tree, place))
        given = self._link(snapshot, sources)
        self._remember(given)
        os.utime(self._path("lists", "upper"), (given.updated, given.updated))
        options = []
        for name, place in _PLACES.items():
            directory = self._path(name)
            merged, upper, work = (os.path.join(directory, part) for part in ("merged", "upper", "work"))
            mount_overlay(directory, ["given"], at=merged, upper=upper, work=work)
            options.append(f"--volume={merged}:/{place}:rw")
        return options

    def refresh(self, command: Runs, *, max_age_s: int) -> bool:
        """Give the machine package lists no older than ``max_age_s``; returns whether they were fetched.

        To be called before any task runs: what fetches them is software of the layers alone.
        """
        given = self._given()
        if time.time() - given.updated < max_age_s:
            return False
        if not given.sources:
            self._update(command)
            return True
        own = self._key(given.sources)
        with self._store.locked(own):
            kept = self._store.find(own)
            if kept and time.time() - kept.updated < max_age_s and self._hand_over(kept):
                self._remember(_Given(given.sources, own, kept.updated))
                return False
            started = time.time()
            self._update(command)
            with opened(self._path("lists", "merged")) as lists:
                # apt leaves the time alone where nothing is new.
                os.utime(lists, (started, started))
            # A cache that cannot be written is no reason to fail; the machine has its lists.
            with suppress(OSError, ListsRefusedError):
                self._store.keep(own, self._copy_lists, updated=started)
                self._remember(_Given(given.sources, own, started))
        return True

    def harvest(self, upper: str) -> None:
        """Keep the archives that the stopped and unmounted machine downloaded; set its lists aside.

        ``upper``: what it changed, not sealed yet. What cannot be kept is downloaded again.
        """
        if not os.path.exists(self._path(_GIVEN)):
            return
        with suppress(OSError, ListsRefusedError):
            given = self._given()
            if not given.sources:
                return
            self._set_aside(given, upper)
            downloaded = self._downloaded()
            digests = set(downloaded.values())
            given_names = self._named(self._store.lists(given.lists), digests) if given.lists else {}
            own_names = self._named(self._path(_ASIDE), digests)
            for (place, name), digest in downloaded.items():
                if digest not in (given_names.get(name), own_names.get(name)):
                    continue
                if self._take(place, name, digest) and given_names.get(name) == digest:
                    self._store.offer(given.lists, name, digest)

    def keep_lists(self, layer_id: str) -> None:
        """Keep the lists that the machine had at its end for machines on the layer that was made of it."""
        aside = self._path(_ASIDE)
        if not os.path.isdir(aside):
            return
        key = _key(self._scope, (*self._layers, layer_id), None)
        updated = os.stat(aside).st_mtime

        def fill(lists: str) -> None:
            os.rmdir(lists)
            os.rename(aside, lists)

        with suppress(OSError, ListsRefusedError):
            self._store.keep(key, fill, updated=updated)

    def _has_apt(self, tree: str) -> bool:
        with opened(tree) as root:
            # /usr/bin may be reached by links in other trees; in those that have apt it never is.
            program = status_beneath(root, "usr/bin/apt-get")
            places = [status_beneath(root, place) for place in _PLACES.values()]
        return bool(
            program
            and stat.S_ISREG(program.st_mode)
            and all(place and stat.S_ISDIR(place.st_mode) for place in places)
        )

    def _newest(self, sources: str) -> Snapshot | None:
        """The newest lists fetched from these sources on the machine's layers, or on the lowest of them.

        What a role left is under the key of its layer alone until a machine that stands on it says by its
        sources what they belong to.
        """
        left = _key(self._scope, self._layers, None)
        if self._store.find(left):
            self._store.rename(left, self._key(sources))
        found = [
            snapshot
            for count in range(1, len(self._layers) + 1)
            if (snapshot := self._store.find(_key(self._scope, self._layers[:count], sources)))
        ]
        return max(found, key=lambda snapshot: snapshot.updated, default=None)

    def _key(self, sources: str) -> str:
        return _key(self._scope, self._layers, sources)

    def _make(self, name: str, model: str) -> None:
        """Directories of the machine's own with the owners and modes that the tree's have."""
        for part in ("given", "upper", "work", "merged"):
            os.makedirs(self._path(name, part))
        # apt makes what is missing of them when it installs, which would look like an update.
        for suffix in ("", "/partial", *(["/auxfiles"] if name == "lists" else ())):
            directory = self._path(name, "upper") + suffix
            os.makedirs(directory, exist_ok=True)
            with suppress(FileNotFoundError):
                status = os.lstat(model + suffix)
                os.chown(directory, status.st_uid, status.st_gid)
                os.chmod(directory, stat.S_IMODE(status.st_mode))

    def _link(self, snapshot: Snapshot | None, sources: str) -> _Given:
        """Name what is kept in the directories below the machine's."""
        lists, archives = self._path("lists", "given"), self._path("archives", "given")
        given = _Given(sources)
        for _attempt in range(_ATTEMPTS):
            if snapshot is None:
                break
            try:
                link_all(snapshot.lists, lists)
                link_all(snapshot.archives, archives)
            except FileNotFoundError:  # newer ones took their place just now
                remove_files(lists)
                remove_files(archives)
                snapshot = self._store.find(snapshot.key)
            else:
                given = _Given(sources, snapshot.key, snapshot.updated)
                break
        names = sorted(os.listdir(archives))
        os.mkdir(os.path.join(archives, _KEPT), 0o755)
        with open(os.path.join(archives, _KEPT, "given"), "w", encoding="utf-8") as listed:
            listed.writelines(f"/{_PLACES['archives']}/{name}\n" for name in names)
        return given

    def _hand_over(self, kept: Snapshot) -> bool:
        """Copy lists that another machine fetched meanwhile into the running one; whether it worked."""
        with opened(self._path("lists", "merged")) as target:
            try:
                with opened(kept.lists) as source:
                    for name in list_names(source):
                        with suppress(FileNotFoundError):
                            os.unlink(name, dir_fd=target)
                        copy_file(source, target, name, limit=MOST_IN_LISTS)
            except OSError:  # newer ones took their place just now, or the machine does something to them
                return False
            os.utime(target, (kept.updated, kept.updated))
        return True

    def _copy_lists(self, lists: str) -> None:
        """Copies of what is new, since the machine runs: it can write what it has open."""
        with (
            opened(self._path("lists", "merged")) as source,
            opened(self._path("lists", "given")) as given,
            opened(lists) as target,
        ):
            left = MOST_IN_LISTS
            names = list_names(source)  # within bounds, or refused
            new = set(os.listdir(self._path("lists", "upper")))
            for name in names:
                if name in new:
                    left -= copy_file(source, target, name, limit=left)
                else:
                    os.link(name, name, src_dir_fd=given, dst_dir_fd=target)

    def _set_aside(self, given: _Given, upper: str) -> None:
        """Set lists aside that are newer than those given and than the sources that the machine has now."""
        own = self._path("lists", "upper")
        updated = min(os.stat(own).st_mtime, time.time())
        changed = newest_change(upper)
        if changed is None or updated <= given.updated:
            return
        if given.lists and time.time() - given.updated > _OLD_FOR_ROLES_S:
            self._store.outdate(given.lists)
        if updated <= changed:
            return
        aside = self._path(_ASIDE)
        with opened(own) as theirs, opened(self._path("lists", "given")) as before:
            new, old = list_names(theirs), list_names(before)
            if set(os.listdir(theirs)) & (set(old) - set(new)):
                return  # some were removed: nobody can tell what is missing
            os.mkdir(aside)
            with opened(aside) as target:
                for name in new:
                    os.link(name, name, src_dir_fd=theirs, dst_dir_fd=target, follow_symlinks=False)
                    flush_file(target, name)
                for name in set(old) - set(new):
                    os.link(name, name, src_dir_fd=before, dst_dir_fd=target, follow_symlinks=False)
        os.utime(aside, (updated, updated))

    @staticmethod
    def _named(lists: str, digests: Collection[str]) -> Mapping[str, str]:
        """What lists name of archives with these digests; nothing if there are no lists."""
        if digests:
            with suppress(FileNotFoundError), opened(lists) as directory:
                return archives_named(directory, digests)
        return {}

    def _downloaded(self) -> dict[tuple[str, str], str]:
        """The digests of archives that the machine was not given, by their place and name; smallest first."""
        found = []
        with opened(self._path("archives", "upper")) as upper:
            for place in (".", _KEPT):
                found += [(status.st_size, place, name) for name, status in archive_files(upper, place)]
            digests, left = {}, _MOST_DOWNLOADED
            for size, place, name in sorted(found):
                left -= size
                if left < 0:
                    break
                archive = open_regular(upper, f"{place}/{name}")
                if archive is not None:
                    with os.fdopen(archive, "rb") as source:
                        digests[place, name] = digest_of(source.fileno(), size)
        return digests

    def _take(self, place: str, name: str, digest: str) -> bool:
        """Keep an archive under its digest; returns whether it is kept."""
        with opened(self._path("archives", "upper")) as upper:
            archive = open_regular(upper, f"{place}/{name}")
            if archive is None:
                return False
            with os.fdopen(archive, "rb") as source:
                return self._store.take(source.fileno(), digest)

    def _path(self, *parts: str) -> str:
        return os.path.join(self._farm, *parts)

    def _given(self) -> _Given:
        with open(self._path(_GIVEN), encoding="ascii") as source:
            return _Given(**json.load(source))

    def _remember(self, given: _Given) -> None:
        with open(self._path(_GIVEN), "w", encoding="ascii") as target:
            json.dump(asdict(given), target)

    @staticmethod
    def _update(command: Runs) -> None:
        done = command.run(_UPDATE, timeout_s=_UPDATE_TIMEOUT_S)
        if done.returncode:
            lines = [
                line for line in done.stderr.decode(errors="replace").splitlines() if line[:2] in ("E:", "W:")
            ]
            reason = (
                lines[0][2:_LONGEST_REASON].strip()
                if lines
                else f"apt-get update ended with {done.returncode}"
            )
            raise MachineFailure(
                f"package lists cannot be fetched in the machine: {reason}; check its network and sources"
            )


def _key(scope: str, layers: Sequence[str], sources: str | None) -> str:
    """The name of lists that software of these layers fetched from these sources (None: not told yet)."""
    return hashlib.sha256(json.dumps([scope, layers, sources]).encode()).hexdigest()[:32]
