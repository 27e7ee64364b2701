"""One DuckDB file, erased in the two ways that DuckDB documents for reclaiming space."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from benchmarks.erase_peers.peer import put_in_place

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.erase_peers.peer import Rows


class DuckDbCheckpoint:
    """DELETE, then CHECKPOINT."""

    procedure = "DELETE; CHECKPOINT"
    purging = "DELETE; CHECKPOINT"

    def __init__(self, folder: Path) -> None:
        self.file = folder / "samples.duckdb"
        self._open: duckdb.DuckDBPyConnection | None = None

    def load(self, rows: Rows) -> None:
        """Insert day by day into one table, by person within a day."""
        with duckdb.connect(self.file) as connection:
            for number, (_, table) in enumerate(rows.tables()):
                connection.register("day_rows", table)
                verb = "INSERT INTO samples" if number else "CREATE TABLE samples AS"
                connection.execute(f"{verb} SELECT * FROM day_rows")
                connection.unregister("day_rows")

    def erase(self, ids: Sequence[str]) -> None:
        """Delete by joining a table of ids, so that no statement holds one."""
        self._open = duckdb.connect(self.file)
        self._open.register("erased", pa.table({"subject": list(ids)}))
        self._open.execute("DELETE FROM samples WHERE subject IN (SELECT subject FROM erased)")

    def expire(self, day: str) -> None:
        """Delete a day's rows."""
        self._open = duckdb.connect(self.file)
        self._open.execute("DELETE FROM samples WHERE day = CAST($day AS DATE)", {"day": day})

    def finish(self) -> None:
        """Checkpoint, as closing the file would do, too."""
        if self._open is not None:
            self._open.execute("CHECKPOINT")
            self._open.close()
            self._open = None

    def count(self, ids: Sequence[str]) -> tuple[int, int]:
        """Count with SQL."""
        connection = self._open.cursor() if self._open is not None else duckdb.connect(self.file)
        with connection:
            connection.register("asked", pa.table({"subject": list(ids)}))
            row = connection.execute(
                "SELECT count(*) FILTER (subject IN (SELECT subject FROM asked)), count(*) FROM samples"
            ).fetchone()
        return (int(row[0]), int(row[1])) if row else (0, 0)


class DuckDbCopy(DuckDbCheckpoint):
    """DELETE, then the whole database into a new file that takes the old one's place."""

    procedure = "DELETE; COPY FROM DATABASE to a new file, replace"
    purging = "DELETE; COPY FROM DATABASE to a new file, replace"

    def finish(self) -> None:
        """Close, copy, swap."""
        super().finish()
        new = self.file.with_suffix(".new")
        with duckdb.connect() as connection:
            connection.execute(f"ATTACH '{self.file}' AS old (READ_ONLY)")
            connection.execute(f"ATTACH '{new}' AS new")
            connection.execute("COPY FROM DATABASE old TO new")
            connection.execute("DETACH new")
            connection.execute("DETACH old")
        put_in_place(new, self.file)
