"""Inspects a DuckDB mart: reads every column of every table, and every byte of every file that lies in its folder.

DuckDB compresses and encrypts, so that bytes alone prove nothing; it also keeps deleted rows in free blocks, which no
query shows. Hence both, in files with and without a key.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import duckdb

from shelflife.copies.inspectors.folders import FolderInspector, tells_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    import pyarrow as pa

    from shelflife.copies.items import Opening


def open_inspector(opening: Opening) -> DuckdbMartInspector:
    """Return the inspector of a declared copy."""
    return DuckdbMartInspector(opening)


class DuckdbMartInspector(FolderInspector):
    """Looks at one DuckDB mart."""

    broken = (duckdb.Error,)

    def tells(self, name: str, path: Path, key: bytes | None, tokens: Collection[bytes]) -> bool:
        """Read every table of a database, encrypted or not."""
        del name
        return any(tells_of(table, tokens) for table in _tables(path, key))


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
