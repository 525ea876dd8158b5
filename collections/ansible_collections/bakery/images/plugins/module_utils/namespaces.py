# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a process inside a container's namespaces (setns(2)), with no more power than its first process has.

``podman exec`` costs about 100 ms; entering the namespaces costs a fork. Standard library only and no
imports from the collection: a copy of this file runs on its own as
``python3 -I -S namespaces.py --pid PID --start TICKS -- COMMAND ...``, which exits as the command does.

The seccomp filter of the container is not inherited; its capability bounding set and limits are.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

CLEAN_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "USER": "root",
    "LOGNAME": "root",
    "SHELL": "/bin/sh",
    "LANG": "C.UTF-8",
    "container": "podman",
}
# The mount namespace comes last: the others are looked up in our own /proc.
_KINDS = ("cgroup", "ipc", "uts", "net", "pid", "mnt")
# As /proc/PID/limits calls them (proc(5)).
_LIMITS = {b"Max open files": resource.RLIMIT_NOFILE, b"Max processes": resource.RLIMIT_NPROC}
_PR_SET_PDEATHSIG = 1
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_LINUX_CAPABILITY_VERSION_3 = 0x20080522
_LAST_CAPABILITY = 63
_UMASK = 0o022


class NamespaceError(Exception):
    """The container cannot be entered; the message is a sentence."""


