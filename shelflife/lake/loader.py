"""The loader of one batch: holds parsed rows until there are enough, then seals them into pending files.

Nothing that it writes is true before the batch is committed. It never writes plaintext: rows go from memory to
sealed blocks, and a group that would not fit is sealed in parts.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pyarrow as pa

from shelflife.control.crashpoints import reached
from shelflife.lake import sorting
from shelflife.lake.catalog import (
    DataFile,
    Partition,
    ensure_partition,
    files_of_partition,
    prepared_path,
    register_pending,
)
from shelflife.lake.unseal import block_context, partition_key, read_partition, schema_of
from shelflife.seal.blocks import seal_blocks
from shelflife.seal.files import write_sealed
from shelflife.subjects.directory import Alias, Subject, ensure, tombstoned

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import sqlalchemy as sa

    from shelflife.estate import Estate
    from shelflife.lake.accounting import FileOutcome
    from shelflife.lake.batches import Batch

RAW = "raw"
DEFAULT_JURISDICTION = "default"


@dataclass(frozen=True)
class Sealed:
    """One file that was sealed and waits for the commit."""

    file: DataFile
    home: Partition
    rows: int
    samples: int
    size: int
    sha256: bytes


@dataclass
class Loader:
    """What one batch has read and sealed so far.

    Attributes:
        accounts: the account of each file of the batch, by index.
        outcomes: the accounting of each file of the batch, by index.
        seen: the version of each partition that duplicates were looked for in.
        sealed: the pending files.
        subjects: everyone who had a row in the batch.
    """

    estate: Estate
    batch: Batch
    accounts: Sequence[str | None]
    outcomes: Sequence[FileOutcome]
    now: datetime
    seen: dict[str, int] = field(default_factory=dict)
    sealed: list[Sealed] = field(default_factory=list)
    subjects: dict[Alias, Subject] = field(default_factory=dict, repr=False)
    quarantined: Counter[tuple[int, str]] = field(default_factory=Counter)
    touched: set[tuple[str, str]] = field(default_factory=set)
    _waiting: list[pa.Table] = field(default_factory=list, repr=False)
    _rows: int = 0

    @property
    def rows(self) -> int:
        """Rows that wait in memory."""
        return self._rows

    def add(self, batches: Sequence[pa.RecordBatch], index: int) -> None:
        """Take parsed rows of file `index` (schema PARSED_SCHEMA)."""
        for part in batches:
            marked = pa.Table.from_batches([part])
            marked = marked.append_column("file", pa.array(np.full(len(part), index, dtype=np.int32)))
            self._waiting.append(marked)
            self._rows += len(part)
            self.outcomes[index].samples_in += len(part)

    def flush(self) -> None:
        """Seal everything that waits into pending files, and account for it."""
        if not self._waiting:
            return
        table, self._waiting, self._rows = pa.concat_tables(self._waiting), [], 0
        frame, names = sorting.with_people(table, self.accounts)
        with self.estate.database.commit() as tx:
            erased = tombstoned(self.estate, tx.conn, names)
            people = ensure(self.estate, tx, [name for name in names if name not in erased], self.now)
        self.subjects |= people
        gone = {index for index, name in enumerate(names) if name in erased}
        frame = sorting.with_fate(frame, gone, arrived=self.now.strftime("%Y-%m"))
        self._count_refused(frame)
        owners = [people.get(name) for name in names]
        for group in sorting.grouped(frame):
            self._seal_group(group, owners)

    def _count_refused(self, frame: pl.DataFrame) -> None:
        refused = frame.filter(pl.col("refusal").is_not_null()).group_by("file", "refusal").len()
        for index, reason, rows in refused.iter_rows():
            self.outcomes[index].refused += rows
            self.outcomes[index].reasons[reason] += rows

    def _seal_group(self, group: sorting.Group, owners: Sequence[Subject | None]) -> None:
        home = self._home(group)
        if home.state != "open":
            self._refuse(group.rows, "expired")
            return
        with self.estate.database.read() as conn:
            rows = self._unforgotten(conn, home, group.rows, owners)
            fresh = sorting.without_duplicates(rows, self._existing(conn, home, rows, owners))
        self._count_duplicates(rows, fresh)
        if fresh.is_empty():
            return
        self._count_kept(group, fresh)
        self._write(home, fresh, owners)

    def _home(self, group: sorting.Group) -> Partition:
        quarantined = group.table_name != group.stream
        retention_class = f"{'quarantine' if quarantined else group.stream}/{DEFAULT_JURISDICTION}"
        with self.estate.database.commit() as tx:
            home = ensure_partition(
                self.estate,
                tx,
                zone=RAW,
                table_name=group.table_name,
                retention_class=retention_class,
                period=group.period,
                stream=group.stream,
                keyed=True,
            )
        self.seen.setdefault(home.partition_id, home.version)
        return home

    def _refuse(self, rows: pl.DataFrame, reason: str) -> None:
        for index, count in enumerate(sorting.counts_by_file(rows, len(self.outcomes))):
            if count:
                self.outcomes[index].refused += count
                self.outcomes[index].reasons[reason] += count

    def _unforgotten(
        self, conn: sa.Connection, home: Partition, rows: pl.DataFrame, owners: Sequence[Subject | None]
    ) -> pl.DataFrame:
        """Refuse rows of people whose key for this stream was destroyed: a forgotten stream stays forgotten."""
        present = {who: owner.raw_pid for who in rows["who"].unique() if (owner := owners[who])}
        keys = self.estate.keyrings[RAW].keys(conn, sorted(present.values()), home.stream or "")
        forgotten = [who for who, pid in present.items() if keys.get(pid) is None]
        if not forgotten:
            return rows
        self._refuse(rows.filter(pl.col("who").is_in(forgotten)), "erased")
        return rows.filter(~pl.col("who").is_in(forgotten))

    def _existing(
        self, conn: sa.Connection, home: Partition, rows: pl.DataFrame, owners: Sequence[Subject | None]
    ) -> pl.DataFrame | None:
        files = files_of_partition(conn, home.partition_id, batch_id=self.batch.batch_id)
        if not files or rows.is_empty():
            return None
        index_of = {owner.raw_pid: who for who in rows["who"].unique() if (owner := owners[who])}
        landed = read_partition(
            self.estate, conn, home, files, people=set(index_of), columns=sorting.IDENTITY
        )
        frame = pl.DataFrame(pl.from_arrow(landed))
        index = pl.DataFrame(
            {"pid": list(index_of), "who": list(index_of.values())}, schema={"pid": pl.Binary, "who": pl.Int32}
        )
        return frame.join(index, on="pid", how="inner")

    def _count_duplicates(self, rows: pl.DataFrame, fresh: pl.DataFrame) -> None:
        files = len(self.outcomes)
        before, after = sorting.counts_by_file(rows, files), sorting.counts_by_file(fresh, files)
        for outcome, had, kept in zip(self.outcomes, before, after, strict=True):
            outcome.duplicates += had - kept

    def _count_kept(self, group: sorting.Group, fresh: pl.DataFrame) -> None:
        if group.table_name == group.stream:
            self.touched.add((group.stream, group.period))
            for index, count in enumerate(sorting.counts_by_file(fresh, len(self.outcomes))):
                self.outcomes[index].landed += count
            return
        for index, reason, count in fresh.group_by("file", "problem").len().iter_rows():
            self.outcomes[index].quarantined += count
            self.outcomes[index].reasons[reason] += count
            self.quarantined[index, reason] += count

    def _write(self, home: Partition, fresh: pl.DataFrame, owners: Sequence[Subject | None]) -> None:
        with self.estate.database.commit() as tx:
            file = register_pending(
                tx, home=home, batch_id=self.batch.batch_id, bucket=0, key_number=None, now=self.now
            )
        who = fresh["who"].to_numpy()
        bounds = np.flatnonzero(np.r_[True, who[1:] != who[:-1], True]).astype(np.int64)
        people = [owner.raw_pid for start in bounds[:-1] if (owner := owners[int(who[start])])]
        with self.estate.database.read() as conn:
            key = partition_key(self.estate, conn, home)
            keys = self.estate.keyrings[RAW].keys(conn, people, home.stream or "")
        schema = schema_of(home.table_name)
        sealed = seal_blocks(
            fresh.select(schema.names).to_arrow().cast(schema),
            bounds,
            [_present(keys.get(pid)) for pid in people],
            people,
            partition_key=key,
            context=block_context(home, file.file_id),
        )
        written = write_sealed(prepared_path(self.estate, file), sealed)
        reached("land.file_written")
        self.sealed.append(
            Sealed(file, home, len(people), len(fresh), written.bytes, written.sha256)
        )


def _present(key: bytes | None) -> bytes:
    assert key is not None  # noqa: S101  `_unforgotten` took out everyone without a key
    return key
