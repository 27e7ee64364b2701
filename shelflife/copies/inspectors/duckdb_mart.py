"""Inspects a DuckDB mart: reads every column of every table, and every byte of every file that lies in its folder.

DuckDB compresses and encrypts, so that bytes alone prove nothing; it also keeps deleted rows in free blocks, which no
query shows. Hence both, in files with and without a key.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import duckdb

from shelflife.copies.inspectors.folders import (
    PERSON,
    UNREADABLE,
    common_findings,
    contains_any,
    files_of,
    forms,
    tells_of,
)
from shelflife.copies.protocol import CopyFinding

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from datetime import datetime
    from pathlib import Path

    import pyarrow as pa

    from shelflife.copies.items import Opening


def open_inspector(opening: Opening) -> DuckdbMartInspector:
    """Return the inspector of a declared copy."""
    return DuckdbMartInspector(opening)


class DuckdbMartInspector:
    """Looks at one DuckDB mart."""

    def __init__(self, opening: Opening) -> None:
        self.name = opening.name
        self._opening = opening

    def inspect(self, tokens: Collection[bytes], known: Collection[str], now: datetime) -> list[CopyFinding]:
        """Look for people, unregistered files and expired ones."""
        live = self._opening.items.live()
        files = files_of(self._opening)
        found = set(common_findings(self._opening, files, known, live, now))
        keys = {item.item: item.key for item in live}
        needles = [form for token in tokens for form in forms(token)]
        for name, path in files.items():
            if contains_any(path, needles):
                found.add(CopyFinding(self.name, PERSON, name))
            found |= set(self._decoded(name, path, keys.get(name), tokens, registered=name in keys))
        return sorted(found, key=lambda one: (one.where, one.rule))

    def _decoded(
        self, name: str, path: Path, key: bytes | None, tokens: Collection[bytes], *, registered: bool
    ) -> Iterator[CopyFinding]:
        try:
            if any(tells_of(table, tokens) for table in _tables(path, key)):
                yield CopyFinding(self.name, PERSON, name)
        except duckdb.Error:
            # What nobody registered need not be a database.
            if registered:
                yield CopyFinding(self.name, UNREADABLE, name)


def _tables(path: Path, key: bytes | None) -> Iterator[pa.Table]:
    sealed = "" if key is None else f", ENCRYPTION_KEY '{key.hex()}', ENCRYPTION_CIPHER 'GCM'"
    quoted = str(path).replace("'", "''")
    with closing(duckdb.connect(":memory:", config={"threads": 1})) as connection:
        for setting in ("autoinstall_known_extensions", "autoload_known_extensions"):
            connection.execute(f"SET {setting} = false")
        connection.execute("SET temp_directory = ''")
        connection.execute(f"ATTACH '{quoted}' AS looked_at (READ_ONLY{sealed})")
        named = "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = 'looked_at'"
        for schema, table in connection.execute(named).fetchall():
            yield connection.execute(f'SELECT * FROM looked_at."{schema}"."{table}"').to_arrow_table()
