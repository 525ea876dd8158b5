"""Runs the probes of the targets' needs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bakery.cli.doctor.needs import Finding, Requirement, State
from bakery.cli.text import one_line

_TIMEOUT_S = 30


def probe_all(requirements: Sequence[Requirement], home: Path) -> tuple[Finding, ...]:
    """One finding per requirement, in order. Probes run side by side: each only looks."""
    with ThreadPoolExecutor(max_workers=4, thread_name_prefix="probe") as pool:
        return tuple(pool.map(lambda requirement: probe(requirement, home), requirements))


def probe(requirement: Requirement, home: Path) -> Finding:
    """Run the probe of one need; a command that does not exist or does not end is a need not met."""
    if requirement.root and os.geteuid() != 0:
        return _finding(requirement, State.SKIPPED, trouble="can only be tried by root")
    words = {
        "{home}": str(_existing(home)),
        "{files}": str(requirement.files),
        "{python}": sys.executable,
        "{options}": json.dumps(dict(requirement.options)),
    }
    argv = [_filled(word, words) for word in requirement.probe]
    try:
        done = subprocess.run(
            argv,
            check=False,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=_TIMEOUT_S,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
    except FileNotFoundError:
        return _finding(requirement, State.MISSING, trouble=f"there is no command '{argv[0]}'")
    except OSError as error:
        return _finding(requirement, State.MISSING, trouble=f"'{argv[0]}' does not start: {error.strerror}")
    except subprocess.TimeoutExpired:
        return _finding(requirement, State.MISSING, trouble=f"'{argv[0]}' gave no answer in {_TIMEOUT_S} s")
    if done.returncode:
        trouble = _last_line(done.stderr) or f"'{argv[0]}' failed with exit status {done.returncode}"
        return _finding(requirement, State.MISSING, trouble=trouble)
    return _finding(requirement, State.OK, found=_first_line(done.stdout) or "present")


def _finding(
    requirement: Requirement, state: State, *, found: str | None = None, trouble: str | None = None
) -> Finding:
    return Finding(
        need=requirement.need,
        why=requirement.why,
        state=state,
        found=found,
        trouble=trouble,
        optional=requirement.optional,
        packages=requirement.packages,
    )


def _filled(word: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        word = word.replace(name, value)
    return word


def _existing(path: Path) -> Path:
    """The nearest directory at or above ``path`` that exists: the home may not have been made yet."""
    return next((one for one in (path, *path.parents) if one.is_dir()), Path("/"))


def _first_line(output: bytes) -> str:
    lines = output.decode(errors="replace").strip().splitlines()
    return one_line(lines[0]) if lines else ""


def _last_line(output: bytes) -> str:
    lines = output.decode(errors="replace").strip().splitlines()
    return one_line(lines[-1]) if lines else ""
