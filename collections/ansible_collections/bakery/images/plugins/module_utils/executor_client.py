# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands in a machine: requests to its executor, and where there is none, ``exec`` of the container engine.

No process of this host ever enters the machine. The engine starts the executor (``executor_start.py``), which
has what the engine gives every process of the container: namespaces, control group, capabilities, seccomp
filter, security label and keyring. Whoever asks is connected to it by a socket in the machine's directory on
this host. What comes back is the word of a hostile peer: it is framed, bounded and never evaluated.

Standard library only, no imports from the collection. Two copies of this file lie in a machine's directory.
``python3 -I -S enter.py --engine PATH --container NAME [--env NAME=VALUE] -- COMMAND …`` becomes the engine's
``exec`` of one command; ``serve.py`` is for whoever runs many (``machine_reach.py``): its ``CommandServer``.
"""

from __future__ import annotations

import json
import os
import select
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import IO, Any, NamedTuple

SOCKET = "executor.sock"

# The frames, as executor_program.py has them.
HEAD, DATA, END = b"H", b"I", b"E"
STARTED, STDOUT, STDERR, EXIT, REFUSED = b"S", b"O", b"R", b"X", b"N"
FRAME = struct.Struct("!cI")
CHUNK = 1 << 18
PYTHON, SHELL, EXEC, PUT, FETCH, LOAD, QUIT = "python", "shell", "exec", "put", "fetch", "load", "quit"

# What a machine may send: one frame, one frame of JSON, and all that one command writes.
_FRAME_LIMIT = 4 << 20
_JSON_LIMIT = 1 << 16
OUTPUT_LIMIT = 256 << 20
_TOO_MUCH = f"a command wrote more than {OUTPUT_LIMIT >> 20} MiB"
# An executor whose queue is full for so long does not serve any more (socket(7), SO_SNDTIMEO).
_DIAL_S = 30
_RETIRE_S = 5

CLEAN_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "USER": "root",
    "LOGNAME": "root",
    "SHELL": "/bin/sh",
    "LANG": "C.UTF-8",
    "container": "podman",
}
UMASK = 0o022
# podman-exec(1), EXIT STATUS: 125 is podman's own; 4.3 exits with 255 where a container does not run.
_ENGINE_FAILED, _ENGINE_SAYS = (125, 255), b"Error: "


class Outcome(NamedTuple):
    """How a command ended: its exit status as a shell has it, and all it wrote."""

    status: int
    stdout: bytes
    stderr: bytes


class NoExecutor(Exception):
    """Nobody serves at the machine's socket."""


class Refused(Exception):
    """The executor did not carry a request out.

    ``stale`` if it will carry out no other either, ``cold`` if it wants module_utils first.
    """

    def __init__(self, reason: str, *, stale: bool, cold: bool) -> None:
        super().__init__(reason)
        self.stale = stale
        self.cold = cold


class ExecutorDied(Exception):
    """The executor hung up, or what it says makes no sense.

    ``started`` tells whether the request may have begun.
    """

    def __init__(self, *, started: bool, reason: str = "the executor in the machine ended") -> None:
        super().__init__(reason)
        self.started = started


class MachineGone(OSError):
    """The machine does not run any more; the message is a sentence."""


class TooLate(Exception):
    """The time for a request is over."""


