"""Sealing rows again for a hold: what it covers and does not hold yet, under its own pseudonyms and keys."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from shelflife.control.crashpoints import reached
from shelflife.errors import KeyDestroyed
from shelflife.lake.catalog import (
    DataFile,
    Partition,
    PartitionName,
    ensure_partitions,
    files_of_partition,
    partitions_by_id,
    prepared_path,
    register_pending,
)
from shelflife.lake.sorting import BROKEN_COLUMNS, in_sealing_order, without_duplicates
from shelflife.lake.unseal import HELD, block_context, partition_keys_of, read_partition, schema_of
from shelflife.retention.held_rows import RAW, covered_rows, held_partition
from shelflife.retention.holds import add_people, people_of
from shelflife.seal.blocks import seal_blocks
from shelflife.seal.files import write_sealed

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    import pyarrow as pa
    import sqlalchemy as sa

    from shelflife.estate import Estate
    from shelflife.lake.batches import Batch
    from shelflife.retention.holds import Hold
    from shelflife.subjects.directory import Subject


@dataclass(frozen=True)
class Task:
    """One hold and one partition that it covers a part of; the people by raw-zone pseudonym."""

    hold: Hold
    partition_id: str
    people: Mapping[bytes, Subject] = field(repr=False)


@dataclass(frozen=True)
class Fresh:
    """Rows of a task that are not held yet.

    Attributes:
        source: the partition that they lie in.
        held_version: the version of the held partition that they were compared with.
        rows: the rows; `who` is an index into `people`.
    """

    source: Partition
    held_version: int
    rows: pl.DataFrame = field(repr=False)
    people: Sequence[Subject] = field(repr=False)


@dataclass(frozen=True)
class Resealed:
    """One file of held rows that waits for the commit."""

    source: Partition
    home: Partition
    held_version: int
    file: DataFile
    people: frozenset[bytes] = field(repr=False)
    samples: int
    size: int
    sha256: bytes


def fresh_rows(estate: Estate, task: Task, batch_id: str | None) -> tuple[int, Fresh | None]:
    """Return how many rows a task's hold covers, and those that it does not hold yet; None when there are none.

    Args:
        estate: the estate.
        task: the hold, the partition and the people.
        batch_id: the batch whose pending files count as held, once there is one.

    Raises:
        KeyDestroyed: the partition expired meanwhile.
    """
    with estate.database.read() as conn:
        source = partitions_by_id(conn, [task.partition_id])[task.partition_id]
        rows = covered_rows(estate, conn, source, task.hold, task.people.keys())
        if not rows.num_rows:
            return 0, None
        people = [task.people[pid] for pid in sorted(rows.column("pid").unique().to_pylist())]
        held = held_partition(conn, task.hold, source)
        known = _known(estate, conn, task.hold, held, people, batch_id) if held is not None else None
    fresh = without_duplicates(_indexed(rows, {one.raw_pid: who for who, one in enumerate(people)}), known)
    if fresh.is_empty():
        return rows.num_rows, None
    return rows.num_rows, Fresh(source, held.version if held is not None else 0, fresh, people)


def reseal(estate: Estate, task: Task, fresh: Fresh, batch: Batch, now: dt.datetime) -> Resealed:
    """Seal rows for their hold and write them into a pending file.

    Raises:
        KeyDestroyed: the hold was released meanwhile.
    """
    table_name = f"{HELD}{fresh.source.table_name}"
    name = PartitionName(table_name, fresh.source.period, task.hold.retention_class, fresh.source.stream)
    with estate.database.commit() as tx:
        add_people(estate, tx, task.hold, [person.identity_pid for person in fresh.people])
        [home] = ensure_partitions(estate, tx, RAW, [name], keyed=True)
        file = register_pending(tx, home=home, batch_id=batch.batch_id, bucket=0, key_number=None, now=now)
    place = {"table_name": pl.lit(table_name), "period": pl.lit(home.period)}
    rows, [group] = in_sealing_order(fresh.rows.with_columns(**place))
    people = [fresh.people[who] for who in group.who]
    with estate.database.read() as conn:
        hold_pids = people_of(conn, task.hold.hold_id)
        pids = [hold_pids[person.identity_pid] for person in people]
        found = estate.keyrings[RAW].keys(conn, pids, home.stream or "")
        keys = [key for pid in pids if (key := found.get(pid)) is not None]
        [partition_key] = partition_keys_of(estate, conn, [home])
    if len(keys) != len(pids):
        raise KeyDestroyed("A hold was released meanwhile.", remedy="Run it again.")
    schema = schema_of(table_name)
    sealed = seal_blocks(
        rows.select(schema.names).to_arrow().cast(schema),
        group.bounds,
        keys,
        pids,
        partition_key=partition_key,
        context=block_context(home, file.file_id),
    )
    written = write_sealed(prepared_path(estate, file), sealed)
    reached("hold.file_written")
    return Resealed(
        source=fresh.source,
        home=home,
        held_version=fresh.held_version,
        file=file,
        people=frozenset(person.identity_pid for person in people),
        samples=rows.height,
        size=written.bytes,
        sha256=written.sha256,
    )


def _known(
    estate: Estate,
    conn: sa.Connection,
    one: Hold,
    held: Partition,
    people: Sequence[Subject],
    batch_id: str | None,
) -> pl.DataFrame:
    """Return what a held partition holds of some people."""
    hold_pids = people_of(conn, one.hold_id)
    index = {
        hold_pids[person.identity_pid]: who
        for who, person in enumerate(people)
        if person.identity_pid in hold_pids
    }
    files = files_of_partition(conn, held.partition_id, batch_id=batch_id)
    return _indexed(read_partition(estate, conn, held, files, people=set(index)), index)


def _indexed(rows: pa.Table, index: Mapping[bytes, int]) -> pl.DataFrame:
    """Put an index in the place of pseudonyms, and add the columns that only quarantined rows have."""
    people = pl.DataFrame(
        {"pid": list(index), "who": list(index.values())}, schema={"pid": pl.Binary, "who": pl.Int32}
    )
    frame = pl.DataFrame(pl.from_arrow(rows)).join(people, on="pid", how="inner", maintain_order="left")
    absent = [pl.lit(None, pl.String).alias(name) for name in BROKEN_COLUMNS if name not in frame.columns]
    return frame.with_columns(*absent).drop("pid")
