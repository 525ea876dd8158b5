# Copyright: the bakery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The only door to the container engine."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ansible_collections.bakery.images.plugins.module_utils.failure import MachineFailure

LABEL = "io.bakery"
_CAP_SYS_RESOURCE = 24  # linux/capability.h
_TIMEOUT_S = 120
# When to try again to remove a container that is just ending, and what podman says of one.
_REMOVAL_PAUSES_S = (0.2, 0.5, 1.0, 2.0, 0.0)
_IN_BETWEEN = "state improper"
# More open files than any role needs; the kernel's maximum would make daemons that close every possible
# descriptor crawl. Engines refuse to raise a limit above the hard one, so both are cut to that.
_WANTED_LIMITS = (("nofile", resource.RLIMIT_NOFILE, 65536), ("nproc", resource.RLIMIT_NPROC, 32768))


@dataclass(frozen=True)
class Container:
    """A container as the engine reports it; ``finished`` is when it ended, in seconds since 1970, if so."""

    name: str
    running: bool
    exit_code: int
    finished: float | None = None


@dataclass(frozen=True)
class Listed:
    """A container in the engine's list, with the labels it was given, and when it was made (since 1970)."""

    name: str
    labels: dict[str, str]
    created: float


class Podman:
    """Commands of podman. Every failure is a MachineFailure with the engine's own last words."""

    def __init__(self) -> None:
        path = shutil.which("podman")
        if path is None:
            raise MachineFailure("the container engine podman is not installed; install the package 'podman'")
        self.path = path

    def run(
        self, name: str, rootfs: str, command: Sequence[str], *, options: Sequence[str], pidfile: str
    ) -> int:
        """Start a container on the mounted tree ``rootfs`` in the background; returns its first process."""
        self._call(
            *self._runtime(),
            "run",
            "--detach",
            f"--name={name}",
            f"--pidfile={pidfile}",
            *ulimit_options(),
            "--security-opt=label=disable",
            *options,
            "--rootfs",
            rootfs,
            *command,
        )
        with open(pidfile, encoding="ascii") as source:
            return int(source.read())

    def inspect(self, name: str) -> Container | None:
        """The state of a container, or None if there is none of that name."""
        done = self._try("container", "inspect", name)
        if done.returncode:
            if "no such container" in done.stderr.lower() or "no container with" in done.stderr.lower():
                return None
            raise MachineFailure(_sentence("inspect a container", done.stderr))
        record = json.loads(done.stdout)[0]
        state = record["State"]
        return Container(
            name,
            running=bool(state["Running"]),
            exit_code=int(state.get("ExitCode") or 0),
            finished=None if state["Running"] else _moment(str(state.get("FinishedAt") or "")),
        )

    def logs(self, name: str, lines: int) -> str:
        """The last lines a container wrote; empty if there are none to be had."""
        done = self._try("logs", "--tail", str(lines), name)
        return (done.stdout + done.stderr).strip() if done.returncode == 0 else ""

    def remove(self, name: str, *, grace_s: int) -> None:
        """Stop a container, by force after ``grace_s`` seconds, and remove it; none of that name is fine."""
        for pause_s in _REMOVAL_PAUSES_S:
            done = self._try("rm", "--force", "--volumes", f"--time={grace_s}", "--ignore", name)
            if not done.returncode or self.inspect(name) is None:
                return
            # One that ends by itself just then is in no state that podman 4.3 stops it in.
            if _IN_BETWEEN not in done.stderr:
                break
            time.sleep(pause_s)
        raise MachineFailure(_sentence("remove a container", done.stderr))

    @contextmanager
    def removing(self, name: str) -> Iterator[None]:
        """Remove a container whose processes have ended, while something else is done; none is fine."""
        words = [self.path, "rm", "--force", "--volumes", "--time=0", "--ignore", name]
        try:
            process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        except OSError as error:
            raise MachineFailure(
                f"the container engine {self.path} cannot be run: {error.strerror}"
            ) from error
        try:
            yield
        finally:
            try:
                status = process.wait(_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                status = process.wait()
        if status:
            self.remove(name, grace_s=0)  # once more, to be told what is wrong

    def containers(self, label: str, value: str | None = None) -> list[Listed]:
        """All containers, running or not, that carry ``label``, with this ``value`` if one is given.

        The engine is not asked for the value: it would read a comma in it as the begin of another filter.
        """
        text = self._call("ps", "--all", f"--filter=label={label}", "--format=json")
        found = [
            Listed(record["Names"][0], dict(record.get("Labels") or {}), float(record.get("Created") or 0))
            for record in json.loads(text or "[]") or []
            if record.get("Names")
        ]
        return [one for one in found if value in (None, one.labels.get(label))]

    def _runtime(self) -> list[str]:
        """runc where the host has only version 1 control groups, which crun cannot boot systemd on."""
        if not os.path.exists("/sys/fs/cgroup/cgroup.controllers") and shutil.which("runc"):
            return ["--runtime=runc"]
        return []

    def _call(self, *arguments: str) -> str:
        done = self._try(*arguments)
        if done.returncode:
            verb = next(argument for argument in arguments if not argument.startswith("-"))
            raise MachineFailure(_sentence(f"{verb} a container", done.stderr))
        return done.stdout

    def _try(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                [self.path, *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_TIMEOUT_S,
                check=False,
                env=engine_environment(),
            )
        except subprocess.TimeoutExpired as error:
            raise MachineFailure(
                f"the container engine did not answer within {_TIMEOUT_S} seconds; "
                "see 'podman info' and 'podman ps --all'"
            ) from error
        except OSError as error:
            raise MachineFailure(
                f"the container engine {self.path} cannot be run: {error.strerror}"
            ) from error


def engine_environment() -> dict[str, str]:
    """The environment for commands of the engine: this process's, with a locale that knows all letters.

    Of its own environment podman hands only LC_… to conmon, which takes paths for text in that locale and
    gives up on those with letters that it has not.
    """
    return {**os.environ, "LC_ALL": "C.UTF-8"}


def ulimit_options() -> list[str]:
    """Explicit limits for a container, none above the hard limit of this process (getrlimit(2))."""
    options = []
    for name, number, wanted in _WANTED_LIMITS:
        hard = resource.getrlimit(number)[1]
        value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        options.append(f"--ulimit={name}={value}:{value}")
    return options


def needed_ulimit_options() -> list[str]:
    """The limits that a user's own command line needs here: none, unless this root may not raise its own.

    Engines raise the limits of a container by default, which takes CAP_SYS_RESOURCE (capabilities(7)); a
    root that is confined itself may lack it.
    """
    with open("/proc/self/status", encoding="ascii", errors="replace") as source:
        effective = next((line.split()[1] for line in source if line.startswith("CapEff:")), "0")
    return [] if int(effective, 16) >> _CAP_SYS_RESOURCE & 1 or os.geteuid() else ulimit_options()


def label_options(labels: dict[str, Any]) -> list[str]:
    """Options that put ``io.bakery.<key>=<value>`` on a container."""
    return [f"--label={LABEL}.{key}={value}" for key, value in sorted(labels.items())]


def _moment(text: str) -> float | None:
    """Seconds since 1970 of an RFC 3339 time, whose fraction may have nine digits; None if it is none."""
    seconds, dot, rest = text.partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    try:
        moment = datetime.fromisoformat(f"{seconds}{rest[len(digits) :]}")
    except ValueError:
        return None
    # An engine that does not know says the year 1.
    whole = moment.timestamp() if moment.year > 1970 and moment.tzinfo else None
    return whole if whole is None or not dot else whole + float(f"0.{digits or 0}")


def _sentence(action: str, stderr: str) -> str:
    lines = [line.strip() for line in stderr.strip().splitlines() if line.strip()]
    reason = lines[-1].removeprefix("Error: ") if lines else "it gave no reason"
    return f"the container engine could not {action}: {reason}"
