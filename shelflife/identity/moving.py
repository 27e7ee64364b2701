"""Moving rows from one person to another: sealed anew under the other's keys, true in one commit.

Of a merge, the moved rows get files of their own, and the old blocks are noise once the ended subject's keys are
destroyed. Otherwise the former owner's keys stay, so that every file that holds a moved row is written anew as a whole and
the old one replaced; nobody else's rows change.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from shelflife.control.crashpoints import reached
from shelflife.control.tables import batch as batch_table
from shelflife.control.tables import data_file
from shelflife.errors import CommitConflict, KeyDestroyed
from shelflife.identity.change import Kind
from shelflife.identity.moves import RAW, concerns, moves
from shelflife.keys import leases
from shelflife.lake import record
from shelflife.lake.batches import open_batch
from shelflife.lake.catalog import (
    DataFile,
    Partition,
    check_partitions,
    files_of_partition,
    make_live,
    move_partitions,
    partitions,
    prepared_path,
    register_pending,
    replace,
)
from shelflife.lake.sorting import in_sealing_order
from shelflife.lake.unseal import block_context, partition_keys_of, read_partition, schema_of
from shelflife.lineage import record as lineage
from shelflife.seal.blocks import seal_blocks
from shelflife.seal.files import write_sealed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import ExitStack
    from datetime import datetime

    import sqlalchemy as sa

    from shelflife.control.database import Transaction
    from shelflife.estate import Estate
    from shelflife.identity.change import Terms
    from shelflife.identity.moves import Move
    from shelflife.lake.batches import Batch


@dataclass(frozen=True)
class Written:
    """One file that waits for the commit; `file` is none where every moved row was a duplicate and nothing else is left."""

    home: Partition
    old: DataFile
    file: DataFile | None
    beside: dict[str, int]
    moved: int
    duplicates: int
    people: int = 0
    samples: int = 0
    size: int = 0
    sha256: bytes = b""


@dataclass
class Moved:
    """Everything that a change has sealed, before it is true.

    Attributes:
        batch: the batch that holds the pending files; none when no row moves.
        seen: the version of every raw partition when its rows were looked for.
    """

    written: list[Written] = field(default_factory=list)
    batch: Batch | None = None
    seen: dict[str, int] = field(default_factory=dict)

    @property
    def streams(self) -> set[str]:
        """The streams that rows move of."""
        return {one.home.stream or "" for one in self.written}

    @property
    def rows(self) -> int:
        """Rows that the receiving person gets."""
        return sum(one.moved for one in self.written)

    @property
    def duplicates(self) -> int:
        """Rows that the receiving person had already."""
        return sum(one.duplicates for one in self.written)


class Mover:
    """Seals the rows of one change into pending files, under a lease on keys.

    Args:
        estate: the estate.
        terms: what the change is about.
        lease: leave to hold keys; renewed with each file.
        clock: gives the time.
    """

    def __init__(
        self, estate: Estate, terms: Terms, lease: leases.Lease, clock: Callable[[], datetime]
    ) -> None:
        self._estate, self._terms, self._clock = estate, terms, clock
        self.lease = lease

    def seal(self, stack: ExitStack) -> Moved:
        """Seal every move into a pending file; the batch stays open until `stack` is left.

        Raises:
            KeyDestroyed: a person or partition lost its keys meanwhile.
            LeaseExpired: an erasure happened meanwhile.
        """
        made = Moved()
        with self._estate.database.read() as conn:
            made.seen = {home.partition_id: home.version for home in partitions(conn, zone=RAW)}
            for move in moves(self._estate, conn, self._terms):
                made.batch = made.batch or stack.enter_context(open_batch(self._estate, self._clock()))
                made.written.append(self._write(conn, move, made.batch))
                reached("identity.file_written")
                with self._estate.database.commit() as tx:
                    seconds = self._estate.settings.lease_seconds
                    self.lease = leases.renew(tx, self.lease, self._clock(), seconds)
        return made

    def _write(self, conn: sa.Connection, move: Move, batch: Batch) -> Written:
        rows = self._rows(conn, move)
        if rows.is_empty():
            return Written(move.home, move.file, None, move.beside, move.fresh.height, move.duplicates)
        place = {"table_name": pl.lit(move.home.table_name), "period": pl.lit(move.home.period)}
        people = rows["pid"].unique().sort().to_list()
        numbers = pl.DataFrame(
            {"pid": people, "who": range(len(people))}, schema={"pid": pl.Binary, "who": pl.Int32}
        )
        ordered, [group] = in_sealing_order(rows.join(numbers, on="pid").with_columns(**place))
        owners = [people[who] for who in group.who]
        estate, home = self._estate, move.home
        with estate.database.commit() as tx:
            now = self._clock()
            file = register_pending(
                tx, home=home, batch_id=batch.batch_id, bucket=0, key_number=None, now=now
            )
        [partition_key] = partition_keys_of(estate, conn, [home])
        schema = schema_of(home.table_name)
        sealed = seal_blocks(
            ordered.select(schema.names).to_arrow().cast(schema),
            group.bounds,
            self._keys(owners, home.stream or ""),
            owners,
            partition_key=partition_key,
            context=block_context(home, file.file_id),
        )
        written = write_sealed(prepared_path(estate, file), sealed)
        return Written(
            move.home,
            move.file,
            file,
            move.beside,
            move.fresh.height,
            move.duplicates,
            people=len(owners),
            samples=rows.height,
            size=written.bytes,
            sha256=written.sha256,
        )

    def _rows(self, conn: sa.Connection, move: Move) -> pl.DataFrame:
        """Return everything that the new file holds, with whose each row is from now on."""
        columns = [*schema_of(move.home.table_name).names, "pid"]
        target, source = self._terms.target.raw_pid, self._terms.source.raw_pid
        moved = move.fresh.with_columns(pid=pl.lit(target, pl.Binary)).select(columns)
        if self._terms.kind is Kind.MERGE:
            return moved
        everybody = read_partition(self._estate, conn, move.home, [move.file])
        others = pl.DataFrame(pl.from_arrow(everybody)).filter(pl.col("pid") != pl.lit(source, pl.Binary))
        stays = move.staying.with_columns(pid=pl.lit(source, pl.Binary)).select(columns)
        return pl.concat([others.select(columns), stays, moved])

    def _keys(self, owners: Sequence[bytes], stream: str) -> list[bytes]:
        """Return the people's keys as they are now: a newcomer's are younger than the snapshot that rows are read in."""
        with self._estate.database.read() as conn:
            found = self._estate.keyrings[RAW].keys(conn, owners, stream)
        keys = [key for pid in owners if (key := found.get(pid)) is not None]
        if len(keys) != len(owners):
            raise KeyDestroyed("Somebody's keys were destroyed meanwhile.", remedy="Run it again.")
        return keys


def make_true(estate: Estate, tx: Transaction, terms: Terms, made: Moved, now: datetime) -> list[str]:
    """Make moved rows true, in the transaction that also changes whose the names are.

    Returns:
        Ids of the files that were replaced and are to be overwritten.

    Raises:
        CommitConflict: a partition moved since its rows were read, or rows of one of the people landed elsewhere since.
    """
    _check_nothing_landed(estate, tx.conn, terms, made)
    homes = {one.home.partition_id: one.home.version for one in made.written}
    beside = {home: version for one in made.written for home, version in one.beside.items()}
    move_partitions(tx, homes)
    check_partitions(tx, {home: version for home, version in beside.items() if home not in homes})
    for one in made.written:
        if one.file is not None:
            make_live(
                tx, one.file.file_id, rows=one.people, samples=one.samples, size=one.size, sha256=one.sha256
            )
            # The rows keep the batch that they were landed with, and so its verdict.
            here = data_file.c.file_id == one.file.file_id
            tx.conn.execute(data_file.update().where(here).values(batch_id=one.old.batch_id))
    old = [] if terms.kind is Kind.MERGE else [one.old for one in made.written]
    replace(estate, tx, old, now)
    return [file.file_id for file in old]


def _check_nothing_landed(estate: Estate, conn: sa.Connection, terms: Terms, made: Moved) -> None:
    """Refuse to go on where rows of one of the people may have landed in a partition that holds no moved row.

    Left alone, they would stay with the former owner, or be lost with the keys of a subject that ends.
    """
    people = {terms.source.raw_pid, terms.target.raw_pid}
    known = {one.home.partition_id for one in made.written}
    for home in partitions(conn, zone=RAW):
        if home.partition_id in known or made.seen.get(home.partition_id) == home.version:
            continue
        files = files_of_partition(conn, home.partition_id)
        if not concerns(terms, home) or not files:
            continue
        if len(read_partition(estate, conn, home, files, people=people, columns=["start_utc"])):
            raise CommitConflict("Rows of one of the people landed meanwhile.", remedy="Run it again.")


def record_moved(
    estate: Estate, tx: Transaction, terms: Terms, made: Moved, change_id: str, now: datetime
) -> None:
    """Record a change in the lineage and the ledger, in counts, and close its batch."""
    facts: dict[str, lineage.Fact] = {"rows": made.rows, "duplicates": made.duplicates, "change": change_id}
    started = made.batch.started_at if made.batch else now
    run = lineage.start_run(tx, f"identity.{terms.kind}", "identity", started, facts=facts)
    for table_name in sorted({one.home.table_name for one in made.written}):
        mine = [one for one in made.written if one.home.table_name == table_name]
        lineage.add_inputs(tx, run, f"{RAW}/{table_name}", [one.home.partition_id for one in mine])
        rows: dict[str, int] = {}
        for one in mine:
            rows[one.home.partition_id] = rows.get(one.home.partition_id, 0) + one.moved
        lineage.add_outputs(tx, run, f"{RAW}/{table_name}", rows, size=sum(one.size for one in mine))
    [position] = estate.ledger.append(
        tx,
        [
            {
                "type": "identity_change",
                "change": change_id,
                "kind": str(terms.kind),
                "partitions": len({one.home.partition_id for one in made.written}),
                "rows": made.rows,
                "duplicates": made.duplicates,
            }
        ],
        now,
    )
    lineage.finish_run(tx, run, now, facts={"ledger_position": position})
    if made.batch is not None:
        # Its files went to the batches that their rows were landed with; nothing is left to be judged.
        here = batch_table.c.batch_id == made.batch.batch_id
        tx.conn.execute(batch_table.update().where(here).values(verdict="passed"))
        record.close_batch(tx, made.batch, now)
