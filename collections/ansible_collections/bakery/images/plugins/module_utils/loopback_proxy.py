# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxies that this host reaches and a machine, which has a network of its own, does not."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit


def loopback_proxies(environment: Mapping[str, str]) -> list[str]:
    """A sentence for each variable that names a proxy on the loopback; credentials in it are not told."""
    told = {}
    for name, value in sorted(environment.items()):
        if name.lower().endswith("_proxy") and name.lower() != "no_proxy" and (place := _loopback(value)):
            told[name.lower()] = (
                f"the proxy {place} of {name} is on the loopback of this host, which a machine cannot reach; "
                "have it listen on an address of the host too, and name that address"
            )
    return list(told.values())


def _loopback(value: str) -> str | None:
    """``host:port`` if it is on the loopback."""
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    place = f"[{host}]" if ":" in host else host
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost" or host.endswith(".localhost")
    return (f"{place}:{port}" if port else place) if local else None
