# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An Executor that asks the program in the machine, and hands what it cannot do to an ordinary one."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import IO, Any, Protocol

from ansible_collections.bakery.images.plugins.module_utils import executor_client as wire
from ansible_collections.bakery.images.plugins.module_utils.executor_client import (
    SOCKET,
    Exchange,
    ExecutorDied,
    Outcome,
    Refused,
    TooLate,
    dial,
)
from ansible_collections.bakery.images.plugins.module_utils.executor_client import NoExecutor as Silent
from ansible_collections.bakery.images.plugins.plugin_utils.executor import Executor
from ansible_collections.bakery.images.plugins.plugin_utils.warm_requests import (
    PythonRequest,
    ShellRequest,
    recognise,
)

_LOCK, _FAILED, LOG = "executor.lock", "executor.failed", "executor.log"
_PATIENCE = 4
_LAST_WORDS = 300
_RETIRE_S = 5
# A bundle that is read and imported, on a busy machine.
_LOAD_S = 120


class NoExecutor(Exception):
    """There is no executor to be had; ``expected`` where that is no fault (the machine has no Python yet)."""

    def __init__(self, reason: str, *, expected: bool = False) -> None:
        super().__init__(reason)
        self.expected = expected


class Starter(Protocol):
    """How an executor gets into one kind of machine.

    ``directory`` is on this host, reachable only by this user, and goes with the machine. ``environment`` is
    what is set for every command in the machine: all it sees, or additions to what the machine itself gives
    to whoever logs in (``inherits_environment``). ``forwards`` tells that the socket is the end of a tunnel:
    that nobody listens there says nothing of the executor. ``carries_all`` tells that every command goes
    through the executor, also those that are not for its own Python.
    """

    directory: str
    environment: Mapping[str, str]
    inherits_environment: bool
    forwards: bool
    carries_all: bool

    def start(self, interpreter: str) -> None:
        """Have an executor listen at ``SOCKET`` in ``directory``. NoExecutor if that cannot be."""

    def reconnect(self) -> bool:
        """Renew the way to an executor; False if it is known to have ended in order, so that another may be
        started.
        """

    def forget(self) -> None:
        """Remove what an executor that was killed left behind."""


