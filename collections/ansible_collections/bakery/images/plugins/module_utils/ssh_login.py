# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One ssh connection to a machine, which every command and every request to its executor goes through.

The process that holds it stays when its maker ends, and ends itself when nobody used it for a while. Nothing
of the user's configuration, agent or known hosts plays a part.

Standard library only and no imports from the collection: a copy of this file in a machine's directory runs on
its own as ``python3 -I -S enter.py --host HOST … -- COMMAND …``, which exits as the command does. A second
copy beside it, ``serve.py``, is for whoever runs many commands (machine_reach.py): its ``CommandServer``.
"""

from __future__ import annotations

import fcntl
import os
import shlex
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import NamedTuple

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


class SshWay(NamedTuple):
    """Where a machine listens and who we are there. ``key`` and ``known_hosts`` are files of this host;
    ``proxy_command`` is a shell command whose input and output lead to the machine's sshd.
    """

    host: str
    port: int
    user: str
    key: str
    known_hosts: str
    proxy_command: str | None = None


class HostKeyRefused(OSError):
    """Whoever answers is not the machine."""


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

    def client(self, command: str, *, terminal: bool = False) -> list[str]:
        """Words that run a command line of the user's shell there; to be started in ``directory``."""
        return self._words([], command, terminal=terminal)

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
            return HostKeyRefused(
                f"the host key of {where} is not the one that {self._way.known_hosts} has for it"
            )
        last = " ".join(text.split("\n")[-_LAST_LINES:]) or "the connection broke"
        return OSError(f"ssh to {where}: {last}")

    def _is_up(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe, _short_name(self.directory) as short:
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

    def _words(self, words: Sequence[str], *command: str, terminal: bool = False) -> list[str]:
        way = self._way
        options = [*_OPTIONS, f"RequestTTY={'force' if terminal else 'no'}"]
        options += [f"UserKnownHostsFile={_quoted(way.known_hosts)}", f"IdentityFile={_quoted(way.key)}"]
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


@contextmanager
def _short_name(path: str) -> Iterator[str]:
    """A short name of a directory: the address of a Unix socket has 108 bytes (unix(7))."""
    descriptor = os.open(path, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


# ── on its own ─────────────────────────────────────────────────────────────────────

# The end by a signal is told as a shell tells it; ssh would make 255 of it.
_AS_A_SHELL = '"$@"; exit "$?"'


class Entry(NamedTuple):
    """What the program is told: the way, the environment of commands, who runs them and on what."""

    way: SshWay
    environment: dict[str, str]
    terminal: bool
    command: list[str]

    def line(self, command: Sequence[str]) -> str:
        """The command line that runs ``command`` in the machine as root."""
        settings = [f"{name}={value}" for name, value in sorted(self.environment.items())]
        as_root = [] if self.way.user == "root" else ["sudo", "--non-interactive", "--"]
        inner = [*as_root, "env", *settings, *command]
        if self.terminal:
            return f"exec {shlex.join(inner)}"
        return f"exec {shlex.join(['/bin/sh', '-c', _AS_A_SHELL, 'sh', *inner])}"


def entry_words(way: SshWay, environment: dict[str, str]) -> list[str]:
    """The options of the program that lead ``way``."""
    words = ["--host", way.host, "--port", str(way.port), "--user", way.user]
    words += ["--key", way.key, "--known-hosts", way.known_hosts]
    if way.proxy_command:
        words += ["--proxy-command", way.proxy_command]
    return [*words, *(word for item in sorted(environment.items()) for word in ("--env", "=".join(item)))]


def parse_words(words: Sequence[str]) -> Entry:
    """Read the program's arguments; ValueError if they are not its own."""
    split = list(words).index("--")
    options, command = list(words[:split]), list(words[split + 1 :])
    terminal = "--terminal" in options
    options = [option for option in options if option != "--terminal"]
    environment, settings = {}, {"--proxy-command": ""}
    for name, value in zip(options[::2], options[1::2], strict=True):
        if name == "--env":
            key, _equals, text = value.partition("=")
            environment[key] = text
        else:
            settings[name] = value
    way = SshWay(
        host=settings["--host"],
        port=int(settings["--port"]),
        user=settings["--user"],
        key=settings["--key"],
        known_hosts=settings["--known-hosts"],
        proxy_command=settings["--proxy-command"] or None,
    )
    return Entry(way, environment, terminal, command)


class CommandServer:
    """Runs many commands where ``words`` lead, which start the enter.py beside this file."""

    def __init__(self, words: Sequence[str]) -> None:
        # Of the words before the program's own only the last may be a path.
        start = next(index for index, word in enumerate(words) if word.startswith("--"))
        options = list(words[start:])
        self._entry = parse_words(options if options[-1:] == ["--"] else [*options, "--"])
        self._master = SshMaster(self._entry.way, os.path.dirname(os.path.abspath(__file__)))
        self._master.open()

    def run(self, command: Sequence[bytes]) -> tuple[int, bytes, bytes]:
        """Run a command without input; returns its status as subprocess has it, its output and its errors.

        OSError if the machine cannot be reached.
        """
        self._master.open()
        line = self._entry.line([os.fsdecode(word) for word in command])
        done = subprocess.run(
            self._master.client(line),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            cwd=self._master.directory,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    def close(self) -> None:
        """Let go of the machine; the connection stays for others."""


def main(words: list[str]) -> int:
    """Run a command in the machine whose directory this file is in; returns its exit status."""
    directory = os.path.dirname(os.path.abspath(__file__))
    try:
        entry = parse_words(words)
        master = SshMaster(entry.way, directory)
        master.open()
        client = master.client(entry.line(entry.command), terminal=entry.terminal)
        os.chdir(directory)
        os.execvp(client[0], client)  # noqa: S606  # as the last of this program
    except (OSError, ValueError, KeyError) as error:
        sys.stderr.write(f"{error}\n")
    return 255


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
