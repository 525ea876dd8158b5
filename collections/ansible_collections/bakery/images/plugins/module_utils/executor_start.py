# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Has the container engine start an executor in a machine.

The socket it listens at is made here, in the machine's directory, and handed through the engine: inside the
machine it has no name, and nothing else of this host's gets in.
"""

from __future__ import annotations

import inspect
import json
import os
import select
import signal
import socket
from contextlib import suppress

from ansible_collections.bakery.images.plugins.module_utils import executor_program
from ansible_collections.bakery.images.plugins.module_utils.executor_client import (
    SOCKET,
    Exchange,
    ExecutorDied,
    NoExecutor,
    Refused,
    TooLate,
    Way,
    dial,
    is_secret,
    short_name,
)

_BACKLOG = 64
_NEW_SOCKET = f"{SOCKET}.new"
_INHERITED = 3  # podman-exec(1), --preserve-fds: numbers from 3 on
# A Python that starts, reads some 30 KiB and compiles them.
_START_S = 30
_ENGINE_S = 60
_LAST_WORDS = 300
# Takes the first call, reads the length of the program, the program, and leaves the rest to it.
_BOOTSTRAP = f"""\
import socket
l=socket.socket(fileno={_INHERITED});c,_=l.accept();s=c.makefile('rb')
try:
 n={{'__name__':'bakery_executor','__builtins__':__builtins__}}
 exec(compile(s.read(int(s.readline())),'bakery_executor','exec'),n)
 n['main_inherited'](l,c,s)
except Exception as e:
 import json,struct
 b=json.dumps({{'reason':type(e).__name__+': '+str(e)[:{_LAST_WORDS}]}}).encode()
 c.sendall(struct.pack('!cI',b'N',len(b))+b)
"""


def start_executor(way: Way, interpreter: str) -> None:
    """Start an executor on the machine's ``interpreter``, and wait until it serves.

    NoExecutor if that cannot be, with what the engine or the interpreter said; then nothing is left of it.
    """
    path = os.path.join(way.directory, _NEW_SOCKET)
    with suppress(FileNotFoundError):
        os.unlink(path)
    try:
        # Closed here before it is called: nobody answers then if the executor is gone.
        with socket.socket(socket.AF_UNIX) as listener:
            with short_name(way.directory) as short:
                listener.bind(f"{short}/{_NEW_SOCKET}")
            os.chmod(path, 0o600)
            listener.listen(_BACKLOG)
            _exec(way, interpreter, listener)
        _send_program(way, interpreter)
        # By its name from now on: nobody else's call was taken for the program.
        os.rename(path, os.path.join(way.directory, SOCKET))
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(path)
        raise


def _exec(way: Way, interpreter: str, listener: socket.socket) -> None:
    # For the executor itself; every request brings the environment of its command.
    settings = {name: text for name, text in way.environment.items() if not is_secret(name)}
    words = way._replace(environment=settings).exec_words()
    words[2:2] = ["--detach", "--preserve-fds=1"]
    status, said = _spawn(
        [*words, interpreter, "-c", _BOOTSTRAP], way.engine_environment(), inherited=listener.fileno()
    )
    if status:
        lines = said.strip().splitlines() or ["it gave no reason"]
        raise NoExecutor(f"{interpreter} cannot be started: {lines[-1].removeprefix('Error: ')}")


def _spawn(words: list[str], environment: dict[str, str], *, inherited: int) -> tuple[int, str]:
    """Run ``words`` with a descriptor under the number that the engine passes on; status and errors.

    Not by subprocess, which cannot give a descriptor another number.
    """
    said = os.memfd_create("stderr")
    try:
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_DUP2, said, 2),
            (os.POSIX_SPAWN_DUP2, inherited, _INHERITED),
        ]
        try:
            pid = os.posix_spawn(words[0], words, environment, file_actions=actions)
        except OSError as error:
            raise NoExecutor(f"{words[0]} cannot be run: {error.strerror}") from error
        status = _await(pid)
        return status, os.pread(said, _LAST_WORDS * 10, 0).decode(errors="replace")
    finally:
        os.close(said)


def _await(pid: int) -> int:
    descriptor = os.pidfd_open(pid)
    try:
        if not select.select([descriptor], [], [], _ENGINE_S)[0]:
            os.kill(pid, signal.SIGKILL)
    finally:
        os.close(descriptor)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _send_program(way: Way, interpreter: str) -> None:
    """The program and its boot record, as the first of all calls."""
    program = inspect.getsource(executor_program).encode()
    record = json.dumps({"interpreter": interpreter, "idle_s": None}).encode() + b"\n"
    try:
        with dial(way.directory, _NEW_SOCKET) as connection:
            Exchange(connection, timeout_s=_START_S).boot(b"%d\n" % len(program) + program + record)
    except (OSError, Refused, ExecutorDied) as error:
        lines = _complaints(way, interpreter) or [str(error)]
        raise NoExecutor(f"{interpreter} cannot be an executor: {lines[-1][:_LAST_WORDS]}") from error
    except TooLate as error:
        raise NoExecutor(f"{interpreter} did not become an executor in {_START_S} seconds") from error


def _complaints(way: Way, interpreter: str) -> list[str]:
    """What an interpreter says that cannot be an executor: nobody reads what is started in the background."""
    with suppress(OSError, TooLate, ExecutorDied):
        done = way.run_by_engine([interpreter, "-c", "import json, socket, zlib"], timeout_s=_START_S)
        return done.stderr.decode(errors="replace").strip().splitlines()
    return []
