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
from collections.abc import Callable, Mapping, Sequence
from typing import Any

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
HOMES = "home/*"
FIRST_PERSON = 1000
KEY_FILES = ("authorized_keys", "authorized_keys2")
LAST_LINES = 3


class Seal:
    """One sealing of the tree at ``root``; without ``apply`` it only counts."""

    def __init__(self, root: str, *, apply: bool) -> None:
        self.root = root
        self.apply = apply
        self.counts = {"removed": 0, "emptied": 0, "keys": 0}

    def rule(self, where: str, what: str, action: str) -> None:
        """Apply one rule; see sealing_rules.Rule."""
        for place in self.places(where):
            descriptor = self.open(place)
            if descriptor is None:
                continue
            try:
                for name in sorted(os.listdir(descriptor)):
                    if re.fullmatch(what, name):
                        self.entry(descriptor, name, action)
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

    def entry(self, parent: int, name: str, action: str) -> None:
        """Do what a rule says to one entry."""
        status = os.stat(name, dir_fd=parent, follow_symlinks=False)
        if stat.S_ISLNK(status.st_mode) or status.st_dev != os.fstat(parent).st_dev:
            # A link was made on purpose, such as access.log -> /dev/stdout; a mount is not the image's.
            return
        is_directory = stat.S_ISDIR(status.st_mode)
        if action == "drop":
            self.remove(parent, name, is_directory=is_directory)
        elif action == "empty" or (action == "logs" and status.st_uid and stat.S_ISREG(status.st_mode)):
            self.empty(parent, name, status)
        elif is_directory:
            self.inside(parent, name, action)
        elif action != "contents":
            self.remove(parent, name, is_directory=False)

    def inside(self, parent: int, name: str, action: str) -> None:
        """Do what a rule says to what is in a directory."""
        descriptor = os.open(name, DIRECTORY, dir_fd=parent)
        try:
            for inner in sorted(os.listdir(descriptor)):
                if action == "contents":
                    status = os.stat(inner, dir_fd=descriptor, follow_symlinks=False)
                    if status.st_dev == os.fstat(descriptor).st_dev:
                        self.remove(descriptor, inner, is_directory=stat.S_ISDIR(status.st_mode))
                else:
                    self.entry(descriptor, inner, action)
        finally:
            os.close(descriptor)

    def remove(self, parent: int, name: str, *, is_directory: bool) -> None:
        """Take an entry away, a directory with all that is in it."""
        self.counts["removed"] += 1
        if not self.apply:
            return
        try:
            if is_directory:
                shutil.rmtree(f"/proc/self/fd/{parent}/{name}")
            else:
                os.unlink(name, dir_fd=parent)
        except FileNotFoundError:  # whoever made it was quicker
            pass

    def empty(self, parent: int, name: str, status: os.stat_result) -> None:
        """Take a file's content away."""
        if not stat.S_ISREG(status.st_mode):
            self.remove(parent, name, is_directory=stat.S_ISDIR(status.st_mode))
            return
        if not status.st_size:
            return
        self.counts["emptied"] += 1
        if self.apply:
            os.close(os.open(name, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW, dir_fd=parent))

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


def _at(parent: int) -> Callable[[str, int], int]:
    return lambda path, flags: os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)


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
    seal = Seal(root, apply=request["apply"])
    if request["apply"]:
        for words, must in request["commands"]:
            trouble = run(words, must=must)
            if trouble:
                return {"failed": trouble}
    for where, what, action in request["rules"]:
        seal.rule(where, what, action)
    seal.keys(request["comment"])
    if request["apply"]:
        os.sync()
    return seal.counts


if __name__ == "__sent__":  # see machine_program
    ANSWER = main(globals()["REQUEST"])
