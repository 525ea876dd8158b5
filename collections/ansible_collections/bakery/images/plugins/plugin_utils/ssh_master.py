# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One ssh connection to a machine, which every command and every request to its executor goes through.

The process that holds it stays when its maker ends, and ends itself when nobody used it for a while. Nothing
of the user's configuration, agent or known hosts plays a part.
"""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from ansible_collections.bakery.images.plugins.plugin_utils.warm_executor import directory_of

_CONTROL, _LOCK = "ssh.sock", "ssh.lock"
# ssh runs in the machine's directory, and what it binds there must have a short name that begins with a
# slash: the address of a Unix socket has 108 bytes (unix(7)), of which ssh adds 17 for a temporary name.
_HERE = "/proc/self/cwd"
_OPTIONS = (
    "BatchMode=yes",
    "CheckHostIP=no",
    "ConnectTimeout=15",
    "ForwardAgent=no",
    "ForwardX11=no",
    "GlobalKnownHostsFile=/dev/null",
    "IdentitiesOnly=yes",
    "IdentityAgent=none",
    "LogLevel=ERROR",
    "PreferredAuthentications=publickey",
    "RequestTTY=no",
    # Of a network that is cut, connections know nothing for a minute: shorter cuts are outlived.
    "ServerAliveCountMax=6",
    "ServerAliveInterval=10",
    "StreamLocalBindMask=0177",
    "StreamLocalBindUnlink=yes",
    "StrictHostKeyChecking=yes",
    "UpdateHostKeys=no",
    f"ControlPath={_HERE}/{_CONTROL}",
)
_PERSIST_S = 300
_LAST_LINES = 3


@dataclass(frozen=True)
class SshWay:
    """Where a machine listens and who we are there. ``key`` and ``known_hosts`` are files of this host;
    ``proxy_command`` is a shell command whose input and output lead to the machine's sshd.
    """

    host: str
    port: int
    user: str
    key: str
    known_hosts: str
    proxy_command: str | None = None


class SshMaster:
    """The connection; ``directory`` is the machine's on this host, where only this user may go.

    Whoever has the directory shares the connection. OSError if something is wrong with it.
    """

    def __init__(self, way: SshWay, directory: str) -> None:
        self._way = way
        self.directory = directory

    def open(self) -> None:
        """Have the connection up."""
        if self._is_up():
            return
        with self._locked():
            if self._is_up():
                return
            with suppress(FileNotFoundError):
                os.unlink(os.path.join(self.directory, _CONTROL))
            # Not a pipe: older ones keep it open, and its reader would wait for the end of the connection.
            with tempfile.TemporaryFile() as said:
                self._call(["-M", "-N", "-f", "-o", f"ControlPersist={_PERSIST_S}"], said.fileno())
                said.seek(0)
                text = said.read()
            if not self._is_up():
                raise self.trouble(text)

    def client(self, command: str) -> list[str]:
        """Words that run a command line of the user's shell there; to be started in ``directory``."""
        return self._words([], command)

    def forward(self, name: str, path: str) -> None:
        """Have the socket ``name`` in ``directory`` lead to the socket ``path`` in the machine."""
        self.open()
        self._control("forward", "-L", f"{_HERE}/{name}:{path}")

    def cancel(self, name: str, path: str) -> None:
        """Undo ``forward``, if that was done with this connection."""
        if self._is_up():
            with suppress(OSError):
                self._control("cancel", "-L", f"{_HERE}/{name}:{path}")

    def close(self) -> None:
        """End the connection, for all who share it."""
        if self._is_up():
            with suppress(OSError):
                self._control("exit")

    def trouble(self, said: bytes) -> OSError:
        """What ssh complained about, as an error."""
        text = said.decode(errors="replace").strip()
        where = f"{self._way.host} port {self._way.port}"
        if "Host key verification failed" in text:
            return OSError(f"the host key of {where} is not the one that {self._way.known_hosts} has for it")
        last = " ".join(text.split("\n")[-_LAST_LINES:]) or "the connection broke"
        return OSError(f"ssh to {where}: {last}")

    def _is_up(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe, directory_of(self.directory) as short:
            try:
                probe.connect(f"{short}/{_CONTROL}")
            except (FileNotFoundError, ConnectionRefusedError):
                return False
        return True

    def _control(self, *words: str) -> None:
        with tempfile.TemporaryFile() as said:
            status = self._call(["-O", *words], said.fileno())
            said.seek(0)
            if status:
                raise self.trouble(said.read())

    def _call(self, words: Sequence[str], stderr: int) -> int:
        return subprocess.run(
            self._words(words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            cwd=self.directory,
            check=False,
        ).returncode

    def _words(self, words: Sequence[str], *command: str) -> list[str]:
        way = self._way
        options = [*_OPTIONS, f"UserKnownHostsFile={_quoted(way.known_hosts)}"]
        options.append(f"IdentityFile={_quoted(way.key)}")
        if way.proxy_command:
            options.append(f"ProxyCommand={way.proxy_command}")
        set_options = [word for option in options for word in ("-o", option)]
        address = ["-p", str(way.port), "-l", way.user, "--", way.host]
        return ["ssh", "-F", "none", *set_options, *words, *address, *command]

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with open(os.path.join(self.directory, _LOCK), "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _quoted(path: str) -> str:
    """A file's name as a value of ssh_config(5)."""
    return '"' + path.replace("%", "%%") + '"'
