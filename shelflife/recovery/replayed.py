"""Is everything that the journal says was destroyed gone from this control database?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from shelflife.control.bulk import chunks
from shelflife.control.subject_tables import alias, subject, tombstone, upload_device
from shelflife.control.tables import keyring, partition, request
from shelflife.journal import journal
from shelflife.rights.request_states import State
from shelflife.seal.values import open_value
from shelflife.subjects.directory import PROFILE_STREAM, Alias
from shelflife.subjects.tombstones import tombstoned

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from shelflife.estate import Estate
    from shelflife.journal.journal import Record

_VALUES = 400


def unreplayed(estate: Estate, conn: sa.Connection) -> list[str]:
    """Return what was destroyed once and is still there, in words and counts; empty when there is nothing.

    Raises:
        LedgerBroken: the journal was cut, altered or is missing.
    """
    records = journal.read_all(estate, conn)
    committed = journal.mark(conn)
    behind = sum(record.sequence > committed for record in records)
    found = [f"{behind} destructions of the journal are not replayed"] if behind else []
    found += _keys(estate, conn, records)
    gone = [record.destruction for record in records]
    checks = (
        ("subjects", subject.c.pid, {pid for one in gone for pid in one.subjects}),
        ("aliases of the erased", alias.c.pid, {pid for one in gone for pid in one.subjects}),
        ("devices of the erased", upload_device.c.pid, {pid for one in gone for pid in one.subjects}),
        (
            "destroyed partitions",
            partition.c.partition_id,
            {home.partition_id for one in gone for home in one.partitions},
        ),
    )
    for what, column, values in checks:
        more = (partition.c.state == "open",) if column.table is partition else ()
        if count := _count(conn, column, values, *more):
            found.append(f"{count} {what}")
    rings = {(zone, pid) for one in gone for zone, pids in one.keyrings.items() for pid in pids}
    for zone in sorted({zone for zone, _ in rings}):
        if count := _count(conn, keyring.c.pid, {p for z, p in rings if z == zone}, keyring.c.zone == zone):
            found.append(f"{count} keyrings of the zone {zone}")
    stones = {stone.alias_mac for one in gone for stone in one.tombstones}
    if missing := len(stones) - _count(conn, tombstone.c.alias_mac, stones):
        found.append(f"{missing} missing tombstones")
    return found


def alive_though_buried(estate: Estate, conn: sa.Connection) -> int:
    """Count the aliases that are known although a tombstone refuses them; opens every alias.

    While an erasure is between its fence and the destruction of the keys there are such aliases, and none is counted.
    """
    halfway = sa.select(sa.literal(1)).where(request.c.state.in_((State.FENCED, State.PRESERVED)))
    if conn.execute(halfway).first() is not None:
        return 0
    rows = conn.execute(sa.select(alias)).all()
    keys = estate.keyrings["identity"].keys(conn, sorted({bytes(row.pid) for row in rows}), PROFILE_STREAM)
    names = []
    for row in rows:
        if (key := keys.get(bytes(row.pid))) is not None:
            value = open_value(key, bytes(row.sealed), ("alias", bytes(row.alias_mac))).decode()
            names.append(Alias(row.kind, value))
    return len(tombstoned(estate, conn, names))


def _keys(estate: Estate, conn: sa.Connection, records: Collection[Record]) -> list[str]:
    """Look every destroyed key up."""
    found = []
    for zone, tree in estate.trees.items():
        numbers = sorted({n for record in records for n in record.destruction.keys.get(zone, ())})
        if count := sum(key is not None for key in tree.lookup(conn, numbers)):
            found.append(f"{count} destroyed keys of the zone {zone}")
    return found


def _count(
    conn: sa.Connection, column: sa.Column[Any], values: Iterable[Any], *more: sa.ColumnElement[bool]
) -> int:
    count = 0
    for chunk in chunks(sorted(values), _VALUES):
        here = sa.select(sa.func.count()).select_from(column.table).where(column.in_(chunk), *more)
        count += int(conn.execute(here).scalar_one())
    return count
