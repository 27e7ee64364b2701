"""A folder of day files that is rewritten without the erased people: by Polars and by pyarrow.

There is no tool to document a procedure: this is what a careful engineer writes. A file is flushed to the disk before
it takes the place of the old one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from benchmarks.erase_peers.peer import put_in_place, sync_folder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.erase_peers.peer import Rows


class PyarrowFiles:
    """Day files that pyarrow filters and writes anew."""

    procedure = "filter each day file, replace it"
    purging = "unlink the day's file"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self, rows: Rows) -> None:
        """Write one zstd Parquet file a day."""
        for day, table in rows.tables():
            pq.write_table(table, self.folder / f"{day}.parquet", compression="zstd")

    def erase(self, ids: Sequence[str]) -> None:
        """Replace every file that holds one of these people; a file without them stays."""
        gone = pa.array(ids)
        for path in sorted(self.folder.glob("*.parquet")):
            table = pq.read_table(path)
            kept = table.filter(pc.invert(pc.is_in(table.column("subject"), value_set=gone)))
            if kept.num_rows < table.num_rows:
                new = path.with_suffix(".new")
                pq.write_table(kept, new, compression="zstd")
                put_in_place(new, path)

    def expire(self, day: str) -> None:
        """Unlink the day's file."""
        (self.folder / f"{day}.parquet").unlink()
        sync_folder(self.folder)

    def finish(self) -> None:
        """Do nothing: replacing the files unlinked the old ones."""

    def count(self, ids: Sequence[str]) -> tuple[int, int]:
        """Count through a dataset over the folder."""
        rows = ds.dataset(self.folder, format="parquet")
        return rows.count_rows(filter=ds.field("subject").isin(list(ids))), rows.count_rows()


class PolarsFiles(PyarrowFiles):
    """Day files that Polars filters and writes anew."""

    def load(self, rows: Rows) -> None:
        """Write one zstd Parquet file a day."""
        for day, table in rows.tables():
            pl.DataFrame(pl.from_arrow(table)).write_parquet(self.folder / f"{day}.parquet")

    def erase(self, ids: Sequence[str]) -> None:
        """Stream every file through a filter; one in which nothing was filtered out keeps its place."""
        gone = pl.Series(ids)
        for path in sorted(self.folder.glob("*.parquet")):
            new, rows = path.with_suffix(".new"), pl.scan_parquet(path)
            rows.filter(~pl.col("subject").is_in(gone.implode())).sink_parquet(new)
            put_in_place(new, path)
