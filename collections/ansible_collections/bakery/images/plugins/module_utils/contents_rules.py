# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is not told of an image's contents, as data: which paths, and why nobody would compare them."""

from __future__ import annotations

import re
from typing import NamedTuple


class LeftOut(NamedTuple):
    """A regular expression for whole paths, which are relative to the root, and why they are left out."""

    pattern: str
    reason: str


def _all(path: str, reason: str) -> LeftOut:
    """A path with all that is in it."""
    return LeftOut(rf"{re.escape(path)}(/.*)?", reason)


def _inside(path: str, reason: str) -> LeftOut:
    """All that is in a directory, but not that itself."""
    return LeftOut(rf"{re.escape(path)}/.+", reason)


_KERNEL = "the kernel's, or made when the machine starts"
_BOOT = "boots a machine; a container has none of it"
_VOLATILE = "lives no longer than the machine"
_MADE = "made anew from what is there"
_DATABASE = "what packages there are is told as such"
_STATE = "what the system remembers of this machine"
_IDENTITY = "every machine makes or is given its own"
_RANDOM = "differs each time that it is made"

LEFT_OUT: tuple[LeftOut, ...] = (
    *(_all(path, _KERNEL) for path in ("proc", "sys", "dev", "run")),
    *(_inside(path, _BOOT) for path in ("boot", "usr/lib/modules", "lib/modules")),
    LeftOut(r"(initrd\.img|vmlinuz)(\.old)?", _BOOT),
    *(_inside(path, _VOLATILE) for path in ("tmp", "var/tmp", "var/log", "var/backups")),
    *(_all(path, _VOLATILE) for path in ("lost+found", "swapfile", "etc/.pwd.lock", ".dockerenv")),
    _inside("var/cache", _MADE),
    LeftOut(r"(.*/)?__pycache__(/.*)?", _MADE),
    *(_all(path, _MADE) for path in ("etc/ld.so.cache", "etc/.updated", "var/.updated")),
    *(_inside(path, _DATABASE) for path in ("var/lib/dpkg", "var/lib/apt", "var/lib/ucf")),
    *(_inside(path, _STATE) for path in ("var/lib/systemd", "var/lib/cloud", "var/lib/snapd")),
    *(_inside(path, _STATE) for path in ("var/lib/dhcp", "var/lib/NetworkManager", "var/lib/logrotate")),
    *(_all(path, _STATE) for path in ("etc/adjtime", "etc/mtab", "var/lib/man-db", "var/lib/amazon/ssm")),
    *(_all(path, _IDENTITY) for path in ("etc/machine-id", "var/lib/dbus/machine-id")),
    *(_all(path, _IDENTITY) for path in ("etc/hostname", "etc/hosts", "etc/resolv.conf")),
    LeftOut(r"etc/ssh/ssh_host_.*key(\.pub)?", _IDENTITY),
    LeftOut(r"etc/nvme/host(id|nqn)", _IDENTITY),
    LeftOut(r"etc/ssl/(private|certs)/ssl-cert-snakeoil\.(key|pem)", _RANDOM),
)

PATTERNS: tuple[str, ...] = tuple(rule.pattern for rule in LEFT_OUT)
