"""Outcomes: what became of a person in each place, recorded before the next step begins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from shelflife.control.tables import request_outcome
from shelflife.rights.request_states import worst

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from shelflife.control.database import Transaction

COPY = "copy/"
"""Before the name of a copy, as the place of an outcome."""

UNFINISHED = frozenset({"deferred_until", "failed"})
"""Outcomes after which something is still to be done."""


@dataclass(frozen=True)
class PlaceOutcome:
    """What became of a person in one place.

    Attributes:
        place: `identity`, `raw`, `derived`, `analytics`, `inbox`, or `copy/<name>`.
        outcome: one of the words of DESIGN section 4.
        until: when what is deferred is done at the latest.
        facts: counts, and the rule behind an exemption.
    """

    place: str
    outcome: str
    until: datetime | None
    facts: Mapping[str, object]

    @property
    def unfinished(self) -> bool:
        """Whether something is still to be done there."""
        return self.outcome in UNFINISHED


def record_outcome(
    tx: Transaction,
    request_id: str,
    place: str,
    outcome: str,
    now: datetime,
    until: datetime | None = None,
    **facts: object,
) -> None:
    """Record what became of a person in a place; a later word replaces an earlier one."""
    record_outcomes(tx, [(request_id, PlaceOutcome(place, outcome, until, facts))], now)


def record_outcomes(tx: Transaction, found: Sequence[tuple[str, PlaceOutcome]], now: datetime) -> None:
    """Record what became of people in places, by request; a later word replaces an earlier one."""
    if not found:
        return
    here = (request_outcome.c.request_id == sa.bindparam("of")) & (
        request_outcome.c.target == sa.bindparam("place")
    )
    keys = [{"of": request_id, "place": one.place} for request_id, one in found]
    tx.conn.execute(request_outcome.delete().where(here), keys)
    rows = [
        {
            "request_id": request_id,
            "target": one.place,
            "outcome": one.outcome,
            "until": one.until,
            "facts": dict(one.facts),
            "recorded_at": now,
        }
        for request_id, one in found
    ]
    tx.conn.execute(request_outcome.insert(), rows)


def outcomes(conn: sa.Connection, request_id: str) -> list[PlaceOutcome]:
    """Return what became of a person in each place, by name."""
    query = sa.select(request_outcome).where(request_outcome.c.request_id == request_id)
    rows = conn.execute(query.order_by(request_outcome.c.target))
    return [PlaceOutcome(row.target, row.outcome, row.until, row.facts) for row in rows]


def worst_of(found: Iterable[PlaceOutcome]) -> str:
    """Return the worst outcome of some places; a request is never better than it."""
    return worst(one.outcome for one in found)
