"""The only door to other programs: children with a log, ended together when the benchmark ends."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.failure import CommandFailed, last_words

# Ansible ends its workers on the first, ssh and engines on the second; nothing survives the third.
_SIGNALS = ((signal.SIGINT, 10), (signal.SIGTERM, 5), (signal.SIGKILL, 5))
_LONGEST_S = 3600


@dataclass(frozen=True)
class Finished:
    """What a child printed, both streams together, and how long it ran, in seconds."""

    output: str
    seconds: float


def run(
    argv: Sequence[str | Path], *, cwd: Path | None = None, env: Mapping[str, str] | None = None, log: Path
) -> Finished:
    """Run a command to its end; raises CommandFailed with its last words unless it succeeds.

    Standard input is empty; output goes to the end of ``log``. An exception here, Ctrl-C included, ends the
    child's whole process group first.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        begin = out.tell()
        started = time.perf_counter()
        child = subprocess.Popen(
            [str(word) for word in argv],
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status = child.wait(_LONGEST_S)
        except subprocess.TimeoutExpired as error:
            _end(child)
            raise CommandFailed(f"not done after {_LONGEST_S // 60} minutes") from error
        except BaseException:
            _end(child)
            raise
        seconds = time.perf_counter() - started
    with log.open("rb") as source:
        source.seek(begin)
        output = source.read().decode(errors="replace")
    if status:
        raise CommandFailed(last_words(output))
    return Finished(output, seconds)


def attempt(argv: Sequence[str | Path], *, env: Mapping[str, str] | None = None) -> str:
    """What a command prints, or nothing if it fails: for looking and for clearing away."""
    done = subprocess.run(
        [str(word) for word in argv],
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout if done.returncode == 0 else ""


def _end(child: subprocess.Popen[bytes]) -> None:
    """Also of what outlives the child: jobs in the background of a shell ignore SIGINT (POSIX, 2.11)."""
    for number, patience_s in _SIGNALS:
        deadline = time.monotonic() + patience_s
        try:
            os.killpg(child.pid, number)
            while time.monotonic() < deadline:
                child.poll()
                os.killpg(child.pid, 0)
                time.sleep(0.05)
        except ProcessLookupError:
            return
