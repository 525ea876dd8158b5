"""Locks that die with their holder: ``flock(2)`` on files in ``locks/``."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bakery.adapters.home import ensure_home
from bakery.adapters.lock_holders import holders_of
from bakery.errors import InterruptedBake, MachineError
from bakery.ports import Cancel

_POLL_S = 0.1
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class FileLocks:
    """``ports.Locks``: exclusive between processes and, as every hold opens the file anew, between threads.

    The file is removed by whoever lets go of it, so that ``locks/`` does not grow; one that a killed holder
    left is taken over and removed by the next.
    """

    def __init__(self, home: Path, cancel: Cancel) -> None:
        self._home = home
        self._cancel = cancel

    @contextmanager
    def hold(self, name: str, on_wait: Callable[[], None]) -> Iterator[None]:
        """Hold ``name``; ``on_wait`` is called once if somebody else has it.

        Raises InterruptedBake when cancelled before it is held, MachineError when ``locks/`` cannot be used.
        """
        path = self._folder() / _file_name(name)
        descriptor = self._acquire(path, on_wait, fcntl.LOCK_EX)
        try:
            yield
        finally:
            # Removed while it is held: whoever waits for the removed file finds out and opens the next one.
            with suppress(FileNotFoundError):
                path.unlink()
            os.close(descriptor)

    @contextmanager
    def share(self, name: str, on_wait: Callable[[], None], *, reading: bool = False) -> Iterator[None]:
        """Hold ``name`` with others who share it; the file stays, as they may still be there.

        Who is only ``reading`` needs no lock in a home that cannot be written: nobody removes anything there.
        """
        if reading and not self._can_be_written():
            yield
            return
        descriptor = self._acquire(self._folder() / _file_name(name), on_wait, fcntl.LOCK_SH)
        try:
            yield
        finally:
            os.close(descriptor)

    def holders(self, name: str) -> tuple[str, ...]:
        """Who holds ``name`` besides this process, each as ``process 12: bakery bake web``; as far as can be
        seen.
        """
        return holders_of(self._home / "locks" / _file_name(name))

    def _can_be_written(self) -> bool:
        folder = self._home / "locks"
        return os.access(folder if folder.is_dir() else self._home, os.W_OK | os.X_OK)

    def _folder(self) -> Path:
        folder = ensure_home(self._home) / "locks"
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise MachineError(f"cannot create {folder}: {(error.strerror or '').lower()}") from error
        return folder

    def _acquire(self, path: Path, on_wait: Callable[[], None], kind: int) -> int:
        waited = False
        while True:
            if self._cancel.requested():
                raise InterruptedBake("interrupted")
            descriptor = _try(path, kind)
            if descriptor is not None:
                return descriptor
            if not waited:
                waited = True
                on_wait()
            time.sleep(_POLL_S)


def _try(path: Path, kind: int) -> int | None:
    """The descriptor that holds the lock; None when somebody else has it."""
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _refusal(path, error) from error
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            if _is_open_file(path, descriptor):
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError as error:
            os.close(descriptor)
            raise _refusal(path, error) from error
        os.close(descriptor)


def _refusal(path: Path, error: OSError) -> MachineError:
    return MachineError(f"cannot lock {path}: {(error.strerror or '').lower()}")


def _is_open_file(path: Path, descriptor: int) -> bool:
    """Whether the name still means the opened file; its last holder may have removed it meanwhile."""
    try:
        named = path.stat()
    except FileNotFoundError:
        return False
    opened = os.fstat(descriptor)
    return (named.st_dev, named.st_ino) == (opened.st_dev, opened.st_ino)


def _file_name(name: str) -> str:
    """A file name for any lock name: itself where it is plain, else a digest of it."""
    return (
        name
        if _PLAIN.fullmatch(name)
        else hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
    )
