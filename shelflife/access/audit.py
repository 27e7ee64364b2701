"""The query audit: every attempt to query, allowed or not, is written down before anything is read."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from shelflife.access.statement import fingerprint
from shelflife.control.tables import query_audit
from shelflife.estate import Secret
from shelflife.seal.values import open_value, seal_value

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import sqlalchemy as sa

    from shelflife.estate import Estate

Decision = Literal["allowed", "denied", "failed"]
AUDIT_ZONE = "identity"
_LONGEST_PRINCIPAL = 200
_LONGEST_NAME = 64


@dataclass(frozen=True)
class Attempt:
    """Who asks, in which role and for what."""

    principal: str
    role: str
    purpose: str
    sql: str


def record(
    estate: Estate, attempt: Attempt, *, tables: Sequence[str], decision: Decision, now: datetime
) -> str:
    """Write down an attempt; its SQL can hold a person's values and is sealed.

    Returns:
        The query's id, 32 hexadecimal digits.
    """
    query_id = uuid.uuid4().hex
    with estate.database.commit() as tx:
        key = estate.secret(tx.conn, AUDIT_ZONE, Secret.AUDIT)
        tx.conn.execute(
            query_audit.insert().values(
                query_id=query_id,
                asked_at=now,
                principal=attempt.principal[:_LONGEST_PRINCIPAL],
                role=attempt.role[:_LONGEST_NAME],
                purpose=attempt.purpose[:_LONGEST_NAME],
                fingerprint=fingerprint(attempt.sql),
                sealed_sql=seal_value(key, attempt.sql.encode("utf-8", "surrogatepass"), _context(query_id)),
                tables=list(tables),
                decision=decision,
                rows=None,
            )
        )
    return query_id


def settle(estate: Estate, query_id: str, decision: Decision, rows: int | None = None) -> None:
    """Add to an attempt how it ended."""
    with estate.database.commit() as tx:
        where = query_audit.c.query_id == query_id
        tx.conn.execute(query_audit.update().where(where).values(decision=decision, rows=rows))


@dataclass(frozen=True)
class Asked:
    """One recorded attempt, without its SQL text; `fingerprint` is the same for queries that differ in literals only."""

    query_id: str
    asked_at: datetime
    principal: str
    role: str
    purpose: str
    decision: str
    tables: tuple[str, ...]
    rows: int | None
    fingerprint: str


def attempts(conn: sa.Connection, *, last: int) -> list[Asked]:
    """Return the newest recorded attempts, newest first."""
    query = query_audit.select().order_by(query_audit.c.asked_at.desc(), query_audit.c.query_id).limit(last)
    return [
        Asked(
            row.query_id,
            row.asked_at,
            row.principal,
            row.role,
            row.purpose,
            row.decision,
            tuple(row.tables),
            row.rows,
            row.fingerprint,
        )
        for row in conn.execute(query)
    ]


def asked_sql(estate: Estate, conn: sa.Connection, query_id: str) -> str:
    """Open the SQL text of one recorded query, for an auditor."""
    key = estate.secret(conn, AUDIT_ZONE, Secret.AUDIT)
    row = conn.execute(query_audit.select().where(query_audit.c.query_id == query_id)).one()
    return open_value(key, bytes(row.sealed_sql), _context(query_id)).decode("utf-8", "surrogatepass")


def _context(query_id: str) -> tuple[str, str]:
    return ("query-audit", query_id)
