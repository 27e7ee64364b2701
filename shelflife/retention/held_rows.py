"""Rows that a hold covers: in the partitions where they were landed, and where the hold keeps them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from shelflife.lake.catalog import Partition, files_of_partition, partitions
from shelflife.lake.leasing import held_lease
from shelflife.lake.unseal import HELD, read_partition
from shelflife.retention.held_people import HeldPerson, open_people
from shelflife.retention.holds import active_hold, people_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    import sqlalchemy as sa

    from shelflife.estate import Estate
    from shelflife.retention.holds import Hold

RAW = "raw"
_DAY = "local_date"


@dataclass(frozen=True)
class HeldRows:
    """Everything that a hold keeps, in memory, for counsel.

    Attributes:
        people: who the people are.
        tables: by the table that rows were landed in, those rows with `pid` (16 bytes, the hold's pseudonym).
    """

    people: list[HeldPerson] = field(repr=False)
    tables: dict[str, pa.Table] = field(repr=False)


def covered_rows(
    estate: Estate,
    conn: sa.Connection,
    home: Partition,
    one: Hold,
    people: Collection[bytes] | None,
    *,
    columns: Sequence[str] | None = None,
) -> pa.Table:
    """Open the rows of a raw partition that a hold covers, to the row.

    Args:
        estate: the estate.
        conn: a read snapshot.
        home: the partition; its streams are the caller's business.
        one: the hold. Rows of its days count, and rows of no readable day.
        people: raw-zone pseudonyms of the people; everyone when absent.
        columns: columns to decode; all when absent.

    Returns:
        The asked columns plus `local_date` and `pid` (16 bytes, raw-zone pseudonym).

    Raises:
        SealBroken: a file was altered.
        KeyDestroyed: the partition's key is gone.
    """
    wanted = None if columns is None else list(dict.fromkeys([*columns, _DAY]))
    files = files_of_partition(conn, home.partition_id)
    rows = read_partition(estate, conn, home, files, people=people, columns=wanted)
    day = rows.column(_DAY)
    first, last = one.first_day or dt.date.min, one.last_day or dt.date.max
    inside = pc.and_(
        pc.greater_equal(day, pa.scalar(first, pa.date32())), pc.less_equal(day, pa.scalar(last, pa.date32()))
    )
    return rows.filter(pc.or_(pc.is_null(day), pc.fill_null(inside, fill_value=False)))


def held_partition(conn: sa.Connection, one: Hold, home: Partition) -> Partition | None:
    """Return the partition that a hold keeps rows of a raw partition in, if it exists."""
    found = partitions(conn, zone=RAW, tables=[f"{HELD}{home.table_name}"], periods=[home.period])
    return next((held for held in found if held.retention_class == one.retention_class), None)


def held_partitions(conn: sa.Connection, one: Hold) -> list[Partition]:
    """Return every partition that a hold keeps rows in, by table and period."""
    return [home for home in partitions(conn, zone=RAW) if home.retention_class == one.retention_class]


def read_held(estate: Estate, hold_id: str, *, clock: Callable[[], dt.datetime]) -> HeldRows:
    """Open everything that a hold keeps, for counsel. That it was read is recorded in the ledger.

    Raises:
        ConfigurationError: there is no active hold of this id.
        SealBroken: a file was altered.
    """
    with held_lease(estate, "hold", clock) as lease:
        with estate.database.read() as conn:
            one = active_hold(conn, hold_id)
            pids = set(people_of(conn, hold_id).values())
            parts: dict[str, list[pa.Table]] = {}
            for home in held_partitions(conn, one):
                files = files_of_partition(conn, home.partition_id)
                rows = read_partition(estate, conn, home, files, people=pids)
                parts.setdefault(home.table_name.removeprefix(HELD), []).append(rows)
            people = open_people(estate, conn, hold_id, one.key_number)
        tables = {name: pa.concat_tables(some) for name, some in parts.items()}
        now = clock()
        with estate.database.commit() as tx:
            lease.check(tx.conn, now)
            rows_read = sum(table.num_rows for table in tables.values())
            estate.ledger.append(tx, [{"type": "hold_read", "hold": hold_id, "rows": rows_read}], now)
    return HeldRows(people, tables)
