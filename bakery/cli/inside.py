"""Hands a machine over to the user: an interactive shell, or one command."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from bakery.errors import MachineError
from bakery.flows.kitchen import Kitchen
from bakery.flows.machines import Inside, run_shell


def enter(kitchen: Kitchen, inside: Inside, words: Sequence[str] = ()) -> int:
    """Run ``words``, or an interactive shell, in a machine; returns its exit code."""

    def use(machine: Mapping[str, Any]) -> int:
        with _children_get_ctrl_c():
            return _call(argv_of(machine, words))

    return run_shell(kitchen, inside, use)


def capture(kitchen: Kitchen, inside: Inside, words: Sequence[str]) -> tuple[int, str, str]:
    """Run ``words`` in a machine; returns the exit code, stdout and stderr."""
    output: list[str] = []

    def use(machine: Mapping[str, Any]) -> int:
        done = _run(argv_of(machine, words))
        output.extend(stream.decode(errors="backslashreplace") for stream in (done.stdout, done.stderr))
        return done.returncode

    code = run_shell(kitchen, inside, use)
    stdout, stderr = output
    return code, stdout, stderr


def argv_of(machine: Mapping[str, Any], words: Sequence[str]) -> list[str]:
    """The command line on this host that runs ``words`` inside the machine."""
    means = "exec" if words else "shell"
    prefix = machine.get(means)
    if not isinstance(prefix, list | tuple) or not prefix:
        raise MachineError(
            f"the target did not say how to get into its machine: 'machine.{means}' is missing"
        )
    return [*(str(word) for word in prefix), *words]


def _call(argv: Sequence[str]) -> int:
    try:
        return subprocess.call(argv)
    except OSError as error:
        raise MachineError(f"'{argv[0]}' did not start: {error.strerror}") from error


def _run(argv: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(argv, check=False, capture_output=True, stdin=subprocess.DEVNULL)
    except OSError as error:
        raise MachineError(f"'{argv[0]}' did not start: {error.strerror}") from error


@contextmanager
def _children_get_ctrl_c() -> Iterator[None]:
    """Ctrl-C belongs to what runs in the machine. A handler and not SIG_IGN, which children inherit."""
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
