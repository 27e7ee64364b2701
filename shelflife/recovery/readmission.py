"""Requests whose rows were lost with the control database: what the journal kept of them is enough to go on.

An erasure whose keys were destroyed after the backup was made may be unknown to the restored database. It comes back as
verified and runs again: every step finds less to do, up to a new certificate.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import sqlalchemy as sa

from shelflife.control.tables import request, request_event
from shelflife.keys.tree import KeyKind
from shelflife.rights.request_states import State
from shelflife.seal.values import seal_value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shelflife.control.database import Transaction
    from shelflife.estate import Estate
    from shelflife.journal.destruction import Continuation

_IDENTITY = "identity"


def readmit(estate: Estate, tx: Transaction, lost: Iterable[Continuation]) -> int:
    """Register the requests that the database does not know again; return how many.

    Each gets a new key for what names the person; a request that is there goes on from its own state.
    """
    count = 0
    for one in lost:
        here = sa.select(request.c.request_id).where(request.c.request_id == one.request_id)
        if tx.conn.execute(here).first() is not None:
            continue
        tree = estate.trees[_IDENTITY]
        number = tree.insert(tx, KeyKind.FILE, 1)[0]
        key = tree.lookup(tx.conn, [number])[0]
        assert key is not None  # noqa: S101  inserted a moment ago
        received = dt.datetime.fromisoformat(one.row["received_at"])
        tx.conn.execute(
            request.insert().values(
                request_id=one.request_id,
                **{name: one.row[name] for name in ("kind", "streams", "reason", "regimes")},
                state=State.VERIFIED,
                received_at=received,
                key_number=number,
                sealed=seal_value(key, one.sealed, ("request", one.request_id)),
                facts={"readmitted": True},
            )
        )
        values = {
            "request_id": one.request_id,
            "position": 0,
            "event": "received",
            "at": received,
            "facts": {},
        }
        tx.conn.execute(request_event.insert().values(**values))
        count += 1
    return count
