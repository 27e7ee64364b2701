"""An Iceberg table through pyiceberg with its SQL catalog in SQLite."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.expressions import EqualTo, In
from pyiceberg.transforms import IdentityTransform

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pyiceberg.table import Table

    from benchmarks.erase_peers.peer import Rows

NAME = "health.samples"


class Iceberg:
    """Delete by predicate, then expire every snapshot but the newest."""

    procedure = "delete(filter); expire_snapshots"
    purging = "delete(partition); expire_snapshots"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def catalog(self) -> SqlCatalog:
        """Open the catalog."""
        return SqlCatalog(
            "samples", uri=f"sqlite:///{self.folder / 'catalog.db'}", warehouse=f"file://{self.folder}"
        )

    def table(self) -> Table:
        """Open the newest snapshot."""
        return self.catalog().load_table(NAME)

    def load(self, rows: Rows) -> None:
        """Append day by day, partitioned by day; keep one older metadata file, which is the fewest."""
        catalog, table = self.catalog(), None
        catalog.create_namespace("health")
        for _, day_rows in rows.tables():
            if table is None:
                properties = {
                    "write.metadata.delete-after-commit.enabled": "true",
                    "write.metadata.previous-versions-max": "1",
                }
                table = catalog.create_table(NAME, day_rows.schema, properties=properties)
                with table.update_spec() as partitioning:
                    partitioning.add_field("day", IdentityTransform(), "day")
            table.append(day_rows)

    def erase(self, ids: Sequence[str]) -> None:
        """Delete by predicate; older snapshots still read them until they expire, which counts for the tool."""
        self.table().delete(In("subject", set(ids)))

    def expire(self, day: str) -> None:
        """Delete a day, which is a partition: only metadata is written."""
        self.table().delete(EqualTo("day", day))

    def finish(self) -> None:
        """Expire all snapshots that may be expired; the tool has no procedure for the files."""
        now = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=1)
        self.table().maintenance.expire_snapshots().older_than(now).commit()

    def count(self, ids: Sequence[str]) -> tuple[int, int]:
        """Count through scans."""
        table = self.table()
        return table.scan(row_filter=In("subject", set(ids))).count(), table.scan().count()
