# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside a machine, as root and as text: seals its file system, in which it leaves nothing of itself.

Nothing but the standard library, Python 3.8 or newer. It never follows a link and never leaves the file
system of the directory that a rule names.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: a fifo in the place of a file must not hang the reader.
OPENING = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
HOMES = "home/*"
LOGS = "var/log/"
FIRST_PERSON = 1000
KEY_FILES = ("authorized_keys", "authorized_keys2")
LARGEST_KEY_FILE = 16 << 20
LAST_LINES = 3
MOST_TOLD = 1000


class Seal:
    """One sealing of the tree at ``root``; without ``apply`` it only counts."""

    def __init__(self, root: str, request: Mapping[str, Any]) -> None:
        self.root = root
        self.apply = bool(request["apply"])
        self.keep = tuple(request["keep"])
        self.logs = re.compile(request["logs"], re.DOTALL)
        self.former_logs = re.compile(request["former_logs"], re.DOTALL)
        self.log_names = re.compile(request["log_names"], re.DOTALL)
        self.counts = {"removed": 0, "emptied": 0, "keys": 0}
        self.told: list[dict[str, str]] = []
        self.reason = ""

    def rule(self, where: str, what: str, action: str, *, reason: str) -> None:
        """Apply one rule; see sealing_rules.Rule."""
        self.reason = reason
        for place in self.places(where):
            descriptor = self.open(place)
            if descriptor is None:
                continue
            try:
                for name in sorted(os.listdir(descriptor)):
                    if re.fullmatch(what, name):
                        self.entry(descriptor, f"{place}/{name}".strip("/"), action)
            finally:
                os.close(descriptor)

    def places(self, where: str) -> list[str]:
        """Directories that a rule's ``where`` means."""
        if where != HOMES and not where.startswith(HOMES + "/"):
            return [where]
        return [home + where[len(HOMES) :] for home in self.homes()]

    def homes(self) -> list[str]:
        """Homes of people, relative to the root: those in passwd(5), and all in /home."""
        found = {"home/" + name for name in self.names("home")}
        found |= {
            entry.pw_dir.strip("/")
            for entry in self.accounts()
            if entry.pw_uid >= FIRST_PERSON and entry.pw_dir.startswith("/") and entry.pw_name != "nobody"
        }
        return sorted(found - {""})

    def accounts(self) -> list[pwd.struct_passwd]:
        """Who is in passwd(5)."""
        if self.root == "/":
            return pwd.getpwall()
        descriptor = self.open("etc")
        if descriptor is None:
            return []
        try:
            with open("passwd", encoding="utf-8", opener=_at(descriptor)) as source:
                fields = [line.rstrip("\n").split(":") for line in source]
        except FileNotFoundError:
            return []
        finally:
            os.close(descriptor)
        return [
            pwd.struct_passwd([*one[:2], int(one[2]), int(one[3]), *one[4:7]])
            for one in fields
            if len(one) == 7
        ]

    def names(self, place: str) -> list[str]:
        """Names in a directory; none where there is no such directory."""
        descriptor = self.open(place)
        if descriptor is None:
            return []
        try:
            return sorted(os.listdir(descriptor))
        finally:
            os.close(descriptor)

    def open(self, place: str) -> int | None:
        """A descriptor of a directory below the root; None if there is none, or only behind a link."""
        descriptor = os.open(self.root, DIRECTORY)
        for part in place.split("/"):
            if not part:
                continue
            above = descriptor
            try:
                descriptor = os.open(part, DIRECTORY, dir_fd=above)
            except OSError:
                return None
            finally:
                os.close(above)
        return descriptor

    def entry(self, parent: int, path: str, action: str) -> None:
        """Do what a rule says to one entry, which ``parent`` is the directory of."""
        name = os.path.basename(path)
        status = os.stat(name, dir_fd=parent, follow_symlinks=False)
        if stat.S_ISLNK(status.st_mode) or status.st_dev != os.fstat(parent).st_dev:
            # A link was made on purpose, such as access.log -> /dev/stdout; a mount is not the image's.
            return
        if not stat.S_ISDIR(status.st_mode):
            self.file(parent, path, status, action=action)
        elif action != "machine-id":
            self.directory(parent, path, action)

    def directory(self, parent: int, path: str, action: str) -> None:
        """Do what a rule says to a directory."""
        everything = action in ("drop", "contents")
        depth = path.count("/") + (action == "contents")
        if action == "drop" and not self.spares(path):
            self.tell(path, "removed")
        for above, one, status in inside(parent, path):
            is_directory = stat.S_ISDIR(status.st_mode)
            if everything:
                if one.count("/") == depth and not self.spares(one):
                    self.tell(one, "removed")
                self.remove(above, one, is_directory=is_directory)
            elif not is_directory and not stat.S_ISLNK(status.st_mode):
                self.file(above, one, status, action=action)
        if action == "drop":
            self.remove(parent, path, is_directory=True)

    def file(self, parent: int, path: str, status: os.stat_result, *, action: str) -> None:
        """Do what a rule says to what is neither a directory nor a link."""
        if self.spares(path) or action == "contents":
            return
        is_file = stat.S_ISREG(status.st_mode)
        if action == "machine-id":
            self.empty(parent, path, status)
        elif action != "logs" or (is_file and self.is_log_of_the_bake(parent, path, status)):
            self.tell(path, "removed")
            self.remove(parent, path, is_directory=False)
        elif is_file:
            self.empty(parent, path, status)

    def tell(self, path: str, what: str) -> None:
        """Count what is done to a path, and tell the first of them with the reason."""
        self.counts[what] += 1
        if len(self.told) < MOST_TOLD:
            shown = os.fsencode(path).decode("utf-8", "backslashreplace")
            self.told.append({"path": "/" + shown, "what": what, "reason": self.reason})

    def is_log_of_the_bake(self, parent: int, path: str, status: os.stat_result) -> bool:
        """Whether nobody made that log on purpose; see sealing_rules.is_log_of_the_bake."""
        former = self.former_logs.fullmatch(os.path.basename(path))
        if former:
            before, after = former["before"], former["after"] or ""
            for name in (before, before + os.path.splitext("x" + after)[1]):
                if self.log_names.fullmatch(name) or is_file(parent, name):
                    return True
        return not status.st_uid and self.logs.fullmatch(path[len(LOGS) :]) is not None

    def spares(self, path: str) -> bool:
        """Whether somebody said that it is to be kept, or something in it."""
        return any((path + "/").startswith(kept + "/") or kept.startswith(path + "/") for kept in self.keep)

    def remove(self, parent: int, path: str, *, is_directory: bool) -> None:
        """Take an entry away; a directory is empty by then, but for what is kept in it."""
        if not self.apply or self.spares(path):
            return
        try:
            if is_directory:
                os.rmdir(os.path.basename(path), dir_fd=parent)
            else:
                os.unlink(os.path.basename(path), dir_fd=parent)
        except FileNotFoundError:  # whoever made it was quicker
            pass

    def empty(self, parent: int, path: str, status: os.stat_result) -> None:
        """Take a file's content away."""
        if not stat.S_ISREG(status.st_mode) or not status.st_size:
            return
        self.tell(path, "emptied")
        if self.apply:
            flags = os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK
            os.close(os.open(os.path.basename(path), flags, dir_fd=parent))

    def keys(self, comment: str) -> None:
        """Take keys whose comment begins so out of everybody's authorized_keys."""
        ours = re.compile(rb"\s[A-Za-z0-9+/=]{32,}\s+" + re.escape(comment.encode()))
        for home in sorted({"root", *self.homes()}):
            descriptor = self.open(home + "/.ssh")
            if descriptor is None:
                continue
            try:
                for name in KEY_FILES:
                    self.key_file(descriptor, name, ours)
            finally:
                os.close(descriptor)

    def key_file(self, parent: int, name: str, ours: re.Pattern[bytes]) -> None:
        """The same for one file; it goes if nothing is left in it."""
        try:
            # Written in place: its owner and mode matter to sshd.
            with open(name, "r+b" if self.apply else "rb", opener=_at(parent)) as keys:
                status = os.fstat(keys.fileno())
                if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST_KEY_FILE:
                    return
                lines = keys.read().splitlines(keepends=True)
                left = [line for line in lines if not ours.search(line)]
                self.counts["keys"] += len(lines) - len(left)
                if len(left) == len(lines) or not self.apply:
                    return
                keys.seek(0)
                keys.writelines(left)
                keys.truncate()
        except OSError:  # there is none, or it is a link
            return
        if not any(line.strip() and not line.startswith(b"#") for line in left):
            os.unlink(name, dir_fd=parent)


