"""Who looked: governed queries over tables that hold rows of the person, and hand-overs of coarse attributes.

A query is recorded with the tables that it read, not with the people in its result, so the list says who could have
seen the person's rows. It holds no employee's name (CJEU C-579/21).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from shelflife.control.tables import attribute_disclosure, query_audit
from shelflife.rights.export.contents import Handover, Look

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection

_ROWS_AT_ONCE = 1_000
_OUTCOMES = {"allowed": "answered", "failed": "failed before an answer"}


def looks_at(conn: sa.Connection, tables: Collection[str], *, since: dt.datetime) -> list[Look]:
    """Return the queries over any of these tables since the person is known, oldest first. Denied ones read nothing."""
    columns = (
        query_audit.c.asked_at,
        query_audit.c.purpose,
        query_audit.c.role,
        query_audit.c.tables,
        query_audit.c.decision,
    )
    query = (
        sa.select(*columns)
        .where(query_audit.c.asked_at >= since, query_audit.c.decision.in_(sorted(_OUTCOMES)))
        .order_by(query_audit.c.asked_at, query_audit.c.query_id)
    )
    found = []
    for row in conn.execution_options(yield_per=_ROWS_AT_ONCE).execute(query):
        read = tuple(sorted(set(row.tables) & set(tables)))
        if read:
            found.append(Look(row.asked_at, row.purpose, row.role, read, _OUTCOMES[row.decision]))
    return found


def handovers(conn: sa.Connection, *, since: dt.datetime) -> list[Handover]:
    """Return when coarse attributes of everybody were handed over since the person is known, oldest first."""
    query = (
        sa.select(attribute_disclosure)
        .where(attribute_disclosure.c.asked_at >= since)
        .order_by(attribute_disclosure.c.asked_at)
    )
    return [Handover(row.asked_at, row.purpose, tuple(row.attributes)) for row in conn.execute(query)]
