"""One person's samples in the raw zone: found by locator, opened block by block.

Only blocks of this one person are ever opened. Finding them costs one AES block a partition and a comparison of a
16-byte column a file, however many other people the files hold.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from shelflife.control.tables import data_file, partition
from shelflife.errors import KeyDestroyed
from shelflife.lake.catalog import DataFile, Partition, live_files, partitions, path_of
from shelflife.lake.unseal import block_context, partition_keys_of, schema_of
from shelflife.rights.export.standing import changed
from shelflife.seal.blocks import open_blocks
from shelflife.seal.files import read_sealed
from shelflife.seal.locators import locators
from shelflife.signals.overlap import with_overlaps
from shelflife.signals.precedence import DEFAULT_PRECEDENCE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shelflife.estate import Estate
    from shelflife.rights.export.standing import Watch
    from shelflife.subjects.directory import Subject

ZONE = "raw"


@dataclass(frozen=True)
class Found:
    """The blocks of the person in one file: their positions in it."""

    home: Partition
    file: DataFile
    ordinals: tuple[int, ...]


class PersonBlocks:
    """Reads one person's blocks.

    Args:
        estate: the estate.
        person: the person.
        watch: the export's lease, asked before each partition.
    """

    def __init__(self, estate: Estate, person: Subject, watch: Watch) -> None:
        self._estate, self._person, self._watch = estate, person, watch

    def find(self, tables: Sequence[str]) -> dict[str, list[Found]]:
        """Return where the person has blocks, by table; periods in order. Tables without any are absent.

        Raises:
            SealBroken: a file is not a sealed file.
            CommitConflict: a partition was purged meanwhile.
        """
        self._watch.check()
        found: defaultdict[str, list[Found]] = defaultdict(list)
        with self._estate.database.read() as conn:
            homes = {home.partition_id: home for home in self._readable(conn, tables)}
            keys = dict(zip(homes, self._partition_keys(conn, list(homes.values())), strict=True))
            files = [file for table in tables for file in live_files(conn, ZONE, table)]
        own = {home: locators(key, [self._person.raw_pid])[0] for home, key in keys.items()}
        for file in files:
            ordinals = self._ordinals(file, own[file.partition_id]) if file.partition_id in own else ()
            if ordinals:
                found[file.table_name].append(Found(homes[file.partition_id], file, ordinals))
        return dict(found)

    def rows(self, found: Sequence[Found]) -> Iterator[pa.Table]:
        """Yield the person's rows, one partition at a time, ordered by start, with the flags of what counts elsewhere.

        Raises:
            SealBroken: a block was altered.
            CommitConflict: something of the person was erased, or a partition was purged, since the export began.
        """
        for _, group in groupby(found, key=lambda one: one.home.partition_id):
            self._watch.check()
            parts = self._open(list(group))
            rows = pa.concat_tables(parts).sort_by([("start_utc", "ascending"), ("signal", "ascending")])
            yield self._judged(rows)

    def _judged(self, rows: pa.Table) -> pa.Table:
        """Flag what derivation counts once only, so that the person is told the same."""
        owned = rows.append_column("pid", pa.repeat(pa.scalar(self._person.raw_pid), rows.num_rows))
        precedence = self._estate.settings.source_precedence or DEFAULT_PRECEDENCE
        return with_overlaps(owned, precedence).drop_columns("pid")

    def _readable(self, conn: sa.Connection, tables: Sequence[str]) -> list[Partition]:
        """Return the partitions of the streams that the person still has a key for: a forgotten one leaves no trace."""
        homes = partitions(conn, zone=ZONE, tables=tables)
        own = {stream: self._own_key(conn, stream) for stream in {home.stream or "" for home in homes}}
        return [home for home in homes if own[home.stream or ""] is not None]

    def _own_key(self, conn: sa.Connection, stream: str) -> bytes | None:
        pid = self._person.raw_pid
        return self._estate.keyrings[ZONE].keys(conn, [pid], stream).get(pid)

    def _ordinals(self, file: DataFile, locator: bytes) -> tuple[int, ...]:
        column = read_sealed(path_of(self._estate, file), columns=["locator"]).column("locator")
        return tuple(pc.indices_nonzero(pc.equal(column, pa.scalar(locator, column.type))).to_pylist())

    def _open(self, found: Sequence[Found]) -> list[pa.Table]:
        home = found[0].home
        with self._estate.database.read() as conn:
            [partition_key] = self._partition_keys(conn, [home])
            own = self._own_key(conn, home.stream or "")
            self._check_files(conn, [one.file.file_id for one in found])
        if own is None:
            raise changed()
        return [
            open_blocks(
                read_sealed(path_of(self._estate, one.file)).take(pa.array(one.ordinals)),
                one.ordinals,
                [own] * len(one.ordinals),
                partition_key=partition_key,
                context=block_context(home, one.file.file_id),
                schema=schema_of(home.table_name),
            )[0]
            for one in found
        ]

    def _partition_keys(self, conn: sa.Connection, homes: Sequence[Partition]) -> list[bytes]:
        try:
            return partition_keys_of(self._estate, conn, homes)
        except KeyDestroyed:
            raise changed() from None

    def _check_files(self, conn: sa.Connection, ids: Sequence[str]) -> None:
        """Refuse files that are no longer true: what replaced them may hold less."""
        query = (
            sa.select(sa.func.count())
            .select_from(data_file)
            .join(partition, partition.c.partition_id == data_file.c.partition_id)
            .where(data_file.c.file_id.in_(ids), data_file.c.state == "live", partition.c.state == "open")
        )
        if conn.execute(query).scalar_one() != len(ids):
            raise changed()
