"""Ways to look at an estate that two runs with different random keys can be compared by."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import polars as pl
import sqlalchemy as sa

from shelflife.control.tables import data_file, hold, key_page, partition, purge_plan
from shelflife.lake.catalog import files_of_partition, partitions
from shelflife.lake.unseal import HELD, read_partition
from shelflife.retention.held_rows import read_held
from tests.conftest import NOW
from tests.lake.state import derived_rows, names

if TYPE_CHECKING:
    from shelflife.estate import Estate


def readable(estate: Estate) -> dict[str, str]:
    """A digest of every readable raw partition and derived table but the held ones, by name."""
    found = {f"raw/{table}/{period}": _digest(rows) for (table, period), rows in landed(estate).items()}
    return found | {f"derived/{name}": _digest(rows) for name, rows in derived_rows(estate).items()}


def landed(estate: Estate) -> dict[tuple[str, str], pl.DataFrame]:
    """Every landed row by table and period, with the alias in place of the pseudonym, sorted; held ones left out."""
    with estate.database.read() as conn:
        known = names(estate, conn, "raw")
        found = {}
        for home in partitions(conn, zone="raw"):
            files = files_of_partition(conn, home.partition_id)
            if files and not home.table_name.startswith(HELD):
                rows = pl.DataFrame(pl.from_arrow(read_partition(estate, conn, home, files)))
                aliases = [known[person] for person in rows["pid"].to_list()]
                rows = rows.with_columns(pid=pl.Series(aliases, dtype=pl.String))
                found[home.table_name, home.period] = rows.sort(rows.columns, nulls_last=True)
    return found


def held(estate: Estate, hold_id: str) -> dict[tuple[str, str], pl.DataFrame]:
    """What a hold keeps, by the alias that the person had and the table that the rows came from."""
    found = read_held(estate, hold_id, clock=lambda: NOW)
    names = {person.hold_pid: person.aliases[0].value for person in found.people}
    rows = {}
    for table, everything in found.tables.items():
        frame = pl.DataFrame(pl.from_arrow(everything))
        for hold_pid in frame["pid"].unique():
            mine = frame.filter(pl.col("pid") == hold_pid).drop("pid")
            rows[names[hold_pid], table] = mine.sort(mine.columns, nulls_last=True)
    return rows


def digest(estate: Estate) -> str:
    """One digest over everything that can be read, held or counted."""
    state = hashlib.sha256()
    for name, content in sorted(readable(estate).items()):
        state.update(f"{name}{content}".encode())
    with estate.database.read() as conn:
        holds = conn.execute(sa.select(hold).where(hold.c.state == "active")).all()
        homes = sa.select(partition.c.table_name, partition.c.period, partition.c.state)
        for row in sorted(map(tuple, conn.execute(homes))):
            state.update(repr(row).encode())
        states = sa.select(data_file.c.state, sa.func.count()).group_by(data_file.c.state)
        left = {name: count for name, count in conn.execute(states).all() if name != "collected"}
        state.update(repr(sorted(left.items())).encode())
        state.update(repr(sorted(conn.execute(sa.select(purge_plan.c.state)).scalars())).encode())
    for one in holds:
        for (name, table), rows in sorted(held(estate, one.hold_id).items()):
            state.update(f"{one.matter}{name}{table}".encode() + rows.write_csv().encode())
    files = [path for path in (estate.settings.home / "zones").rglob("*") if path.is_file()]
    state.update(str(len(files)).encode())
    return state.hexdigest()


def key_pages(estate: Estate) -> dict[tuple[str, int, int], bytes]:
    """The sealed pages of every key tree."""
    with estate.database.read() as conn:
        rows = conn.execute(sa.select(key_page))
        return {(row.zone, row.level, row.number): bytes(row.blob) for row in rows}


def _digest(rows: pl.DataFrame) -> str:
    return hashlib.sha256(rows.write_csv().encode()).hexdigest()
