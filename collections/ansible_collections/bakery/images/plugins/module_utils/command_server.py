# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many commands in a container for the price of entering it once.

Whoever forks to enter a container pays for its own size, twice, with every command: some 20 ms for a pytest.
Here one small process enters, stays, and starts the commands that it is sent over a socket. The container
does not see it (only children of whoever calls setns(2) are in a process id namespace), so a check that looks
at the processes does not find it.

Standard library only and no imports from the collection: a copy of this file lies beside a copy of
namespaces.py, as ``serve.py`` beside ``enter.py``. Each message is a count and then, each with its length
before it, as many byte strings.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, Any, cast

_ENTRY = "enter.py"
_COUNT = struct.Struct("!I")
_LENGTH = struct.Struct("!Q")
_CANNOT_RUN = {FileNotFoundError: 127}  # else 126, as a shell has it


class CommandServerError(Exception):
    """The machine cannot be entered, or is gone; the message is a sentence."""


class CommandServer:
    """The client's side: commands run where ``words`` lead, which start the enter.py beside this file.

    Not for several threads at once. A fork of this process that goes on using it starts a server of its own.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self._options = list(words[words.index(_beside(_ENTRY)) + 1 :])
        self._owner = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._stream: IO[bytes]
        self._start()

    def run(self, command: Sequence[bytes]) -> tuple[int, bytes, bytes]:
        """Run a command without input; returns its status as subprocess has it, its output and its errors.

        CommandServerError if the server is gone, and with it the machine.
        """
        if self._owner != os.getpid():
            self._start()
        try:
            _send(self._stream, command)
            answer = _receive(self._stream)
        except OSError:
            answer = []
        if not answer:
            raise CommandServerError("the machine is gone; launch it again")
        return int(answer[0]), answer[1], answer[2]

    def close(self) -> None:
        """End the server, and what it still runs."""
        if self._process is not None and self._owner == os.getpid():
            with suppress(OSError):  # it may be gone, with something left to be sent
                self._stream.close()
            self._process.kill()
            self._process.wait()
        self._process = None

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", os.path.abspath(__file__), *self._options],
                stdin=theirs,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is the client's business
            )
            self._stream = ours.makefile("rwb")
        self._owner = os.getpid()
        greeting = _receive(self._stream)
        if greeting != [b""]:
            self.close()
            reason = greeting[0].decode(errors="replace") if greeting else "its server did not start"
            raise CommandServerError(reason)


def _send(stream: IO[bytes], parts: Sequence[bytes]) -> None:
    stream.write(_COUNT.pack(len(parts)))
    for part in parts:
        stream.write(_LENGTH.pack(len(part)))
        stream.write(part)
    stream.flush()


def _receive(stream: IO[bytes]) -> list[bytes]:
    """The parts of a message; none at the end of the stream."""
    head = stream.read(_COUNT.size)
    if len(head) < _COUNT.size:
        return []
    return [stream.read(*_LENGTH.unpack(stream.read(_LENGTH.size))) for _part in range(*_COUNT.unpack(head))]


def _answer(command: list[bytes], environment: dict[str, str]) -> list[bytes]:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=environment,
            start_new_session=True,
            check=False,
        )
    except OSError as error:
        status = _CANNOT_RUN.get(type(error), 126)
        return [str(status).encode(), b"", f"{error.strerror}\n".encode()]
    return [str(done.returncode).encode(), done.stdout, done.stderr]


def _beside(name: str) -> str:
    return os.path.join(os.path.dirname(os.path.abspath(__file__)), name)


def _entry() -> Any:
    path = _beside(_ENTRY)
    spec = importlib.util.spec_from_file_location("bakery_enter", path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main(words: list[str]) -> int:
    """The server's side: enter, say so, and run what comes until nothing comes any more."""
    # The words of the command are the client's to send.
    entry = _entry()
    stream = cast("IO[bytes]", socket.socket(fileno=0).makefile("rwb"))
    try:
        pid, start, environment, _command = entry.parse_words([*words, "true"])
        environment["TERM"] = os.environ.get("TERM", "dumb")
        # All that a command takes is imported: from here on the files are the machine's.
        entry.Namespaces(pid, start).enter_for_children()
    except (entry.NamespaceError, OSError, ValueError) as error:
        _send(stream, [str(error).encode()])
        return 125
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    _send(stream, [b""])
    while command := _receive(stream):
        _send(stream, _answer(command, environment))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
