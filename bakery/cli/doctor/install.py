"""Installs what is missing, with apt-get and after saying so."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence

from bakery.cli.doctor.needs import Finding, State
from bakery.cli.output import say
from bakery.errors import MachineError

_ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive"}


def packages_for(findings: Sequence[Finding], manager: str) -> tuple[str, ...]:
    """The packages of ``manager`` that bring what is missing and not optional."""
    wanted = (one for one in findings if one.state is State.MISSING and not one.optional)
    return tuple(dict.fromkeys(name for one in wanted for name in one.packages.get(manager, ())))


def how_to_get(finding: Finding) -> str | None:
    """The command that installs what a need lacks: of this host's package manager, else of all known."""
    commands = {"apt": "apt-get install", "dnf": "dnf install"}
    known = [one for one in commands if one in finding.packages]
    here = [one for one in known if shutil.which(commands[one].split()[0])] or known
    lines = [f"{commands[one]} {' '.join(finding.packages[one])}" for one in here]
    return " or ".join(lines) or finding.get


def install(packages: Sequence[str]) -> None:
    """Install Debian packages; output goes to stderr, stdout is for the answer. Raises MachineError."""
    if os.geteuid() != 0:
        raise MachineError("only root can install packages", hint="run it with sudo")
    if not shutil.which("apt-get"):
        raise MachineError(
            "--fix knows only apt-get, which is not here", hint="see the commands that doctor shows"
        )
    _apt_get("update")
    _apt_get("install", "--yes", "--no-install-recommends", *packages)


def _apt_get(*words: str) -> None:
    argv = ["apt-get", *words]
    say(f"+ {' '.join(argv)}", sys.stderr)
    done = subprocess.run(
        argv,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr.fileno(),
        env={**os.environ, **_ENVIRONMENT},
    )
    if done.returncode:
        raise MachineError(f"'{' '.join(argv)}' failed with exit status {done.returncode}")
