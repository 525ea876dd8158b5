# SPDX-License-Identifier: GPL-3.0-or-later
"""Links in an SQLite database."""

from __future__ import annotations

import secrets
import sqlite3
from contextlib import closing
from dataclasses import dataclass

ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"  # nothing that looks like something else
SLUG_LENGTH = 7
SCHEMA = """
CREATE TABLE IF NOT EXISTS link (slug TEXT PRIMARY KEY, url TEXT NOT NULL, visits INTEGER NOT NULL DEFAULT 0)
"""


@dataclass(frozen=True)
class Link:
    slug: str
    url: str
    visits: int


class LinkStore:
    """One connection a call: SQLite connections do not travel between threads."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._ready = False

    def add(self, url: str) -> Link:
        slug = "".join(secrets.choice(ALPHABET) for _ in range(SLUG_LENGTH))
        with closing(self._connect()) as connection, connection:
            connection.execute("INSERT INTO link (slug, url) VALUES (?, ?)", (slug, url))
        return Link(slug, url, 0)

    def find(self, slug: str) -> Link | None:
        with closing(self._connect()) as connection:
            row = connection.execute("SELECT slug, url, visits FROM link WHERE slug = ?", (slug,)).fetchone()
        return Link(*row) if row else None

    def visit(self, slug: str) -> Link | None:
        """Count a visit; None if there is no such link."""
        with closing(self._connect()) as connection, connection:
            row = connection.execute(
                "UPDATE link SET visits = visits + 1 WHERE slug = ? RETURNING slug, url, visits", (slug,)
            ).fetchone()
        return Link(*row) if row else None

    def remove(self, slug: str) -> bool:
        """Whether there was such a link."""
        with closing(self._connect()) as connection, connection:
            return connection.execute("DELETE FROM link WHERE slug = ?", (slug,)).rowcount == 1

    def list(self) -> tuple[Link, ...]:
        with closing(self._connect()) as connection:
            rows = connection.execute("SELECT slug, url, visits FROM link ORDER BY slug").fetchall()
        return tuple(Link(*row) for row in rows)

    def is_writable(self) -> bool:
        try:
            with closing(self._connect()) as connection, connection:
                connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        return True

    def _connect(self) -> sqlite3.Connection:
        """The database is made by whoever needs it first: a service that is merely started leaves nothing
        behind, so an image that it was baked into brings no data."""
        connection = sqlite3.connect(self._path, timeout=5)
        if not self._ready:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(SCHEMA)
            self._ready = True
        return connection
