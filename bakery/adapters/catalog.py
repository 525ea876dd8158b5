"""``ports.Catalog`` in one SQLite file that every process with the same home shares.

A record is stored whole, as the canonical JSON of the codec; the columns beside it only find it again.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from bakery.adapters.codec import decode, encode
from bakery.adapters.sqlite_door import SqliteDoor
from bakery.errors import MachineError
from bakery.model.records import Attempt, BaseRecord, ImageRecord, LayerRecord, MachineEntry

Record = TypeVar("Record")

_MIGRATIONS = (
    """
    CREATE TABLE base (
        target TEXT NOT NULL, spec TEXT NOT NULL, digest TEXT NOT NULL, record TEXT NOT NULL,
        PRIMARY KEY (target, spec)
    ) WITHOUT ROWID;
    CREATE TABLE layer (
        target TEXT NOT NULL, key TEXT NOT NULL, id TEXT NOT NULL, record TEXT NOT NULL,
        PRIMARY KEY (target, key)
    ) WITHOUT ROWID;
    CREATE INDEX layer_id ON layer (target, id);
    CREATE TABLE image (
        number INTEGER PRIMARY KEY AUTOINCREMENT, target TEXT NOT NULL, artifact TEXT NOT NULL,
        sha256 TEXT NOT NULL UNIQUE, record TEXT NOT NULL
    );
    CREATE INDEX image_artifact ON image (target, artifact);
    CREATE TABLE attempt (
        number INTEGER PRIMARY KEY AUTOINCREMENT, role_set TEXT NOT NULL, target TEXT NOT NULL,
        record TEXT NOT NULL, UNIQUE (role_set, target)
    );
    CREATE TABLE machine (
        number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, record TEXT NOT NULL
    );
    """,
)


class SqliteCatalog:
    """The catalog of one home. Holds no connection: safe for threads, processes and forks.

    Every method raises MachineError, in a sentence, when the file is damaged, full, read-only or locked too
    long.
    """

    def __init__(self, home: Path) -> None:
        self._path = home / "catalog.sqlite"
        self._door = SqliteDoor(self._path, _MIGRATIONS)

    def bases(self) -> Mapping[tuple[str, str], BaseRecord]:
        """By target and digest of the spec."""
        records = self._records(BaseRecord, "SELECT record FROM base")
        return {(one.target, one.spec): one for one in records}

    def layers(self) -> Mapping[tuple[str, str], LayerRecord]:
        """By target and cache key."""
        records = self._records(LayerRecord, "SELECT record FROM layer")
        return {(one.target, one.key): one for one in records}

    def find_layer(self, target: str, key: str) -> LayerRecord | None:
        query = "SELECT record FROM layer WHERE target = ? AND key = ?"
        return next(iter(self._records(LayerRecord, query, (target, key))), None)

    def images(self) -> tuple[ImageRecord, ...]:
        """Oldest first."""
        return self._records(ImageRecord, "SELECT record FROM image ORDER BY number")

    def attempts(self) -> tuple[Attempt, ...]:
        """Oldest first."""
        return self._records(Attempt, "SELECT record FROM attempt ORDER BY number")

    def open_machines(self) -> tuple[MachineEntry, ...]:
        """In the order in which they were opened."""
        return self._records(MachineEntry, "SELECT record FROM machine ORDER BY number")

    def add_base(self, record: BaseRecord) -> None:
        """A base of the same spec that was made anew takes the place of the old one."""
        self._change(
            "INSERT OR REPLACE INTO base (target, spec, digest, record) VALUES (?, ?, ?, ?)",
            (record.target, record.spec, record.digest, encode(record)),
        )

    def add_layer(self, record: LayerRecord) -> None:
        """The first layer of a key stays."""
        self._change(
            "INSERT OR IGNORE INTO layer (target, key, id, record) VALUES (?, ?, ?, ?)",
            (record.target, record.key, record.id, encode(record)),
        )

    def add_image(self, record: ImageRecord) -> None:
        text = encode(record)
        self._change(
            "INSERT OR IGNORE INTO image (target, artifact, sha256, record) VALUES (?, ?, ?, ?)",
            (
                record.target,
                str(record.artifact.get("digest", "")),
                hashlib.sha256(text.encode("ascii")).hexdigest(),
                text,
            ),
        )

    def add_attempt(self, attempt: Attempt) -> None:
        """Takes the place of the last one of the same role set and target."""
        self._change(
            "INSERT OR REPLACE INTO attempt (role_set, target, record) VALUES (?, ?, ?)",
            (attempt.role_set, attempt.target, encode(attempt)),
        )

    def clear_attempt(self, role_set: str, target: str) -> None:
        self._change("DELETE FROM attempt WHERE role_set = ? AND target = ?", (role_set, target))

    def open_machine(self, entry: MachineEntry) -> None:
        self._change("INSERT OR REPLACE INTO machine (id, record) VALUES (?, ?)", (entry.id, encode(entry)))

    def close_machine(self, machine_id: str) -> None:
        self._change("DELETE FROM machine WHERE id = ?", (machine_id,))

    def forget_layers(self, target: str, layer_ids: tuple[str, ...]) -> None:
        self._change(
            "DELETE FROM layer WHERE target = ? AND id = ?", *((target, layer_id) for layer_id in layer_ids)
        )

    def forget_images(self, target: str, artifact_digests: tuple[str, ...]) -> None:
        self._change(
            "DELETE FROM image WHERE target = ? AND artifact = ?",
            *((target, digest) for digest in artifact_digests),
        )

    def forget_bases(self, target: str, digests: tuple[str, ...]) -> None:
        self._change(
            "DELETE FROM base WHERE target = ? AND digest = ?", *((target, digest) for digest in digests)
        )

    def _records(self, kind: type[Record], query: str, values: tuple[Any, ...] = ()) -> tuple[Record, ...]:
        rows = self._door.read(lambda connection: connection.execute(query, values).fetchall())
        try:
            return tuple(decode(kind, text) for (text,) in rows or ())
        except (ValueError, KeyError, TypeError) as error:
            raise MachineError(
                f"the catalog {self._path} holds something that is no {kind.__name__} ({error})",
                hint="move it away; what it knew will be baked again",
            ) from error

    def _change(self, statement: str, *rows: tuple[Any, ...]) -> None:
        """One transaction that runs ``statement`` for every row; nothing at all without rows."""

        def change(connection: sqlite3.Connection) -> None:
            connection.executemany(statement, rows)

        if rows:
            self._door.write(change)
