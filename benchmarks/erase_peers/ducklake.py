"""A DuckLake with encrypted files: its catalog keeps a key a file, so the catalog is what an erasure has to clean."""

from __future__ import annotations

import base64
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

import duckdb
import duckdb_extensions
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from benchmarks.erase_peers.peer import Found, Rows

# How a 128-bit key looks in the catalog.
_KEY = re.compile(rb"(?=([A-Za-z0-9+/]{22}==))")


class DuckLake:
    """Delete, rewrite, expire, clean up: each as documented, with the threshold that rewrites every touched file."""

    procedure = "DELETE; rewrite_data_files(0); expire_snapshots; cleanup_old_files; delete_orphaned_files"
    purging = "DELETE; expire_snapshots; cleanup"

    # What holds the keys, and is as it is when an older copy of the data files is tried.
    keys = ("catalog.ducklake",)

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def connected(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Attach the lake; httpfs brings the OpenSSL that writing encrypted files needs."""
        with _engine() as connection:
            connection.execute(
                f"ATTACH 'ducklake:{self.folder / 'catalog.ducklake'}' AS lake"
                f" (DATA_PATH '{self.folder / 'data'}', ENCRYPTED)"
            )
            yield connection
            connection.execute("DETACH lake")

    def load(self, rows: Rows) -> None:
        """Insert day by day, partitioned by day, as zstd."""
        with self.connected() as connection:
            connection.execute("CALL lake.set_option('parquet_compression', 'zstd')")
            for number, (_, table) in enumerate(rows.tables()):
                connection.register("day_rows", table)
                if not number:
                    connection.execute("CREATE TABLE lake.samples AS SELECT * FROM day_rows LIMIT 0")
                    connection.execute("ALTER TABLE lake.samples SET PARTITIONED BY (day)")
                connection.execute("INSERT INTO lake.samples SELECT * FROM day_rows")
                connection.unregister("day_rows")

    def erase(self, ids: Sequence[str]) -> None:
        """Delete by joining; older snapshots still read them until they expire, which counts for the tool."""
        with self.connected() as connection:
            connection.register("erased", pa.table({"subject": list(ids)}))
            connection.execute("DELETE FROM lake.samples WHERE subject IN (SELECT subject FROM erased)")

    def expire(self, day: str) -> None:
        """Delete a day's rows, which are a partition."""
        with self.connected() as connection:
            connection.execute("DELETE FROM lake.samples WHERE day = CAST($day AS DATE)", {"day": day})

    def finish(self) -> None:
        """Rewrite the files with deleted rows, expire every older snapshot, unlink what is left over."""
        steps = (
            "ducklake_rewrite_data_files('lake', delete_threshold => 0)",
            "ducklake_expire_snapshots('lake', older_than => now())",
            "ducklake_cleanup_old_files('lake', cleanup_all => true)",
            "ducklake_delete_orphaned_files('lake', cleanup_all => true)",
        )
        with self.connected() as connection:
            for step in steps:
                connection.execute(f"CALL {step}").to_arrow_table()

    def count(self, ids: Sequence[str]) -> tuple[int, int]:
        """Count with SQL."""
        with self.connected() as connection:
            connection.register("erased", pa.table({"subject": list(ids)}))
            row = connection.execute(
                "SELECT count(*) FILTER (subject IN (SELECT subject FROM erased)), count(*) FROM lake.samples"
            ).fetchone()
        return (int(row[0]), int(row[1])) if row else (0, 0)

    def recover(self, ids: Sequence[str], found: Found) -> None:
        """Try every key of the catalog, and every one that stands anywhere in its bytes, on every file."""
        keys = {key for path in self.folder.glob("catalog*") for key in _KEY.findall(path.read_bytes())}
        with duckdb.connect(self.folder / "catalog.ducklake", read_only=True) as catalog:
            for table in ("ducklake_data_file", "ducklake_delete_file"):
                listed = catalog.execute(f"SELECT encryption_key FROM {table}").fetchall()
                keys |= {row[0].encode() for row in listed if row[0]}
        people = pa.table({"subject": list(ids)})
        with _engine() as connection:
            connection.register("erased", people)
            for path in self.folder.rglob("*.parquet"):
                for key in keys:
                    found.add("encrypted parquet", _people_in(connection, path, key), rows=True)


@contextmanager
def _engine() -> Iterator[duckdb.DuckDBPyConnection]:
    for name in ("httpfs", "ducklake"):
        duckdb_extensions.import_extension(name)
    with duckdb.connect() as connection:
        for name in ("httpfs", "ducklake"):
            connection.execute(f"LOAD {name}")
        yield connection


def _people_in(connection: duckdb.DuckDBPyConnection, path: Path, key: bytes) -> set[str]:
    """Return which of the erased people are in a file, if this key opens it."""
    try:
        rows = connection.execute(
            f"SELECT DISTINCT subject FROM read_parquet('{path}',"
            " encryption_config = {footer_key_value: $key}) WHERE true"
            " AND subject IN (SELECT subject FROM erased)",
            {"key": base64.b64decode(key)},
        ).fetchall()
    except duckdb.Error:
        return set()
    return {str(row[0]) for row in rows}
