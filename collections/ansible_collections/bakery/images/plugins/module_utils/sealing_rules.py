# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a bake never becomes part of a layer, as data: a place, what happens there, and why.

A rule speaks of the layer's own entries alone: sealing takes away what the bake left, and never what a role
or the base meant. So what a role deleted stays deleted, what it emptied stays empty, and a symbolic link that
it made in the place of a file or directory stays.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum


class Action(Enum):
    """What happens to an entry that a rule names."""

    DROP = "drop"  # the entry goes, a directory with all that is in it
    MACHINE_ID = "machine-id"  # an id goes or is emptied, so that the state of an image without one is left
    CONTENTS = "contents"  # a directory stays, all that is in it goes
    FILES = "files"  # directories stay at any depth, files go
    LOGS = "logs"  # like FILES, but only logs of the bake's own tools go; others lose their content alone


@dataclass(frozen=True)
class Rule:
    """One rule. ``where`` is a directory relative to the root, ``*`` stands for one component; ``what`` is a
    regular expression for a whole name in it, or None for the directory itself. ``links``: a symbolic link of
    that name is the bake's too. ``owned``: what the base has there is not given back if it was replaced.
    """

    where: str
    what: str | None
    action: Action
    reason: str
    links: bool = False
    owned: bool = False


def _at(path: str, action: Action, reason: str, *, links: bool = False, owned: bool = False) -> Rule:
    where, _slash, name = path.rpartition("/")
    return Rule(where, re.escape(name), action, reason, links, owned)


RUNTIME = "the container engine mounts its own"
_IDENTITY = "every machine that starts from the image must make its own"
_TEMPORARY = "lives no longer than the machine"
_CACHE = "a cache of apt, stale when the image is used"
_BACKUP = "the previous version of a file, kept by the tool that changed it"
_HISTORY = "what somebody did in the machine"
RANDOM = "differs from bake to bake and is made again when needed"
SOCKET = "a socket, to which nobody listens any more; its program makes it again"
BYTECODE = "compiled from a source whose time is cut to the epoch, so that Python compiles it again"

_SHELLS = r"\.(bash|ash|sh|zsh|python|mysql|psql|node_repl)"
_HISTORIES = r"\.(history|lesshst|viminfo|wget-hsts|sudo_as_admin_successful)"

# Below /var/log: what the tools write that bakes are made with, and what a login leaves. Nobody makes these
# on purpose; a file of another name may be one that a program expects.
LOGS_OF_THE_BAKE = (
    r"(dpkg|alternatives|bootstrap|fontconfig|apk|pacman|yum|dnf[a-z.]*|hawkey|zypper|cloud-init.*)\.log"
    r"|(apt|dist-upgrade|unattended-upgrades|installer|anaconda|zypp)/.*"
    r"|[wb]tmp|lastlog|faillog|tallylog"
)
# Names of former logs, which differ from bake to bake: the log's own, and a number or a date in it. A role
# may have made a file of such a name on purpose: it is a former log where the log's own name is one of
# LOG_NAMES, or where the log is there.
ROTATED_LOGS = r"(?P<before>.+?)(\.\d+|[-_.]\d{4}-?\d{2}-?\d{2}(?P<after>.*?)(\.\d+)?)(\.(gz|xz|bz2|zst))?"
LOG_NAMES = (
    r"(.*[._-])?log|syslog|messages|maillog|secure|cron|spooler|boot|dmesg|debug|kern|auth|authpriv|daemon"
    r"|user|news|lpr|mail(\.(err|info|warn))?|[wb]tmp|lastlog|faillog|tallylog"
)

