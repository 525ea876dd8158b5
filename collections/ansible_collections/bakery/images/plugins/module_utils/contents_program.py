# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in a tree: its packages, and the files that are not as a package brought them.

Runs inside a machine, as root and as text, and leaves nothing there: nothing but the standard library, Python
3.8 or newer. Layers are described by the same functions. No link is ever followed but for what dpkg's lists
say, and then only by the links that the tree itself has; other file systems are not looked at.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: a fifo put in the place of a file must not hang the reader.
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
READ = 1 << 20
# dpkg's database of a machine with every package of a desktop has a tenth of that.
LARGEST_TEXT = 64 << 20
MOST_LINKS = 40
KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "link",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
}
STATUS = b"var/lib/dpkg/status"
DIVERSIONS = b"var/lib/dpkg/diversions"
LISTS = b"var/lib/dpkg/info"
PASSWD = b"etc/passwd"
GROUP = b"etc/group"
CONFFILE = re.compile(
    rb" (?P<path>/.+) (?P<digest>[0-9a-f]{32}|newconffile)(?: obsolete| remove-on-upgrade)*"
)


class Entry(NamedTuple):
    """One name in a tree. ``target`` is where a link leads, ``layer`` which one of several trees has it."""

    path: bytes
    status: os.stat_result
    target: bytes = b""
    layer: int = 0


class Texts(NamedTuple):
    """Files of the tree that say what the others are: STATUS and the like by path, and what dpkg has of each
    package in ``info/``, its list of paths and its MD5 sums, by the file's name without what it ends in.
    """

    named: Mapping[bytes, bytes]
    lists: Mapping[bytes, bytes]
    sums: Mapping[bytes, bytes]


def left_out(patterns: Iterable[str]) -> Callable[[bytes], bool]:
    """Whether a path matches one of the patterns as a whole."""
    together = re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.DOTALL)
    return lambda path: together.fullmatch(os.fsdecode(path)) is not None


# ── what packages own ──


def parse_status(content: bytes) -> dict[str, str]:
    """Package -> version of what is installed, from a dpkg status file (deb822). A foreign architecture of a
    package that is there twice is told apart as ``name:architecture``.
    """
    installed = {}
    for paragraph in content.decode("utf-8", "replace").split("\n\n"):
        fields = dict(
            line.split(": ", 1)
            for line in paragraph.splitlines()
            if ": " in line and not line.startswith(" ")
        )
        if fields.get("Status", "").endswith(" installed") and "Package" in fields:
            installed[fields["Package"], fields.get("Architecture", "")] = fields.get("Version", "")
    names: dict[str, int] = {}
    for name, _architecture in installed:
        names[name] = names.get(name, 0) + 1
    return {
        name if names[name] == 1 else f"{name}:{architecture}": version
        for (name, architecture), version in installed.items()
    }


def parse_conffiles(content: bytes) -> dict[bytes, bytes]:
    """Path -> MD5, as dpkg's status file has them for files that people may edit (deb-conffiles(5))."""
    found = {}
    inside = False
    for line in content.split(b"\n"):
        if not line.startswith(b" "):
            inside = line.startswith(b"Conffiles:")
            continue
        told = CONFFILE.fullmatch(line) if inside else None
        if told:
            found[told["path"]] = told["digest"]
    return found


class Places:
    """Where the paths of dpkg's lists are: a directory in them may be a link, such as ``/bin`` (usrmerge)."""

    def __init__(self, links: Mapping[bytes, bytes]) -> None:
        self.links = links
        self.known: dict[bytes, bytes] = {}

    def real(self, path: bytes) -> bytes:
        """The path without links before its last component, relative to the root."""
        above, _slash, name = path.strip(b"/").rpartition(b"/")
        if above not in self.known:
            self.known[above] = self.directory(above)
        return self.known[above] + b"/" + name if self.known[above] else name

    def directory(self, path: bytes) -> bytes:
        """The directory that a path means."""
        done: list[bytes] = []
        left = path.split(b"/")[::-1]
        followed = 0
        while left:
            part = left.pop()
            if part == b"..":
                del done[-1:]
            elif part not in {b"", b"."}:
                done.append(part)
                target = self.links.get(b"/".join(done))
                if target is not None and followed < MOST_LINKS:
                    followed += 1
                    done = [] if target.startswith(b"/") else done[:-1]
                    left += target.split(b"/")[::-1]
        return b"/".join(done)


