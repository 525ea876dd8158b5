"""Networks of loopback addresses, of which each world owns two: it listens on the router of the first one."""

from __future__ import annotations

import socket

VPC = "127.77.0.0/16"
_PORT = 4566
_NUMBERS = 100


def subnets(number: int) -> tuple[str, str]:
    """The two subnets of the world with this number."""
    return f"127.77.{2 * number + 1}.0/24", f"127.77.{2 * number + 2}.0/24"


def claim(number: int) -> socket.socket:
    """Own the networks of a number for as long as the socket is open; OSError where somebody else does."""
    return socket.create_server((f"127.77.{2 * number + 1}.1", _PORT))


def claim_first() -> tuple[int, socket.socket]:
    """Own the first networks that nobody owns."""
    for number in range(_NUMBERS):
        try:
            return number, claim(number)
        except OSError:
            continue
    raise AssertionError(f"every network of {VPC} is in use")