RULES: tuple[Rule, ...] = (
    _at("etc/machine-id", Action.MACHINE_ID, "machine-id(5): an image carries an empty one"),
    # The link is made by systemd-tmpfiles when a machine starts.
    _at("var/lib/dbus/machine-id", Action.DROP, _IDENTITY, links=True, owned=True),
    Rule("etc/ssh", r"ssh_host_.*key(\.pub)?", Action.DROP, _IDENTITY, owned=True),
    _at("var/lib/systemd/random-seed", Action.DROP, _IDENTITY, owned=True),
    _at("var/lib/systemd/credential.secret", Action.DROP, _IDENTITY, owned=True),
    Rule("etc/nvme", r"host(id|nqn)", Action.DROP, _IDENTITY, owned=True),
    _at("etc/hostname", Action.DROP, RUNTIME, links=True),
    _at("etc/hosts", Action.DROP, RUNTIME, links=True),
    _at("etc/resolv.conf", Action.DROP, RUNTIME, links=True),
    _at("run", Action.CONTENTS, _TEMPORARY),
    _at("tmp", Action.CONTENTS, _TEMPORARY),
    _at("var/tmp", Action.CONTENTS, _TEMPORARY),
    Rule("var/lib/apt/lists", r"(?!partial$).*", Action.DROP, _CACHE),
    _at("var/lib/apt/lists/partial", Action.CONTENTS, _CACHE),
    Rule("var/cache/apt/archives", r"(?!partial$).*", Action.DROP, _CACHE),
    _at("var/cache/apt/archives/partial", Action.CONTENTS, _CACHE),
    Rule("var/cache/apt", r".*\.bin(\..*)?", Action.DROP, _CACHE),
    _at("var/lib/apt/periodic", Action.CONTENTS, _CACHE),
    _at("var/lib/apt/daily_lock", Action.DROP, _CACHE),
    Rule("var/cache/apt-show-versions", r".*", Action.DROP, _CACHE),
    _at("var/log/journal", Action.CONTENTS, "the journal of the machine"),
    _at("var/log", Action.LOGS, "logs of the bake (dpkg, alternatives, apt, services, logins)"),
    _at("var/cache/ldconfig/aux-cache", Action.DROP, "holds inode numbers and times of the machine"),
    _at("var/cache/man", Action.FILES, RANDOM),
    _at("var/cache/fontconfig", Action.FILES, RANDOM),
    _at("var/lib/systemd/catalog/database", Action.DROP, RANDOM),
    Rule("var/lib/systemd/timers", r"stamp-.*", Action.DROP, "when timers ran in the machine"),
    _at("var/lib/logrotate/status", Action.DROP, "when logs of the machine were rotated"),
    _at("var/lib/logrotate.status", Action.DROP, "when logs of the machine were rotated"),
    Rule("etc", r"(passwd|group|shadow|gshadow|subuid|subgid)-", Action.DROP, _BACKUP),
    _at("etc/.pwd.lock", Action.DROP, _TEMPORARY),
    Rule("var/lib/dpkg", r".*-old", Action.DROP, _BACKUP),
    Rule("var/cache/debconf", r".*-old", Action.DROP, _BACKUP),
    Rule("var/lib/ucf", r"(hashfile|registry)\.\d+", Action.DROP, _BACKUP),
    _at("usr/share/info/dir.old", Action.DROP, _BACKUP),
    _at("var/backups", Action.FILES, _BACKUP),
    _at("var/lib/sudo/ts", Action.CONTENTS, _HISTORY),
    *(
        rule
        for home in ("root", "home/*")
        for rule in (
            Rule(home, _SHELLS + "_history", Action.DROP, _HISTORY, owned=True),
            Rule(home, _HISTORIES, Action.DROP, _HISTORY, owned=True),
            Rule(home, r"\.ansible_async", Action.DROP, _TEMPORARY),
            Rule(f"{home}/.ansible", r"tmp|cp|facts|\.lock", Action.DROP, _TEMPORARY),
            Rule(f"{home}/.cache", r"pip|uv|ansible-compat", Action.DROP, _CACHE),
        )
    ),
)

# Directories that go when sealing emptied them and no lower layer has them; all others stay, because a
# package or role may have made them with an owner on purpose.
PRUNED_WHEN_EMPTY = frozenset(
    {
        "var/lib/systemd/timers",
        "var/lib/systemd/linger",
        "var/log/journal",
        "root/.ansible",
        "root/.cache",
    }
)
PRUNED_NAMES_WHEN_EMPTY = frozenset({"__pycache__", ".ansible"})

# Made by packages at install time and different each time; a service needs them, so they stay and are told.
UNREPEATABLE = {
    "etc/ssl/private/ssl-cert-snakeoil.key": "a private key that the package ssl-cert made; replace it",
}

# Where the engine mounts something in a container. What is missing there it creates in the tree.
MOUNT_STUBS = (
    "dev",
    "proc",
    "sys",
    "run",
    "tmp",
    "etc",
    "etc/hosts",
    "etc/hostname",
    "etc/resolv.conf",
    "etc/mtab",
    "var",
    "var/log",
    "var/log/journal",
)


def rule_for(where: str, name: str) -> Rule | None:
    """The rule for what is called ``name`` in the directory ``where``."""
    found = _BY_PLACE.get(where, ())
    if where.startswith("home/"):
        _user, _slash, rest = where[5:].partition("/")
        found = (*found, *_BY_PLACE.get(f"home/*/{rest}" if rest else "home/*", ()))
    for rule in found:
        if rule.what is not None and re.fullmatch(rule.what, name):
            return rule
    return None


def _by_place() -> dict[str, tuple[Rule, ...]]:
    places: dict[str, tuple[Rule, ...]] = {}
    for rule in RULES:
        places[rule.where] = (*places.get(rule.where, ()), rule)
    return places


_BY_PLACE = _by_place()


def everything_in(rule: Rule) -> Rule:
    """The rule for what is in a directory that is to be emptied: everything, whatever it is, goes."""
    return Rule(rule.where, rule.what, Action.DROP, rule.reason, links=True)


def is_log_of_the_bake(path: str, *, owner: int, is_there: Callable[[str], bool]) -> bool:
    """Whether nobody made the log at that path on purpose; ``is_there`` tells what is beside it."""
    former = re.fullmatch(ROTATED_LOGS, path.rpartition("/")[2], re.DOTALL)
    if former:
        names = {former["before"], former["before"] + os.path.splitext("x" + (former["after"] or ""))[1]}
        if any(re.fullmatch(LOG_NAMES, name, re.DOTALL) or is_there(name) for name in names):
            return True
    name = path.removeprefix("var/log/")
    return not owner and re.fullmatch(LOGS_OF_THE_BAKE, name, re.DOTALL) is not None
