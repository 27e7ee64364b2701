"""Records about people's rights and queries that a policy can end: which rows are old enough, and their removal.

A kind is removed only where a rule names it; `any` never reaches it. A request counts from the day on which it was
closed and takes its events, outcomes and certificates along; open requests stay.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from shelflife.control.tables import (
    attribute_disclosure,
    certificate,
    query_audit,
    request,
    request_event,
    request_outcome,
)
from shelflife.retention.state import RecordState
from shelflife.retention.windows import expired_through

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shelflife.control.database import Transaction
    from shelflife.policy.retention import RetentionPolicy, RetentionRule

REQUESTS = "requests"


@dataclass(frozen=True)
class _Kind:
    """Where the rows of a kind are, and since when each counts."""

    table: sa.Table
    since: sa.Column[dt.datetime]


_KINDS = {
    REQUESTS: _Kind(request, request.c.closed_at),
    "query_audit": _Kind(query_audit, query_audit.c.asked_at),
    "attribute_disclosures": _Kind(attribute_disclosure, attribute_disclosure.c.asked_at),
}
KINDS = tuple(_KINDS)


def record_rule(policies: Sequence[RetentionPolicy], kind: str) -> RetentionRule | None:
    """Return the rule that names a kind of record; the longest where several do, None where none does."""
    rules = [rule for policy in policies for rule in policy.rules if kind in rule.applies_to]
    return max(rules, key=lambda rule: rule.keep.approximate_days(), default=None)


def read_records(
    conn: sa.Connection, policies: Sequence[RetentionPolicy], now: dt.datetime
) -> tuple[RecordState, ...]:
    """Count the rows of every kind that a rule names."""
    found = []
    for kind, place in _KINDS.items():
        rule = record_rule(policies, kind)
        if rule is None:
            continue
        through = expired_through(rule.keep, now)
        everything = sa.select(sa.func.count()).select_from(place.table)
        rows = int(conn.execute(everything).scalar_one())
        due = int(conn.execute(everything.where(_before(place, through))).scalar_one()) if through else 0
        found.append(RecordState(kind, rows, through, due))
    return tuple(found)


def doomed_requests(conn: sa.Connection, through: dt.date) -> list[tuple[str, int | None]]:
    """Return the closed requests that end with a day, as (request id, number of its key)."""
    query = sa.select(request.c.request_id, request.c.key_number)
    rows = conn.execute(query.where(_before(_KINDS[REQUESTS], through)).order_by(request.c.request_id))
    return [(row.request_id, row.key_number) for row in rows]


def remove_records(tx: Transaction, kind: str, through: dt.date) -> int:
    """Remove the rows of a kind that end with a day. Returns how many; parts of a request do not count."""
    place = _KINDS[kind]
    old = _before(place, through)
    if kind == REQUESTS:
        ids = sa.select(request.c.request_id).where(old)
        for part in (certificate, request_outcome, request_event):
            tx.conn.execute(part.delete().where(part.c.request_id.in_(ids)))
    return int(tx.conn.execute(place.table.delete().where(old)).rowcount)


def _before(place: _Kind, through: dt.date) -> sa.ColumnElement[bool]:
    end = dt.datetime.combine(through + dt.timedelta(days=1), dt.time(), dt.UTC)
    return place.since < end