class Packaged:
    """What packages own in a tree with these links, and what they brought there."""

    def __init__(self, texts: Texts, links: Mapping[bytes, bytes]) -> None:
        self.places = Places(links)
        self.texts = texts
        self.known: dict[bytes, dict[bytes, bytes]] = {}
        # Path -> package; nobody knows what is in a file that was diverted, so it is of the package b"".
        self.paths: dict[bytes, bytes] = {}
        for package, listed in texts.lists.items():
            self.paths.update((self.places.real(line), package) for line in listed.split(b"\n") if line)
        # Three lines each: the path, where the file of that name went, and for which package.
        diverted = texts.named.get(DIVERSIONS, b"").split(b"\n")
        self.paths.update((self.places.real(line), b"") for line in (*diverted[::3], *diverted[1::3]) if line)
        conffiles = parse_conffiles(texts.named.get(STATUS, b""))
        self.conffiles = {self.places.real(path): digest for path, digest in conffiles.items()}

    def digest(self, path: bytes) -> bytes | None:
        """The MD5 of what a package brought there, if it says one."""
        if path in self.conffiles:
            return self.conffiles[path]
        package = self.paths.get(path, b"")
        if package not in self.known:
            lines = self.texts.sums.get(package, b"").split(b"\n")
            pairs = (line.split(b"  ", 1) for line in lines if b"  " in line)
            self.known[package] = {self.places.real(name): md5 for md5, name in pairs}
        return self.known[package].get(path)


# ── describing ──


def describe(
    entries: Iterable[Entry],
    texts: Texts,
    read: Callable[[Entry], int | None],
    *,
    wanted: Callable[[Entry], bool] | None = None,
    since: float = 0.0,
) -> dict[str, Any]:
    """``{packages: {name: version}, files: {path: {kind, mode, owner, uid, gid, size, digest, package,
    packaged}}}``.

    ``entries`` are all of the tree; of those that are ``wanted`` (all, by default) it tells what no package
    owns, files of packages that people may edit (``packaged`` if nobody did), and what else of packages has
    another content than they brought. That one is not looked for in what did not change ``since`` (seconds
    since 1970). ``owner`` is ``user:group`` by the tree's own names, ``digest`` is of a file's content, or
    where a link leads; ``package`` is empty where there is none. ``read`` opens a file, or returns None if it
    is gone.
    """
    kept = list(entries)
    packaged = Packaged(texts, {entry.path: entry.target for entry in kept if entry.target})
    users, groups = (names_of(texts.named.get(path, b"")) for path in (PASSWD, GROUP))
    files = {}
    for entry in kept:
        if wanted and not wanted(entry):
            continue
        package, brought = packaged.paths.get(entry.path), packaged.digest(entry.path)
        is_fixed = package is not None and entry.path not in packaged.conffiles
        if is_fixed and (brought is None or entry.status.st_ctime < since):
            continue
        digests = digests_of(entry, read)
        if digests is None or (is_fixed and digests[1] == brought):
            continue
        files["/" + display(entry.path)] = {
            **status_of(entry.status, users, groups),
            "digest": digests[0],
            "package": display((package or b"").partition(b":")[0]),
            "packaged": digests[1] == brought,
        }
    return {"packages": parse_status(texts.named.get(STATUS, b"")), "files": files}


def status_of(status: os.stat_result, users: Mapping[int, str], groups: Mapping[int, str]) -> dict[str, Any]:
    """What lstat(2) says of an entry, with names from the tree's own passwd(5) and group(5)."""
    user, group = users.get(status.st_uid, status.st_uid), groups.get(status.st_gid, status.st_gid)
    return {
        "kind": KINDS.get(stat.S_IFMT(status.st_mode), "unknown"),
        "mode": f"{stat.S_IMODE(status.st_mode):04o}",
        "owner": f"{user}:{group}",
        "uid": status.st_uid,
        "gid": status.st_gid,
        "size": status.st_size if stat.S_ISREG(status.st_mode) else 0,
    }


def digests_of(entry: Entry, read: Callable[[Entry], int | None]) -> tuple[str, bytes] | None:
    """What tells the content of an entry, and a file's MD5 as dpkg has it, else b""; None if it is gone."""
    mode, device = entry.status.st_mode, entry.status.st_rdev
    if stat.S_ISLNK(mode):
        return display(entry.target), b""
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        return f"{os.major(device)}:{os.minor(device)}", b""
    if not stat.S_ISREG(mode):
        return "", b""
    descriptor = read(entry)
    if descriptor is None:
        return None
    sha256, md5 = hashlib.sha256(), new_md5()
    with os.fdopen(descriptor, "rb", buffering=0) as source:
        for block in iter(lambda: source.read(READ), b""):
            sha256.update(block)
            md5.update(block)
    return "sha256:" + sha256.hexdigest(), md5.hexdigest().encode()


def new_md5() -> Any:
    """An MD5 that is no secret's: only dpkg's own digests are compared with it."""
    try:
        return hashlib.md5(usedforsecurity=False)
    except TypeError:  # Python 3.8 does not ask what it is for
        return hashlib.md5()  # noqa: S324


