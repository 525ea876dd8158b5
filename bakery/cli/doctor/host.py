"""What every target needs of this host, whatever its kind: root, Python packages, room and the like."""

from __future__ import annotations

import os
import platform
import resource
import shutil
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from bakery.cli.doctor.needs import Finding, State
from bakery.cli.text import size

# A base with a few roles and its image take about 2 GB; half-written layers need room too.
_ROOM = 5 * 10**9
# What a container engine asks for when it is told nothing else.
_OPEN_FILES = 1024
# The oldest versions that pyproject.toml allows.
_PYTHON_PACKAGES = {
    "ansible-core": (2, 17),
    "ansible-runner": (2, 4),
    "pytest": (8, 3),
    "pytest-testinfra": (10, 1),
}
_MEMORY_BACKED = ("/dev/shm", "/run")  # noqa: S108 - looked at, never written here


def host_findings(home: Path) -> tuple[Finding, ...]:
    return (
        _root(),
        Finding("python", "runs bakery", State.OK, found=platform.python_version()),
        *(_python_package(name, least) for name, least in _PYTHON_PACKAGES.items()),
        _home(home),
        _memory_backed(),
        _open_files(),
    )


def _root() -> Finding:
    why = "makes machines: mounts, namespaces, files of other owners"
    if os.geteuid() == 0:
        return Finding("root", why, State.OK, found="yes")
    return Finding(
        "root",
        why,
        State.MISSING,
        trouble=f"you are user {os.geteuid()}; bakery cannot make machines as an ordinary user",
        get="run it with sudo",
    )


def _python_package(name: str, least: tuple[int, int]) -> Finding:
    why = "applies the roles" if name.startswith("ansible") else "runs the checks"
    get = "install bakery again"
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Finding(name, why, State.MISSING, trouble="not installed", get=get)
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < least:
        wanted = ".".join(str(number) for number in least)
        return Finding(name, why, State.MISSING, found=version, trouble=f"older than {wanted}", get=get)
    return Finding(name, why, State.OK, found=version)


def _home(home: Path) -> Finding:
    why = "holds layers, images and records"
    place = next(one for one in (home, *home.parents) if one.is_dir())
    try:
        free = shutil.disk_usage(place).free
    except OSError as error:
        return Finding(
            "room", why, State.MISSING, trouble=f"{place}: {error.strerror}", get="give --home another place"
        )
    found = f"{size(free)} free in {home}"
    if not os.access(place, os.W_OK):
        return Finding(
            "room",
            why,
            State.MISSING,
            found=found,
            trouble=f"{place} is not writable",
            get="give --home another place",
        )
    if free < _ROOM:
        get = "make room, run 'bakery prune', or give --home another place"
        return Finding(
            "room", why, State.MISSING, found=found, trouble=f"less than {size(_ROOM)} free", get=get
        )
    return Finding("room", why, State.OK, found=found)


def _memory_backed() -> Finding:
    why = "keeps what Ansible writes while it runs, secrets included, off the disk"
    mounted = _filesystems()
    for place in _MEMORY_BACKED:
        if mounted.get(place) == "tmpfs" and (os.access(place, os.W_OK) or os.geteuid() != 0):
            return Finding("tmpfs", why, State.OK, found=place)
    places = " nor ".join(_MEMORY_BACKED)
    return Finding(
        "tmpfs",
        why,
        State.MISSING,
        trouble=f"neither {places} is a tmpfs; secrets would touch the disk for the time of a run",
        get="mount -t tmpfs tmpfs /dev/shm",
        optional=True,
    )


def _filesystems() -> Mapping[str, str]:
    """Mount points and their types (proc(5), mountinfo: field 5, and the type after a lone hyphen)."""
    mounts: dict[str, str] = {}
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        before, _, after = line.partition(" - ")
        mounts[before.split()[4]] = after.split()[0]
    return mounts


def _open_files() -> Finding:
    why = "machines and services in them hold many files open"
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < _OPEN_FILES:
        return Finding(
            "open files",
            why,
            State.MISSING,
            found=str(hard),
            trouble=f"the hard limit is below {_OPEN_FILES}",
            get="raise it: ulimit -Hn, or LimitNOFILE= of the service",
        )
    return Finding(
        "open files", why, State.OK, found="unlimited" if hard == resource.RLIM_INFINITY else str(hard)
    )
