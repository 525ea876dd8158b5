"""The directory of one run: everything Ansible reads and writes for it, secrets included.

It is 0700, in memory where there is room, and gone afterwards. A bakery that was killed leaves it behind; its
name and a file in it say which process it lived for, so that a sweep can tell. One in another container that
shares the directory cannot, and leaves it alone for a day.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bakery.adapters.ansible.processes import end_run
from bakery.adapters.owner import Life, life_of, own_namespace, process_life, this_owner
from bakery.errors import MachineError
from bakery.model.records import Owner

# Without a namespace the process is one of ours.
_NAME = re.compile(
    r"bakery-run-(?P<pid>\d{1,10})-(?P<start>\d{1,20})(?:-(?P<namespace>\d{1,20}))?-(?P<id>[0-9a-f]{16})"
)
_OWNER_FILE = "owner.json"
_ROOM = 64 * 1024 * 1024
# Longer than any run.
_UNSEEN_S = 86_400


@dataclasses.dataclass(frozen=True)
class PrivateDir:
    """A private directory and the id of the run it belongs to."""

    path: Path
    run_id: str

    def write(self, name: str, text: str) -> Path:
        """Write a file that only this user can read; returns its path."""
        path = self.path / name
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123  # a Path cannot take a descriptor
            file.write(text)
        return path

    def folder(self, name: str) -> Path:
        path = self.path / name
        path.mkdir(mode=0o700)
        return path


@contextlib.contextmanager
def private_dir() -> Iterator[PrivateDir]:
    """A fresh private directory, removed at the end whatever happened. Raises MachineError when none can be
    made.
    """
    made = _make()
    try:
        yield made
    finally:
        _remove(made.path)


def sweep_private_dirs(dry_run: bool) -> tuple[Path, ...]:  # noqa: FBT001  # "dry run or not" is the one question
    """Remove what killed bakeries left: processes of their runs, then their directories. Returns the
    directories.

    Only this user's directories are looked at, and none whose process lives.
    """
    # A directory that is too full to be used is looked at all the same: it may be full of what is left.
    dead = tuple(
        path for root in _all_roots() for path in sorted(root.glob("bakery-run-*")) if _is_dead(path)
    )
    if not dry_run:
        for path in dead:
            match = _NAME.fullmatch(path.name)
            if match:
                end_run(match["id"])
            _remove(path)
    return dead


def _make() -> PrivateDir:
    run_id = secrets.token_hex(8)
    owner = this_owner(run_id)
    refusals = []
    for root in _roots():
        path = root / f"bakery-run-{owner.pid}-{owner.start}-{own_namespace()}-{run_id}"
        made = PrivateDir(path, run_id)
        try:
            path.mkdir(mode=0o700)
            made.write(_OWNER_FILE, json.dumps(dataclasses.asdict(owner)))
        except OSError as error:
            _remove(path)
            refusals.append(f"{root}: {error.strerror}")
        else:
            return made
    raise MachineError(
        f"no place for the private files of a run ({'; '.join(refusals)})",
        hint="free some space or set TMPDIR",
    )


def _roots() -> tuple[Path, ...]:
    """Where private directories may be made, best first: in memory with enough room, then the temporary
    directory.
    """
    mounted = _tmpfs_mounts()
    *memory, fallback = _all_roots()
    return (*(root for root in memory if str(root) in mounted and _usable(root)), fallback)


def _all_roots() -> tuple[Path, ...]:
    memory = [Path("/dev/shm"), Path("/run")]  # noqa: S108  # the directory itself is 0700 and made exclusively
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime:
        memory.append(Path(runtime))
    return (*memory, Path(tempfile.gettempdir()))


def _tmpfs_mounts() -> set[str]:
    """Mount points of tmpfs (proc(5), mountinfo: field 5, and the type after the lone hyphen)."""
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    return {line.split()[4] for line in lines if line.partition(" - ")[2].startswith("tmpfs ")}


def _usable(root: Path) -> bool:
    if not os.access(root, os.W_OK | os.X_OK):
        return False
    space = os.statvfs(root)
    return space.f_bavail * space.f_frsize >= _ROOM


def _is_dead(path: Path) -> bool:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return False
    match = _NAME.fullmatch(path.name)
    if match is None or path.is_symlink() or not path.is_dir() or status.st_uid != os.geteuid():
        return False
    try:
        life = life_of(Owner(**json.loads((path / _OWNER_FILE).read_text(encoding="utf-8"))))
    except (OSError, ValueError, TypeError, AttributeError):
        # Killed before the file was whole: the name says enough.
        life = process_life(int(match["pid"]), int(match["start"]), match["namespace"] or own_namespace())
    return time.time() - status.st_mtime > _UNSEEN_S if life is Life.UNKNOWN else life is Life.GONE


def _remove(path: Path) -> None:
    # A process of the run that is just ending may still create a file: the sweep would be the second try.
    for _ in range(3):
        shutil.rmtree(path, ignore_errors=True)
        if not path.exists():
            return