def names_of(content: bytes) -> dict[int, str]:
    """Id -> name, from passwd(5) or group(5); the first line of an id counts."""
    found: dict[int, str] = {}
    for line in content.split(b"\n"):
        fields = line.split(b":")
        if len(fields) > 2 and fields[2].isdigit():
            found.setdefault(int(fields[2]), display(fields[0]))
    return found


def display(path: bytes) -> str:
    r"""A path for people and JSON: UTF-8, other bytes as ``\xNN``."""
    return path.decode("utf-8", "backslashreplace")


# ── a file system ──


def walk(root: str, out: Callable[[bytes], bool]) -> Iterator[Entry]:
    """Every entry of the file system at ``root`` but those that are ``out``, and what is in such ones."""
    here = os.open(root, DIRECTORY)
    device = os.fstat(here).st_dev
    # A tree may be deeper than Python recurses and than descriptors reach: of the way back none is held open.
    way = [(b"", listed(here))]
    try:
        while way:
            place, left = way[-1]
            if not left:
                way.pop()
                if way:
                    here = moved(here, b"..")
                continue
            name = left.pop()
            path = place + b"/" + name if place else name
            entry = None if out(path) else look(here, name, path)
            if entry is None or entry.status.st_dev != device:
                continue
            yield entry
            if stat.S_ISDIR(entry.status.st_mode):
                try:
                    here = moved(here, name)
                except (FileNotFoundError, NotADirectoryError):  # gone meanwhile
                    continue
                way.append((path, listed(here)))
    finally:
        os.close(here)


def moved(here: int, name: bytes) -> int:
    """The directory ``name`` in the open directory ``here``, which is closed."""
    there = os.open(name, DIRECTORY, dir_fd=here)
    os.close(here)
    return there


def listed(directory: int) -> list[bytes]:
    """Names in an open directory, in order when taken from the end."""
    return sorted(map(os.fsencode, os.listdir(directory)), reverse=True)


def look(directory: int, name: bytes, path: bytes) -> Entry | None:
    """The entry; None if it is gone meanwhile."""
    try:
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        target = os.readlink(name, dir_fd=directory) if stat.S_ISLNK(status.st_mode) else b""
    except OSError:
        return None
    return Entry(path, status, target)


def open_below(root: str, path: bytes, flags: int = FILE) -> int | None:
    """A descriptor of what is at ``path`` below the root; None if it is not there, or only behind a link."""
    descriptor = os.open(root, DIRECTORY)
    above = path.split(b"/")
    name = above.pop()
    try:
        for part in above:
            deeper = os.open(part, DIRECTORY, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = deeper
        return os.open(name, flags, dir_fd=descriptor)
    except OSError:
        return None
    finally:
        os.close(descriptor)


def read_texts(root: str) -> Texts:
    """The files that say what the others are."""
    named = {path: text(root, path) for path in (STATUS, DIVERSIONS, PASSWD, GROUP)}
    descriptor = open_below(root, LISTS, DIRECTORY)
    if descriptor is None:
        return Texts(named, {}, {})
    try:
        names = [LISTS + b"/" + os.fsencode(name) for name in sorted(os.listdir(descriptor))]
    finally:
        os.close(descriptor)
    found: dict[bytes, dict[bytes, bytes]] = {b".list": {}, b".md5sums": {}}
    for path in names:
        package, ending = info_of(path)
        if ending in found:
            found[ending][package] = text(root, path)
    return Texts(named, found[b".list"], found[b".md5sums"])


def info_of(path: bytes) -> tuple[bytes, bytes]:
    """The package that a file of LISTS is of, and what its name ends in; b"" for what is elsewhere."""
    place, _slash, name = path.rpartition(b"/")
    if place != LISTS:
        return b"", b""
    return os.path.splitext(name)


def text(root: str, path: bytes) -> bytes:
    """What is in a file; nothing if there is none."""
    descriptor = open_below(root, path)
    if descriptor is None:
        return b""
    with os.fdopen(descriptor, "rb") as source:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST_TEXT:
            return b""
        return source.read()


def look_at(root: str, leave_out: Iterable[str], *, since: float = 0.0) -> dict[str, Any]:
    """Describe the file system at ``root``; ``leave_out`` are patterns of paths."""
    entries = walk(root, left_out(leave_out))
    return describe(entries, read_texts(root), lambda entry: open_below(root, entry.path), since=since)


def main(request: Mapping[str, Any]) -> dict[str, Any]:
    """Describe the machine; ``leave_out`` in the request are patterns of paths, ``since`` is as above."""
    if os.geteuid():
        return {"failed": "only root may see everything; log in as root, or as a user that sudo makes root"}
    return look_at("/", request["leave_out"], since=request["since"])


if __name__ == "__sent__":  # see machine_program
    ANSWER = main(globals()["REQUEST"])
