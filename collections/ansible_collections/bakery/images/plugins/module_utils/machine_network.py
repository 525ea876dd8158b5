# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The network of a machine from the kernel's view, without a process in it."""

from __future__ import annotations

import ipaddress

# proc(5), /proc/PID/net: what the network namespace of that process has.
_ROUTES = "/proc/{}/net/fib_trie"
_NODE, _OWN = "|-- ", "/32 host LOCAL"


def first_address(pid: int) -> str | None:
    """The lowest IPv4 address of the network that process ``pid`` is in, but loopback; None without one."""
    try:
        with open(_ROUTES.format(pid), encoding="ascii", errors="replace") as source:
            lines = source.read().splitlines()
    except OSError:
        return None
    found = set()
    node = ""
    for line in lines:
        if _NODE in line:
            node = line.partition(_NODE)[2]
        elif line.strip() == _OWN:
            found.add(ipaddress.IPv4Address(node))
    own = sorted(address for address in found if not address.is_loopback)
    return str(own[0]) if own else None
