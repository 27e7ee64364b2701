"""The SQLite cache: the conformance suite, and what only it has."""

from __future__ import annotations

import sqlite3

from tests.copies.conformance import FolderConformance
from tests.copies.estates import token


class TestSqliteCache(FolderConformance):
    kind = "sqlite_cache"

    def plant(self, place, person):
        from shelflife.copies.sealed_cache import _sealed

        [item] = place.opening.items.live()
        tag, sealed = _sealed(item.item, item.key, (b"planted",), b"\0\0\0\x01x" + token(person))
        with sqlite3.connect(self.only_file(place)) as connection:
            connection.execute("INSERT INTO entry VALUES (?, ?)", (tag, sealed))
        connection.close()
