"""What security groups let in, as rules in a machine's own network namespace, which end with it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from ipaddress import ip_address, ip_network
from typing import Any

# What tests come from: an address of loopback reaches all others from the first one.
CALLER = "127.0.0.1"
_ALL_PORTS = (0, 65_535)
Ports = tuple[int, int]


def let_in(groups: Iterable[Any]) -> list[Ports]:
    """The ranges of TCP ports that security groups let the caller reach."""
    found: set[Ports] = set()
    for group in groups:
        for rule in group.ingress_rules:
            source = rule.ip_range.get("CidrIp")
            if not source or ip_address(CALLER) not in ip_network(source, strict=False):
                continue
            if rule.ip_protocol == "-1":
                found.add(_ALL_PORTS)
            elif rule.ip_protocol == "tcp":
                found.add((rule.from_port, rule.to_port))
    return sorted(found)


def apply(pid: int, ports: Iterable[Ports], *, cut: bool = False) -> None:
    """Let a machine, told by its first process, be reached on ``ports`` only; ``cut``: nothing in or out."""
    lines = ["*filter", ":INPUT DROP [0:0]", ":FORWARD ACCEPT [0:0]"]
    lines.append(f":OUTPUT {'DROP' if cut else 'ACCEPT'} [0:0]")
    lines.append("-A INPUT -i lo -j ACCEPT")
    if not cut:
        lines.append("-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT")
        lines += [f"-A INPUT -p tcp --dport {first}:{last} -j ACCEPT" for first, last in ports]
    words = ["nsenter", f"--target={pid}", "--net", "iptables-restore"]
    subprocess.run(words, input="\n".join([*lines, "COMMIT", ""]), text=True, check=True, capture_output=True)