def dial(directory: str, name: str = SOCKET) -> socket.socket:
    """A connection to the executor of the machine in ``directory``.

    FileNotFoundError where none was started, ConnectionRefusedError where it is gone, NoExecutor where it
    does not take the call.
    """
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", _DIAL_S, 0))
        with short_name(directory) as short:
            connection.connect(f"{short}/{name}")
    except BlockingIOError as error:
        connection.close()
        raise NoExecutor(f"the executor in the machine took no call for {_DIAL_S} seconds") from error
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def short_name(path: str) -> Iterator[str]:
    """A short name of a directory: the address of a Unix socket has 108 bytes (unix(7))."""
    descriptor = os.open(path, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


class Exchange:
    """One request and its answer over a connection. What goes to ``sink`` is not kept and not bounded."""

    def __init__(
        self, connection: socket.socket, sink: IO[bytes] | None = None, *, timeout_s: float | None = None
    ) -> None:
        self._connection = connection
        self._sink = sink
        self._deadline = None if timeout_s is None else time.monotonic() + timeout_s
        self._out = bytearray()
        self._err = bytearray()
        self._received = bytearray()
        self._started = False
        self._status: int | None = None
        self._deaf = False

    def run(self, head: Mapping[str, Any], stdin: bytes | IO[bytes]) -> Outcome:
        """Refused, ExecutorDied or TooLate if there is no outcome."""
        return self._converse(_frames(head, stdin))

    def boot(self, program: bytes) -> None:
        """Send an executor that only just started its program, and await its answer; errors as of ``run``."""
        self._converse(iter([program]))

    def _converse(self, frames: Iterator[bytes]) -> Outcome:
        self._connection.settimeout(0)
        pending = memoryview(b"")
        sending = True
        poll = select.poll()
        poll.register(self._connection, select.POLLIN | select.POLLOUT)
        while self._status is None:
            event = _ready(poll, self._deadline)[self._connection.fileno()]
            if event & ~select.POLLOUT:
                self._receive()
            if sending and event & select.POLLOUT:
                pending = pending or memoryview(next(frames, b""))
                sending = bool(pending) and not self._deaf
                pending = self._send(pending)
                if not sending:
                    poll.modify(self._connection, select.POLLIN)
        return Outcome(self._status, bytes(self._out), bytes(self._err))

    def _send(self, content: memoryview) -> memoryview:
        try:
            return content[self._connection.send(content) :]
        except BlockingIOError:
            return content
        except (BrokenPipeError, ConnectionResetError):
            self._deaf = True  # what it had to say is still to be read
            return memoryview(b"")

    def _receive(self) -> None:
        try:
            content = self._connection.recv(CHUNK * 2)
        except BlockingIOError:
            return
        except ConnectionResetError:
            content = b""
        if not content:
            raise ExecutorDied(started=self._started)
        self._received += content
        position, end = 0, len(self._received)
        while end - position >= FRAME.size:
            kind, size = FRAME.unpack_from(self._received, position)
            if size > (_FRAME_LIMIT if kind in (STDOUT, STDERR) else _JSON_LIMIT):
                raise self._nonsense(f"a frame of {size} bytes")
            if end - position < FRAME.size + size:
                break
            position += FRAME.size
            self._take(kind, bytes(self._received[position : position + size]))
            position += size
        del self._received[:position]

    def _take(self, kind: bytes, content: bytes) -> None:
        if kind == STDOUT and self._sink is not None:
            self._sink.write(content)
        elif kind in (STDOUT, STDERR):
            if len(self._out) + len(self._err) + len(content) > OUTPUT_LIMIT:
                raise self._nonsense(_TOO_MUCH)
            (self._out if kind == STDOUT else self._err).extend(content)
        elif kind == STARTED and not self._started:
            self._started = True
        elif kind == EXIT:
            status = self._object(content).get("status")
            if isinstance(status, bool) or not isinstance(status, int) or not 0 <= status < 256:
                raise self._nonsense("an exit status that is none")
            self._status = status
        elif kind == REFUSED:
            answer = self._object(content)
            reason = str(answer.get("reason"))[:_JSON_LIMIT]
            raise Refused(reason, stale=bool(answer.get("stale")), cold=bool(answer.get("cold")))
        else:
            raise self._nonsense("an unknown frame")

    def _object(self, content: bytes) -> dict[str, Any]:
        try:
            answer = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise self._nonsense("a frame that is not JSON") from error
        if not isinstance(answer, dict):
            raise self._nonsense("a frame that is no object")
        return answer

    def _nonsense(self, what: str) -> ExecutorDied:
        return ExecutorDied(started=True, reason=f"the executor in the machine is not to be believed: {what}")


def _frames(head: Mapping[str, Any], stdin: bytes | IO[bytes]) -> Iterator[bytes]:
    def frame(kind: bytes, content: bytes | memoryview) -> bytes:
        return FRAME.pack(kind, len(content)) + content

    yield frame(HEAD, json.dumps(head).encode())
    if isinstance(stdin, bytes):
        if stdin:
            yield frame(DATA, stdin)
    else:
        stdin.seek(0)
        while chunk := stdin.read(CHUNK):
            yield frame(DATA, chunk)
    yield frame(END, b"")


class Way(NamedTuple):
    """How commands get into one machine: its directory here, and the engine's name for its container.

    ``environment`` is all that a command sees, beside what the engine itself sets.
    """

    directory: str
    engine: str
    container: str
    environment: Mapping[str, str]

    def exec_words(self, *, interactive: bool = False, terminal: bool = False) -> list[str]:
        """Words that have the engine run the words after them in the machine, as root; they are run with
        ``engine_environment``.
        """
        words = [self.engine, "exec", "--user=0", "--workdir=/"]
        words += ["--interactive"] * interactive + ["--tty"] * terminal
        for name, value in sorted(self.environment.items()):
            # The password of a proxy must not be seen in a list of processes.
            words.append(f"--env={name}" if is_secret(name) else f"--env={name}={value}")
        return [*words, self.container]

    def engine_environment(self) -> dict[str, str]:
        """The environment of the engine for ``exec_words``; its monitor wants a locale with all letters."""
        handed = {name: text for name, text in self.environment.items() if is_secret(name)}
        return {**os.environ, "LC_ALL": "C.UTF-8", **handed}

    def run(self, command: Sequence[str], stdin: bytes = b"", *, timeout_s: float | None = None) -> Outcome:
        """Run ``command`` as root. TooLate after ``timeout_s``; ExecutorDied or OSError if that cannot be."""
        try:
            with dial(self.directory) as connection:
                head = {"kind": EXEC, "argv": list(command), "env": dict(self.environment), "umask": UMASK}
                return Exchange(connection, timeout_s=timeout_s).run(head, stdin)
        except (FileNotFoundError, ConnectionRefusedError, NoExecutor, Refused):
            pass
        except ExecutorDied as trouble:
            if trouble.started:
                raise
        return self.run_by_engine(command, stdin, timeout_s=timeout_s)

    def retire(self) -> None:
        """Have the executor end, if there is one; it is given some seconds."""
        with (
            suppress(OSError, NoExecutor, ExecutorDied, Refused, TooLate),
            dial(self.directory) as connection,
        ):
            Exchange(connection, timeout_s=_RETIRE_S).run({"kind": QUIT}, b"")
        with suppress(FileNotFoundError):
            os.unlink(os.path.join(self.directory, SOCKET))  # whoever needs one starts another

    def run_by_engine(
        self, command: Sequence[str], stdin: bytes = b"", *, timeout_s: float | None = None
    ) -> Outcome:
        """As ``run``, where there is no executor: about a tenth of a second slower."""
        words = [*self.exec_words(interactive=bool(stdin)), *command]
        return self.checked(run_bounded(words, stdin, timeout_s=timeout_s, env=self.engine_environment()))

    def checked(self, outcome: Outcome) -> Outcome:
        """``outcome`` of the engine; MachineGone if it means that there is no machine any more."""
        if outcome.status in _ENGINE_FAILED and outcome.stderr.startswith(_ENGINE_SAYS):
            words = [self.engine, "container", "inspect", "--format={{.State.Running}}", self.container]
            done = subprocess.run(words, capture_output=True, env=self.engine_environment(), check=False)
            if done.stdout.strip() != b"true":
                raise MachineGone("the machine does not run any more; launch it again")
        return outcome


def run_bounded(
    words: Sequence[str], stdin: bytes | IO[bytes], *, timeout_s: float | None = None, **options: Any
) -> Outcome:
    """Run a process of this host that passes on what a machine says: not more than OUTPUT_LIMIT of it.

    ``options`` are those of subprocess. TooLate after ``timeout_s``; ExecutorDied for one that says more.
    """
    if isinstance(stdin, bytes):
        # In memory: a module's arguments may be secrets, which no disk of the host shall hold.
        with open(os.memfd_create("stdin"), "w+b") as source:
            source.write(stdin)
            source.seek(0)
            return run_bounded(words, source, timeout_s=timeout_s, **options)
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(words, stdin=stdin, **pipes, **options) as process:
        try:
            out, err = _read_all(deadline, process.stdout, process.stderr)
            status = process.wait(None if deadline is None else max(deadline - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired as error:
            process.kill()
            raise TooLate from error
        except BaseException:  # leaving the block would wait for the command
            process.kill()
            raise
    # A shell reports a command that a signal ended in the same way.
    return Outcome(128 - status if status < 0 else status, out, err)


def _read_all(deadline: float | None, *pipes: IO[bytes] | None) -> list[bytes]:
    kept = {pipe.fileno(): bytearray() for pipe in pipes if pipe}
    poll = select.poll()
    for number in kept:
        poll.register(number, select.POLLIN)
    left = len(kept)
    while left:
        for number in _ready(poll, deadline):
            content = os.read(number, CHUNK)
            kept[number] += content
            if not content:
                poll.unregister(number)
                left -= 1
        if sum(map(len, kept.values())) > OUTPUT_LIMIT:
            raise ExecutorDied(started=True, reason=_TOO_MUCH)
    return [bytes(content) for content in kept.values()]


def _ready(poll: select.poll, deadline: float | None) -> dict[int, int]:
    """What is ready, and for what; TooLate after the deadline, whatever is ready then: a peer may go on
    talking for ever.
    """
    left_ms = None if deadline is None else (deadline - time.monotonic()) * 1000
    ready = dict(poll.poll(left_ms)) if left_ms is None or left_ms > 0 else {}
    if not ready:
        raise TooLate
    return ready


def is_secret(name: str) -> bool:
    """Whether a setting may hold a password, as the address of a proxy does."""
    return name.lower().endswith("_proxy")


class CommandServer:
    """Many commands in the machine whose directory this is; ``words`` start the enter.py beside this file."""

    def __init__(self, words: Sequence[str]) -> None:
        start = next(index for index, word in enumerate(words) if word.startswith("--"))
        self._way, _command = parse_words([*words[start:], "true"])

    def run(self, command: Sequence[bytes]) -> tuple[int, bytes, bytes]:
        """Run a command without input; returns its exit status as a shell has it, its output and its errors.

        OSError if the machine cannot be reached.
        """
        try:
            return self._way.run([os.fsdecode(word) for word in command])
        except ExecutorDied as error:
            raise MachineGone(str(error)) from error

    def close(self) -> None:
        """Let go of the machine."""


def parse_words(words: Sequence[str]) -> tuple[Way, list[str]]:
    """The way and the command that a command line means."""
    settings = {"--engine": "", "--container": ""}
    environment = dict(CLEAN_ENVIRONMENT)
    left = list(words)
    while left and left[0] != "--":
        name, value, left = left[0], left[1] if len(left) > 1 else "", left[2:]
        if name == "--env":
            key, _equals, setting = value.partition("=")
            environment[key] = setting
        elif name in settings:
            settings[name] = value
        else:
            raise ValueError(f"unknown option '{name}'")
    if not all(settings.values()) or len(left) < 2:
        raise ValueError("usage: --engine PATH --container NAME [--env NAME=VALUE] -- COMMAND [ARGUMENT ...]")
    here = os.path.dirname(os.path.abspath(__file__))
    return Way(here, settings["--engine"], settings["--container"], environment), left[1:]


def main(words: Sequence[str]) -> int:
    """Become the engine's ``exec``; returns only if that could not be started."""
    try:
        way, command = parse_words(words)
        way = way._replace(environment={**way.environment, "TERM": os.environ.get("TERM", "dumb")})
        prefix = way.exec_words(interactive=True, terminal=os.isatty(0) and os.isatty(1))
        os.execvpe(prefix[0], [*prefix, *command], way.engine_environment())  # noqa: S606  # no shell wanted
    except (OSError, ValueError) as error:
        sys.stderr.write(f"bakery: {error}\n")
    return 125


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