class WarmExecutor:
    """Carries out what it recognises through the executor, everything else through ``ordinary``.

    Without ``warm`` each module has a Python of its own. ``warn`` is called once for a machine, by whoever
    finds its executor dead; from then on everything there takes the ordinary path.
    """

    def __init__(
        self,
        ordinary: Executor,
        starter: Starter,
        *,
        warm: bool = True,
        warn: Callable[[str], None],
        note: Callable[[str], None],
    ) -> None:
        self._ordinary = ordinary
        self._starter = starter
        self._warm = warm
        self._warn = warn
        self._note = note

    def run(self, command: Sequence[str], *, stdin: bytes | IO[bytes] | None = None) -> Outcome:
        """See Executor."""
        request = recognise(command, self._starter.environment, has_input=stdin is not None)
        answer = None
        warm = self._warm and not os.path.exists(self._path(_FAILED))
        if warm and isinstance(request, PythonRequest) and isinstance(stdin, bytes):
            head = {"kind": wire.PYTHON, "interpreter": request.interpreter, "set": dict(request.settings)}
            answer = self._ask(head, stdin, start=request.interpreter)
        elif warm and isinstance(request, ShellRequest):
            answer = self._ask({"kind": wire.SHELL, "command": request.command}, b"")
        else:
            self._note("ordinary path: the command is not one for the executor's Python")
        if answer is None and self._starter.carries_all:
            answer = self._ask({"kind": wire.EXEC, "argv": list(command)}, stdin or b"")
        return answer or self._ordinary.run(command, stdin=stdin)

    def put(self, source: IO[bytes], path: str) -> Outcome:
        """See Executor."""
        answer = self._ask({"kind": wire.PUT, "path": path}, source)
        if answer is None:
            source.seek(0)  # an executor that died may have been sent some of it
        return answer or self._ordinary.put(source, path)

    def fetch(self, path: str, sink: IO[bytes]) -> Outcome:
        """See Executor."""
        answer = self._ask({"kind": wire.FETCH, "path": path}, b"", sink=sink)
        return answer or self._ordinary.fetch(path, sink)

    def close(self) -> None:
        """See Executor."""
        self._ordinary.close()

    def retire(self) -> None:
        """Have the executor end, with all that is in the machine because of it."""
        with self._locked():
            nobody = (FileNotFoundError, NoExecutor, ExecutorDied, Refused, TooLate)
            with suppress(*nobody), self._dial_anew() as connection:
                Exchange(connection, timeout_s=_RETIRE_S).run({"kind": wire.QUIT}, b"")
            self._forget_socket()
            self._starter.forget()
            with suppress(FileNotFoundError):
                os.unlink(self._path(_FAILED))

    def _ask(
        self,
        head: Mapping[str, Any],
        stdin: bytes | IO[bytes],
        *,
        start: str | None = None,
        sink: IO[bytes] | None = None,
    ) -> Outcome | None:
        """The outcome of a request; None if the ordinary path must be taken. Only a request for Python
        (``start``: its interpreter) starts an executor.
        """
        given = None if self._starter.inherits_environment else dict(self._starter.environment)
        head = {**head, "env": given, "umask": None if given is None else wire.UMASK}
        for _attempt in range(_PATIENCE):
            try:
                connection = self._connect(start)
            except NoExecutor as trouble:
                self._give_up(trouble)
                return None
            if connection is None:
                return None
            with connection:
                try:
                    outcome = Exchange(connection, sink).run(head, stdin)
                except Refused as refusal:
                    if refusal.cold and self._load():
                        continue
                    self._note(f"ordinary path: {refusal}")
                    if not refusal.stale:
                        return None
                    self._forget_socket()
                except ExecutorDied as trouble:
                    if trouble.started:
                        raise
                    self._look_again()
                else:
                    self._note(f"EXECUTOR {head['kind']}")
                    return outcome
        self._give_up(NoExecutor(self._last_words()))
        return None

    def _connect(self, start: str | None) -> socket.socket | None:
        """A connection to the executor, which is started if need be; None if there is none to be used."""
        with suppress(FileNotFoundError):
            return self._dial()
        if start is None or os.path.exists(self._path(_FAILED)):
            return None
        with self._locked():
            with suppress(FileNotFoundError):
                return self._dial()  # somebody else has started it meanwhile
            self._starter.start(start)
            return self._dial()

    def _load(self) -> bool:
        """Bring the executor the module_utils that payloads want; whether it has them now."""
        # Not for every task that connects.
        from ansible_collections.bakery.images.plugins.plugin_utils.warm_bundle import bundle

        with self._locked():
            try:
                with self._dial() as connection:
                    Exchange(connection, timeout_s=_LOAD_S).run({"kind": wire.LOAD}, bundle())
            except Refused as refusal:
                if not refusal.stale:
                    self._say_once(f"its module_utils cannot be imported: {refusal}")
                    return False
                self._forget_socket()  # another is started
            except FileNotFoundError:
                pass  # likewise, by somebody else
            except (NoExecutor, ExecutorDied, TooLate) as trouble:
                self._say_once(f"its module_utils cannot be imported: {trouble}")
                return False
        return True

    def _dial_anew(self) -> socket.socket:
        """As ``_dial``, over a way that is renewed if need be."""
        with suppress(FileNotFoundError):
            return self._dial()
        if not self._starter.reconnect():
            raise FileNotFoundError
        return self._dial()

    def _look_again(self) -> None:
        """After an executor hung up: whether there is one."""
        with self._locked():
            if not self._starter.reconnect():
                self._forget_socket()

    def _dial(self) -> socket.socket:
        """FileNotFoundError if there is no way to an executor here, NoExecutor if it died."""
        try:
            return dial(self._starter.directory)
        except ConnectionRefusedError as error:
            if self._starter.forwards:
                raise FileNotFoundError(SOCKET) from error
            raise NoExecutor(self._last_words()) from error
        except Silent as error:
            raise NoExecutor(str(error)) from error

    def _give_up(self, trouble: NoExecutor) -> None:
        """Take the ordinary path, from now on if there is a fault, and say so if nobody has."""
        self._note(f"ordinary path: {trouble}")
        if trouble.expected:
            return
        self._forget_socket()
        self._say_once(f"the executor in the machine ended ({trouble})")

    def _say_once(self, reason: str) -> None:
        with suppress(OSError):
            os.close(os.open(self._path(_FAILED), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            self._warn(f"tasks run slower from here: {reason}")

    def _forget_socket(self) -> None:
        with suppress(FileNotFoundError):
            os.unlink(self._path(SOCKET))

    def _last_words(self) -> str:
        try:
            with open(self._path(LOG), encoding="utf-8", errors="replace") as log:
                lines = log.read().strip().splitlines()
        except OSError:
            lines = []
        return lines[-1][-_LAST_WORDS:] if lines else "it was killed, or its machine was"

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with open(self._path(_LOCK), "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _path(self, name: str) -> str:
        return os.path.join(self._starter.directory, name)
