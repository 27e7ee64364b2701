from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest

from shelflife.errors import LeaseExpired
from shelflife.keys import leases

if TYPE_CHECKING:
    from shelflife.control.database import ControlDatabase
    from shelflife.keys.leases import Lease

SECOND = dt.timedelta(seconds=1)


def _issue(database: ControlDatabase, now: dt.datetime, seconds: int = 60) -> Lease:
    with database.commit() as tx:
        return leases.issue(tx, "derive/heart_daily", now, seconds)


def _check(database: ControlDatabase, lease: Lease, now: dt.datetime) -> None:
    with database.read() as conn:
        lease.check(conn, now)


def _advance(database: ControlDatabase) -> int:
    with database.commit() as tx:
        return leases.advance_epoch(tx)


def test_a_lease_holds_until_its_time_is_over(database: ControlDatabase, now: dt.datetime) -> None:
    lease = _issue(database, now)
    _check(database, lease, now)
    _check(database, lease, now + 60 * SECOND - dt.timedelta(microseconds=1))
    with pytest.raises(LeaseExpired):
        _check(database, lease, now + 60 * SECOND)


def test_an_erasure_ends_every_lease(database: ControlDatabase, now: dt.datetime) -> None:
    lease = _issue(database, now)
    assert _advance(database) == 1
    with pytest.raises(LeaseExpired):
        _check(database, lease, now)
    later = _issue(database, now)
    assert later.epoch == 1
    _check(database, later, now)
    assert _advance(database) == 2


def test_a_rolled_back_erasure_ends_none(database: ControlDatabase, now: dt.datetime) -> None:
    lease = _issue(database, now)
    with pytest.raises(ZeroDivisionError), database.commit() as tx:
        _ = leases.advance_epoch(tx) / 0
    _check(database, lease, now)
    with database.read() as conn:
        assert leases.current_epoch(conn) == 0


def test_a_lease_that_was_given_back_is_over(database: ControlDatabase, now: dt.datetime) -> None:
    lease = _issue(database, now)
    with database.commit() as tx:
        leases.release(tx, lease)
    with pytest.raises(LeaseExpired):
        _check(database, lease, now)


def test_an_erasure_waits_for_the_leases_before_it(database: ControlDatabase, now: dt.datetime) -> None:
    _issue(database, now, seconds=60)
    held = _issue(database, now, seconds=600)
    epoch = _advance(database)
    _issue(database, now, seconds=600)

    def outstanding(at: dt.datetime) -> int:
        with database.read() as conn:
            return leases.outstanding(conn, at, epoch)

    assert outstanding(now) == 2
    assert outstanding(now + 60 * SECOND) == 1
    with database.commit() as tx:
        leases.release(tx, held)
    assert outstanding(now + 60 * SECOND) == 0


def test_old_leases_are_forgotten(database: ControlDatabase, now: dt.datetime) -> None:
    _issue(database, now, seconds=60)
    _issue(database, now + 61 * SECOND)
    with database.read() as conn:
        assert leases.outstanding(conn, now, 1) == 1
