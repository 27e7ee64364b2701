"""Leases: how long a reader may hold keys, and how an erasure knows that all readers let go.

An erasure advances the epoch together with the destruction of keys, and is effective once no lease of an earlier
epoch is outstanding. A reader checks its lease before it hands out what it computed; an expired or overtaken lease means
that the keys must be looked up again.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from shelflife.control.tables import erasure_epoch, lease
from shelflife.errors import LeaseExpired, ReadersRemain

if TYPE_CHECKING:
    from collections.abc import Callable

    from shelflife.control.database import ControlDatabase, Transaction

_PAUSE_SECONDS = 0.1


@dataclass(frozen=True)
class Lease:
    """Leave to hold keys until a time, or until something is erased.

    Args:
        lease_id: 32 hexadecimal digits.
        epoch: the erasure epoch that the keys were looked up in.
        holder: which step holds the keys; names no person.
        issued_at: the start.
        expires_at: the end.
    """

    lease_id: str
    epoch: int
    holder: str
    issued_at: datetime
    expires_at: datetime

    def check(self, conn: sa.Connection, now: datetime) -> None:
        """Make sure that the keys may still be used.

        Raises:
            LeaseExpired: the time is over, something was erased since, or the lease was given back.
        """
        known = conn.execute(sa.select(lease.c.lease_id).where(lease.c.lease_id == self.lease_id)).scalar()
        if now < self.expires_at and known is not None and current_epoch(conn) == self.epoch:
            return
        raise LeaseExpired(
            "The lease on the keys is over.", remedy="Look the keys up again under a new lease."
        )


def current_epoch(conn: sa.Connection) -> int:
    """Return the erasure epoch: how often something was erased."""
    return conn.execute(sa.select(erasure_epoch.c.value)).scalar() or 0


def advance_epoch(tx: Transaction) -> int:
    """Start a new epoch, in the transaction that destroys keys; return it."""
    epoch = current_epoch(tx.conn) + 1
    if epoch == 1:
        tx.conn.execute(sa.insert(erasure_epoch).values(id=1, value=epoch))
    else:
        tx.conn.execute(sa.update(erasure_epoch).values(value=epoch))
    return epoch


def issue(tx: Transaction, holder: str, now: datetime, seconds: int) -> Lease:
    """Issue a lease in the current epoch, and forget those whose time is over.

    Args:
        tx: the transaction that the lease is recorded in; keys are looked up after it committed.
        holder: which step holds the keys; names no person.
        now: the start.
        seconds: how long.
    """
    tx.conn.execute(sa.delete(lease).where(lease.c.expires_at <= now))
    issued = Lease(uuid.uuid4().hex, current_epoch(tx.conn), holder, now, now + timedelta(seconds=seconds))
    tx.conn.execute(sa.insert(lease).values(**vars(issued)))
    return issued


def renew(tx: Transaction, held: Lease, now: datetime, seconds: int) -> Lease:
    """Hold the same lease until `seconds` from now, for a step that takes longer than it was given.

    Raises:
        LeaseExpired: it ran out already, or something was erased since.
    """
    held.check(tx.conn, now)
    longer = replace(held, expires_at=now + timedelta(seconds=seconds))
    tx.conn.execute(
        lease.update().where(lease.c.lease_id == held.lease_id).values(expires_at=longer.expires_at)
    )
    return longer


def release(tx: Transaction, held: Lease) -> None:
    """Give a lease back before its time; the holder has dropped its keys."""
    tx.conn.execute(sa.delete(lease).where(lease.c.lease_id == held.lease_id))


def outstanding(conn: sa.Connection, now: datetime, before_epoch: int) -> int:
    """Return how many leases of earlier epochs may still hold keys."""
    query = sa.select(sa.func.count()).where(lease.c.epoch < before_epoch, lease.c.expires_at > now)
    return conn.execute(query).scalar_one()


def wait_for_readers(
    database: ControlDatabase,
    clock: Callable[[], datetime],
    wait: Callable[[float], None],
    longest_seconds: float,
    held: str,
) -> datetime:
    """Wait until every reader that could have looked keys up before the newest epoch has let go.

    Args:
        database: the control database.
        clock: gives the time.
        wait: sleeps for some seconds.
        longest_seconds: how long a lease lasts at most.
        held: which keys they hold, for the message.

    Returns:
        The time at which none was left.

    Raises:
        ReadersRemain: a lease outlives its longest time.
    """
    waited = 0.0
    while True:
        now = clock()
        with database.read() as conn:
            remaining = outstanding(conn, now, current_epoch(conn))
        if not remaining:
            return now
        if waited > longest_seconds + 1:
            raise ReadersRemain(f"Readers still hold keys {held}.", remedy="Run it again.")
        wait(_PAUSE_SECONDS)
        waited += _PAUSE_SECONDS
