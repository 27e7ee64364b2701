"""A Delta table through delta-rs: by predicate as its guide deletes, and by merge, which keeps ids out of the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder, WriterProperties, write_deltalake

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.erase_peers.peer import Rows


class Delta:
    """Delete by predicate, then vacuum without retention."""

    procedure = "delete(predicate); vacuum(0 h)"
    purging = "delete(partition); vacuum(0 h)"
    settings: ClassVar[dict[str, str | None] | None] = None

    def __init__(self, folder: Path) -> None:
        self.path = folder / "samples"

    def table(self) -> DeltaTable:
        """Open the newest version."""
        return DeltaTable(self.path)

    def writing(self) -> WriterProperties:
        """Return zstd, which all peers write; the tool's default is snappy."""
        return WriterProperties(compression="ZSTD")

    def load(self, rows: Rows) -> None:
        """Append day by day, partitioned by day."""
        for _, table in rows.tables():
            write_deltalake(
                self.path,
                table,
                partition_by=["day"],
                mode="append",
                writer_properties=self.writing(),
                configuration=self.settings,
            )

    def erase(self, ids: Sequence[str]) -> None:
        """Delete by predicate; an older version still reads them until the vacuum, which counts for the tool."""
        listed = ", ".join(f"'{one}'" for one in ids)
        self.table().delete(f"subject IN ({listed})", writer_properties=self.writing())

    def expire(self, day: str) -> None:
        """Delete a day, which is a partition: only the log is written."""
        self.table().delete(f"day = '{day}'")

    def finish(self) -> None:
        """Vacuum at once, orphans included."""
        self.table().vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False, full=True)

    def count(self, ids: Sequence[str]) -> tuple[int, int]:
        """Count with SQL."""
        listed = ", ".join(f"'{one}'" for one in ids)
        query = QueryBuilder().register("samples", self.table())
        sql = f"SELECT count(*) FILTER (WHERE subject IN ({listed})), count(*) FROM samples"
        counts = pa.table(query.execute(sql).read_all())
        return int(counts[0][0].as_py()), int(counts[1][0].as_py())


class DeltaMerge(Delta):
    """Delete by a merge with a table of ids, vacuum, and keep no older log."""

    procedure = "merge(when_matched_delete); vacuum(0 h); checkpoint; cleanup_metadata"
    settings: ClassVar[dict[str, str | None] | None] = {"delta.logRetentionDuration": "interval 0 days"}

    def erase(self, ids: Sequence[str]) -> None:
        """Merge: the log then names the join and not the people."""
        merging = self.table().merge(
            pa.table({"subject": list(ids)}),
            predicate="samples.subject = erased.subject",
            source_alias="erased",
            target_alias="samples",
            writer_properties=self.writing(),
        )
        merging.when_matched_delete().execute()

    def finish(self) -> None:
        """Vacuum, then let a checkpoint stand for the log and drop the log."""
        super().finish()
        table = self.table()
        table.create_checkpoint()
        table.cleanup_metadata()