def is_file(parent: int, name: str) -> bool:
    """Whether something of that name is there, and no directory."""
    try:
        return not stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def inside(parent: int, path: str) -> Iterator[tuple[int, str, os.stat_result]]:
    """Everything in a directory of one file system, what is in a directory before that itself, at any depth:
    the open directory that holds it, its path and status. Of the way back nothing is held open.
    """
    here = os.open(os.path.basename(path), DIRECTORY, dir_fd=parent)
    device = os.fstat(here).st_dev
    way = [(path, listed(here), os.fstat(here))]
    try:
        while True:
            place, left, status = way[-1]
            if left:
                name, found = left.pop()
                if found.st_dev != device:
                    continue
                if stat.S_ISDIR(found.st_mode):
                    deeper = os.open(name, DIRECTORY, dir_fd=here)
                    os.close(here)
                    here = deeper
                    way.append((f"{place}/{name}", listed(here), found))
                else:
                    yield here, f"{place}/{name}", found
            else:
                way.pop()
                if not way:
                    return
                above = os.open("..", DIRECTORY, dir_fd=here)
                os.close(here)
                here = above
                yield here, place, status
    finally:
        os.close(here)


def listed(directory: int) -> list[tuple[str, os.stat_result]]:
    """Names in a directory and what they are, in order when taken from the end."""
    with os.scandir(directory) as listing:
        found = [(entry.name, entry.stat(follow_symlinks=False)) for entry in listing]
    return sorted(found, key=lambda one: one[0], reverse=True)