class _CapHeader(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _CapData(ctypes.Structure):
    _fields_ = [
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    ]


class Namespaces:
    """The namespaces of one container, opened once and entered by as many children as wanted.

    ``pid`` is the container's first process as seen here and ``start`` its start time (proc(5), field
    22): a process id that was given to another process is refused, and so is a process that shares our
    own mount namespace, because the command would then run on this host.
    """

    def __init__(self, pid: int, start: int) -> None:
        self.pid = pid
        self.start = start
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptors: list[tuple[str, int]] = []
        try:
            self._open()
        except (FileNotFoundError, ProcessLookupError) as error:
            self.close()
            raise NamespaceError(
                f"the machine's first process {pid} is gone; launch the machine again"
            ) from error
        except PermissionError as error:
            self.close()
            raise NamespaceError(f"only root may enter the machine (process {pid})") from error

    def _open(self) -> None:
        for kind in _KINDS:
            descriptor = os.open(f"/proc/{self.pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)
            if os.path.sameopenfile(descriptor, own := os.open(f"/proc/self/ns/{kind}", os.O_RDONLY)):
                os.close(descriptor)
                if kind == "mnt":
                    os.close(own)
                    raise NamespaceError(
                        f"process {self.pid} is no machine: it shares this host's file systems"
                    )
            else:
                self._descriptors.append((kind, descriptor))
            os.close(own)
        self._limits = _read_limits(self.pid)
        status = _read_status(self.pid)
        self._bounding = int(status["CapBnd"], 16)
        self._no_new_privileges = status.get("NoNewPrivs") == "1"
        if _start_time(self.pid) != self.start:
            raise NamespaceError(f"process {self.pid} is not the machine any more; launch the machine again")

    def close(self) -> None:
        """Forget the namespaces."""
        for _kind, descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors = []

    def enter(self) -> None:
        """Become a process in the container; for a fresh child only (``preexec_fn``), before its exec.

        The caller's child stays outside as a shadow: entering a process id namespace takes a second
        fork. The shadow holds no file of the caller, dies with it, and ends as its child ends.
        """
        self._prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        self._join()
        child = os.fork()
        if child:
            _mirror(child)
        self._prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        os.setsid()
        os.umask(_UMASK)
        self._confine()

    def enter_for_good(self) -> None:
        """Become a process in the container that outlives the caller: it belongs to the first process there.

        For a fresh child only, as ``enter``. The caller's child ends as soon as that is so.
        """
        self._join()
        between = os.fork()
        if between:
            os.waitpid(between, 0)  # else it would be left to whoever adopts it outside
            os._exit(0)
        # Only the child of a process in the container is adopted by the container's first process.
        if os.fork():
            os._exit(0)
        os.setsid()
        os.umask(_UMASK)
        self._confine()

    def enter_for_children(self) -> None:
        """Have every child of this process be one in the container, and its files the container's.

        For a process that does nothing else from now on: it sees the container's files, but is itself in
        nobody's process id namespace but its old one. Dies with whoever started it.
        """
        self._prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        self._join()
        os.umask(_UMASK)
        self._confine()

    def call(self, function: Callable[[], bytes]) -> bytes:
        """Run ``function`` in a child inside the container; returns its bytes.

        The function must not import anything: the container's file system is not ours. An OSError in
        it comes back as a NamespaceError with its text.
        """
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                os.close(reader)
                self._join()
                os.umask(_UMASK)
                self._confine()
                try:
                    answer, code = function(), 0
                except OSError as error:
                    answer = f"{error.filename}: {error.strerror}".encode(errors="replace")
                _write_all(writer, answer)
            finally:
                os._exit(code)
        os.close(writer)
        with os.fdopen(reader, "rb") as source:
            answer = source.read()
        _pid, status = os.waitpid(child, 0)
        if status:
            raise NamespaceError(answer.decode(errors="replace") or "a process in the machine was killed")
        return answer

    def _join(self) -> None:
        for kind, descriptor in self._descriptors:
            if self._libc.setns(descriptor, 0):
                error = ctypes.get_errno()
                raise OSError(error, f"cannot enter the machine's {kind} namespace: {os.strerror(error)}")
        os.chdir("/")

    def _confine(self) -> None:
        for limit, values in self._limits:
            resource.setrlimit(limit, values)
        os.setgroups([])
        os.setgid(0)
        os.setuid(0)
        for capability in range(_LAST_CAPABILITY + 1):
            if not self._bounding >> capability & 1 and self._libc.prctl(
                _PR_CAPBSET_DROP, capability, 0, 0, 0
            ):
                break  # EINVAL: the kernel knows no capability from here on
        header = _CapHeader(_LINUX_CAPABILITY_VERSION_3, 0)
        data = (_CapData * 2)()
        for index in range(2):
            part = self._bounding >> 32 * index & 0xFFFFFFFF
            data[index] = _CapData(part, part, 0)
        if self._libc.capset(ctypes.byref(header), ctypes.byref(data)):
            error = ctypes.get_errno()
            raise OSError(error, f"cannot drop capabilities: {os.strerror(error)}")
        if self._no_new_privileges:
            self._prctl(_PR_SET_NO_NEW_PRIVS, 1)

    def _prctl(self, option: int, value: int) -> None:
        if self._libc.prctl(option, value, 0, 0, 0):
            error = ctypes.get_errno()
            raise OSError(error, f"prctl {option}: {os.strerror(error)}")


def _mirror(child: int) -> NoReturn:
    """Wait for ``child`` and end the way it ended, holding none of the caller's files meanwhile."""
    os.closerange(0, os.sysconf("SC_OPEN_MAX"))
    _pid, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.kill(os.getpid(), number)
    os._exit(os.WEXITSTATUS(status))


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def _read_status(pid: int) -> dict[str, str]:
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as source:
        return {name: value.strip() for name, _colon, value in (line.partition(":") for line in source)}


def _read_limits(pid: int) -> list[tuple[int, tuple[int, int]]]:
    """Limits of a process, soft and hard. Not with prlimit(2): for a process of another user, such as that of
    an image with a user of its own, it wants CAP_SYS_RESOURCE, which root lacks where it is confined itself.
    """
    limits = []
    with open(f"/proc/{pid}/limits", "rb") as source:
        for line in source:
            number = _LIMITS.get(line[:26].strip())
            if number is not None:
                soft, hard = (
                    resource.RLIM_INFINITY if word == b"unlimited" else int(word)
                    for word in line[26:].split()[:2]
                )
                limits.append((number, (soft, hard)))
    return limits


def _start_time(pid: int) -> int:
    with open(f"/proc/{pid}/stat", "rb") as source:
        stat = source.read()
    return int(stat[stat.rindex(b")") + 2 :].split()[19])


def parse_words(words: list[str]) -> tuple[int, int, dict[str, str], list[str]]:
    """The process, its start time, the environment and the command that a command line means."""
    pid = start = -1
    environment = dict(CLEAN_ENVIRONMENT)
    while words and words[0] != "--":
        name, value, words = words[0], words[1] if len(words) > 1 else "", words[2:]
        if name == "--pid":
            pid = int(value)
        elif name == "--start":
            start = int(value)
        elif name == "--env":
            key, _equals, setting = value.partition("=")
            environment[key] = setting
        else:
            raise NamespaceError(f"unknown option '{name}'")
    if pid < 1 or start < 0 or len(words) < 2:
        raise NamespaceError("usage: --pid PID --start TICKS [--env NAME=VALUE] -- COMMAND [ARGUMENT ...]")
    return pid, start, environment, words[1:]


def main(words: list[str]) -> int:
    """The command line; returns only if the command could not be run (126 or 127, as a shell has it)."""
    try:
        pid, start, environment, command = parse_words(words)
        environment["TERM"] = os.environ.get("TERM", "dumb")
        Namespaces(pid, start).enter()
    except (NamespaceError, OSError, ValueError) as error:
        sys.stderr.write(f"bakery: {error}\n")
        return 125
    try:
        os.execvpe(command[0], command, environment)  # noqa: S606  # an argv list, no shell wanted
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        return 127 if isinstance(error, FileNotFoundError) else 126


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
