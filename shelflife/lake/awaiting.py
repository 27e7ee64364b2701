"""Rows that are erased but still lie in derived files: until the rewrite, every read of such a table leaves them out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from shelflife.control.tables import awaiting_rewrite

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from shelflife.control.database import Transaction

PID = "pid"


def awaiting(conn: sa.Connection, table_name: str) -> frozenset[bytes]:
    """Return the pseudonyms of the derived zone whose rows of a table are erased and not rewritten yet."""
    query = sa.select(awaiting_rewrite.c.pid).where(awaiting_rewrite.c.table_name == table_name)
    return frozenset(bytes(pid) for pid in conn.execute(query).scalars())


def await_rewrites(tx: Transaction, gone: Mapping[str, Mapping[bytes, str]], *, due_at: datetime) -> None:
    """Leave people out of every read of the named tables, from this commit on.

    Args:
        tx: the transaction that destroys their keys.
        gone: by table, pseudonyms of the derived zone and the request that each is erased for.
        due_at: when their rows are physically gone at the latest.
    """
    rows = [
        {"table_name": table_name, "pid": pid, "request_id": people[pid], "due_at": due_at}
        for table_name, people in gone.items()
        for pid in sorted(set(people) - awaiting(tx.conn, table_name))
    ]
    if rows:
        tx.conn.execute(awaiting_rewrite.insert(), rows)


def settle(tx: Transaction, table_name: str, pids: Collection[bytes]) -> None:
    """Forget people whose rows no file of a table holds any more."""
    here = (awaiting_rewrite.c.table_name == table_name) & (awaiting_rewrite.c.pid == sa.bindparam("gone"))
    if pids:
        tx.conn.execute(awaiting_rewrite.delete().where(here), [{"gone": pid} for pid in pids])


def condition(pids: Collection[bytes]) -> pc.Expression:
    """Return the condition that rows of the people who stay meet."""
    return ~pc.field(PID).isin(pa.array(sorted(pids), type=pa.binary()))


def without(rows: pa.Table, pids: Collection[bytes]) -> pa.Table:
    """Return rows without those of some people; a table that is not about people is returned as it is."""
    return rows.filter(condition(pids)) if pids and PID in rows.schema.names else rows
