# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that the target itself runs in a machine, outside of any Ansible task."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import subprocess
from collections.abc import Mapping, Sequence

from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure
from ansible_collections.bakery.images.plugins.module_utils.namespaces import (
    CLEAN_ENVIRONMENT,
    NamespaceError,
    Namespaces,
)

_SIOCGIFADDR = 0x8915  # netdevice(7)


class CommandTimeout(MachineFailure):
    """A command in a machine did not end in time."""


class MachineCommand:
    """Runs commands as root in one machine, in a clean environment."""

    def __init__(self, pid: int, start: int, environment: Mapping[str, str]) -> None:
        try:
            self.namespaces = Namespaces(pid, start)
        except NamespaceError as error:
            raise MachineFailure(str(error)) from error
        proxies = {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
        self._environment = {**CLEAN_ENVIRONMENT, **proxies, **environment}

    def address(self) -> str | None:
        """The machine's IPv4 address, or None if it has no network."""
        try:
            return self.namespaces.call(_first_address).decode() or None
        except NamespaceError as error:
            raise MachineFailure(f"the machine's network cannot be looked at: {error}") from error

    def run(self, command: Sequence[str], *, timeout_s: float) -> subprocess.CompletedProcess[bytes]:
        """Run a command; CommandTimeout after ``timeout_s``, MachineFailure if it cannot be started."""
        try:
            return subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                env=self._environment,
                preexec_fn=self.namespaces.enter,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise MachineFailure(
                f"'{' '.join(command)}' in the machine took longer than {timeout_s:.0f} seconds"
            ) from error
        except (OSError, subprocess.SubprocessError) as error:
            raise MachineFailure(f"'{command[0]}' cannot be run in the machine: {error}") from error


def _first_address() -> bytes:
    """Runs inside the machine: no imports here. The address of the first interface but lo that has one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _index, name in socket.if_nameindex():
            request = struct.pack("256s", name.encode()[:15])
            try:
                answer = fcntl.ioctl(probe, _SIOCGIFADDR, request) if name != "lo" else b""
            except OSError:
                continue  # an interface without an address
            if answer:
                return socket.inet_ntoa(answer[20:24]).encode()
    return b""
