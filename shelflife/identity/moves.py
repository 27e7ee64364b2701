"""What an identity change does to each sealed file: which rows move, which of them the other person has already.

The preview counts these moves and the apply seals them: both walk the same generator.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from shelflife.lake.catalog import files_of_partition, partitions
from shelflife.lake.sorting import BROKEN_COLUMNS, people_around, without_duplicates
from shelflife.lake.unseal import HELD, read_partition
from shelflife.signals.sample import IDENTITY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import sqlalchemy as sa

    from shelflife.estate import Estate
    from shelflife.identity.change import Terms
    from shelflife.lake.catalog import DataFile, Partition

RAW = "raw"


@dataclass(frozen=True)
class Move:
    """The rows of one file that a change moves.

    Attributes:
        home: the partition, as it was seen.
        file: the file that they lie in.
        beside: versions of the partitions that were searched for what the other person has already.
        selected: how many rows are selected.
        fresh: those of them that the other person has not.
        staying: rows of the same person in the same file that are not selected.
    """

    home: Partition
    file: DataFile
    beside: dict[str, int]
    selected: int
    fresh: pl.DataFrame = field(repr=False)
    staying: pl.DataFrame = field(repr=False)

    @property
    def duplicates(self) -> int:
        """Selected rows that the other person has already."""
        return self.selected - self.fresh.height


def moves(estate: Estate, conn: sa.Connection, terms: Terms) -> Iterator[Move]:
    """Yield what a change does to each file that holds a selected row, in the order of the catalog.

    Args:
        estate: the estate.
        conn: a read snapshot.
        terms: what the change is about.

    Raises:
        SealBroken: a file was altered.
    """
    for home in partitions(conn, zone=RAW):
        if concerns(terms, home):
            yield from _moves_in(estate, conn, terms, home)


def concerns(terms: Terms, home: Partition) -> bool:
    """Tell whether a raw partition can hold rows that a change moves."""
    return not home.table_name.startswith(HELD) and terms.selection.covers(home.stream)


def _moves_in(estate: Estate, conn: sa.Connection, terms: Terms, home: Partition) -> Iterator[Move]:
    known: pl.DataFrame | None = None
    beside: dict[str, int] = {}
    for file in files_of_partition(conn, home.partition_id):
        rows = _frame(estate, conn, home, [file], terms.source.raw_pid)
        chosen = rows.filter(terms.selection.condition())
        if chosen.is_empty():
            continue
        if not beside:
            known, beside = _of_target(estate, conn, terms, home)
        staying = rows.filter(~terms.selection.condition())
        fresh = without_duplicates(chosen, known)
        yield Move(home, file, beside, chosen.height, fresh, staying)


def _of_target(
    estate: Estate, conn: sa.Connection, terms: Terms, home: Partition
) -> tuple[pl.DataFrame | None, dict[str, int]]:
    """Return what the other person has in and right beside a partition, and the versions of what was looked at.

    The same moment received with another offset from UTC can have another local date (see the loader).
    """
    place = pl.DataFrame({"table_name": [home.table_name], "period": [home.period], "who": [0]})
    periods = sorted({period for _, period in people_around(place)})
    around = partitions(conn, zone=RAW, tables=[home.table_name], periods=periods)
    found = [
        _frame(estate, conn, one, files, terms.target.raw_pid, identity=True)
        for one in around
        if (files := files_of_partition(conn, one.partition_id))
    ]
    return pl.concat(found) if found else None, {one.partition_id: one.version for one in around}


def _frame(
    estate: Estate,
    conn: sa.Connection,
    home: Partition,
    files: Sequence[DataFile],
    pid: bytes,
    *,
    identity: bool = False,
) -> pl.DataFrame:
    """Open one person's rows, with `who` and the columns that only quarantined rows have."""
    sound = home.table_name == home.stream
    columns = [*IDENTITY, *(() if sound else BROKEN_COLUMNS)] if identity else None
    rows = pl.DataFrame(
        pl.from_arrow(read_partition(estate, conn, home, files, people={pid}, columns=columns))
    )
    absent = [pl.lit(None, pl.String).alias(name) for name in BROKEN_COLUMNS if name not in rows.columns]
    return rows.drop("pid").with_columns(pl.lit(0, pl.Int32).alias("who"), *absent)
