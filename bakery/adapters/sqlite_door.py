"""Opening the catalog's SQLite file: durable, shared by many processes, and every trouble a sentence."""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from bakery.adapters.home import ensure_home
from bakery.errors import MachineError

Result = TypeVar("Result")

# How long to wait for another process. A transaction takes milliseconds: this is for a machine on its knees.
_PATIENCE_S = 30.0
_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL})
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_ROOM = 1 << 17  # the write-ahead log's index and some pages, in bytes
_PRIMARY = 0xFF  # an extended result code holds the primary one in its low byte


class SqliteDoor:
    """One file with a schema. ``migrations`` are scripts; number n brings a file from version n-1 to n."""

    def __init__(self, path: Path, migrations: tuple[str, ...], patience_s: float = _PATIENCE_S) -> None:
        self._path = path
        self._migrations = migrations
        self._patience_s = patience_s

    def read(self, query: Callable[[sqlite3.Connection], Result]) -> Result | None:
        """What ``query`` returns; None when there is no file yet. Creates nothing."""
        if not self._path.exists():
            return None

        def attempt() -> Result | None:
            with self._opened(self._read_mode()) as connection:
                version = self._version(connection)
                return query(connection) if version else None

        return self._patiently(attempt)

    def write(self, change: Callable[[sqlite3.Connection], None]) -> None:
        """Run ``change`` as one durable transaction, in a file that is made or migrated first if need be."""
        self._create()

        def attempt() -> None:
            with self._opened("mode=rw") as connection:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                with _transaction(connection):
                    self._migrate(connection)
                    change(connection)

        self._patiently(attempt)

    def _create(self) -> None:
        """The empty file, for its owner only; SQLite gives its companions the same mode.

        It comes into being under another name: whoever closes a file gives up all locks that its process
        has on it, those of SQLite in other threads too (fcntl(2); "How To Corrupt An SQLite Database File").
        """
        ensure_home(self._path.parent)
        if self._path.exists():
            return
        new = self._path.with_name(f"{self._path.name}.{secrets.token_hex(8)}.partial")
        try:
            os.close(os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            try:
                with contextlib.suppress(FileExistsError):  # another one was quicker
                    self._path.hardlink_to(new)
            finally:
                new.unlink()
        except OSError as error:
            raise MachineError(f"cannot open {self._path}: {(error.strerror or '').lower()}") from error

    def _read_mode(self) -> str:
        """A reader takes part in the locking, which needs a writable directory; where nobody can write it
        need not.
        """
        return "mode=rw" if os.access(self._path.parent, os.W_OK) else "mode=ro&immutable=1"

    @contextmanager
    def _opened(self, mode: str) -> Iterator[sqlite3.Connection]:
        # Every byte of the path escaped: a name may hold what means something in a URI.
        escaped = "".join(f"%{byte:02x}" for byte in os.fsencode(self._path.absolute()))
        uri = f"file:{escaped}?{mode}"
        # isolation_level=None: transactions are begun where they are meant. The timeout covers most waits.
        connection = sqlite3.connect(uri, uri=True, timeout=self._patience_s, isolation_level=None)
        try:
            yield connection
        finally:
            connection.close()

    def _version(self, connection: sqlite3.Connection) -> int:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > len(self._migrations):
            raise MachineError(
                f"{self._path} was written by a newer bakery", hint="use that one, or set another BAKERY_HOME"
            )
        return int(version)

    def _migrate(self, connection: sqlite3.Connection) -> None:
        version = self._version(connection)
        for script in self._migrations[version:]:
            for statement in filter(str.strip, script.split(";")):
                connection.execute(statement)
        if version != len(self._migrations):
            connection.execute(f"PRAGMA user_version = {len(self._migrations)}")

    def _patiently(self, attempt: Callable[[], Result]) -> Result:
        """Try again while others are in the way: in a few states SQLite says so at once, whatever its
        timeout.
        """
        deadline = time.monotonic() + self._patience_s
        while True:
            try:
                return attempt()
            except sqlite3.Error as error:
                code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY
                if code not in _BUSY or time.monotonic() > deadline:
                    raise self._sentence(error, code) from error
                time.sleep(0.01)

    def _sentence(self, error: sqlite3.Error, code: int) -> MachineError:
        path = self._path
        if code in _BUSY:
            return MachineError(f"{path} was locked by another process for {self._patience_s:g} s")
        if code in _DAMAGED:
            return MachineError(
                f"the catalog {path} is damaged ({error})",
                hint="move it away; what it knew will be baked again",
            )
        if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _is_full(path.parent)):
            return MachineError(f"no space left for {path}", hint="free some space, 'bakery prune' may help")
        if code in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}:
            return MachineError(f"cannot use the catalog {path}: {error}", hint="is its disk read-only?")
        return MachineError(f"cannot use the catalog {path}: {error}")


def _is_full(folder: Path) -> bool:
    """Whether not even the files that SQLite keeps beside its database find room."""
    space = os.statvfs(folder)
    return space.f_bavail * space.f_frsize < _ROOM


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):  # a full disk has ended the transaction already
            connection.execute("ROLLBACK")
        raise