def _at(parent: int) -> Callable[[str, int], int]:
    return lambda path, flags: os.open(path, flags | OPENING, dir_fd=parent)


def run(words: Sequence[str], *, must: bool) -> str | None:
    """Run a command that may not be installed; returns what went wrong, if it must not."""
    if shutil.which(words[0]) is None:
        return None
    done = subprocess.run(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    if done.returncode == 0 or not must:
        return None
    said = done.stdout.decode(errors="replace").split("\n")[-LAST_LINES:]
    said = [line for line in said if line.strip()]
    return f"{' '.join(words)}: {' '.join(said) or f'exit status {done.returncode}'}"


def main(request: Mapping[str, Any], root: str = "/") -> dict[str, Any]:
    """Seal the machine as the request says and return what was done."""
    if os.geteuid():
        return {"failed": "only root may do that; log in as root, or as a user that sudo makes root"}
    seal = Seal(root, request)
    if request["apply"]:
        for words, must in request["commands"]:
            trouble = run(words, must=must)
            if trouble:
                return {"failed": trouble}
    for where, what, action, reason in request["rules"]:
        seal.rule(where, what, action, reason=reason)
    seal.keys(request["comment"])
    if request["apply"]:
        os.sync()
    beyond = seal.counts["removed"] + seal.counts["emptied"] - len(seal.told)
    return {"counts": seal.counts, "sealed": {"entries": seal.told, "more": beyond}}


if __name__ == "__sent__":  # see machine_program
    ANSWER = main(globals()["REQUEST"])
