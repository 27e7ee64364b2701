"""The lease of an export, and the promise that what it read could still be read when it ended.

An export can take longer than a lease, and an erasure of anybody ends every lease. The export then takes a new one, but
only goes on if nothing of its own person was erased: otherwise what it wrote already holds what no longer exists.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from shelflife.control.subject_tables import subject
from shelflife.control.tables import awaiting_rewrite
from shelflife.errors import CommitConflict, LeaseExpired
from shelflife.keys import leases
from shelflife.keys.keyrings import SLOT_NAMES
from shelflife.keys.pseudonyms import pseudonym

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator

    from shelflife.control.database import Transaction
    from shelflife.estate import Estate
    from shelflife.subjects.directory import Subject

HOLDER = "export"


@dataclass(frozen=True)
class Standing:
    """What of a person can be read.

    Attributes:
        known: whether the directory has the person.
        keys: for every zone and slot of the person's keyrings, whether its key exists.
        waiting: derived tables whose rows of the person were erased and wait for their rewrite.
    """

    known: bool
    keys: tuple[bool, ...]
    waiting: frozenset[str]


def standing_of(estate: Estate, conn: sa.Connection, person: Subject) -> Standing:
    """Return what of a person can be read now."""
    found = conn.execute(sa.select(subject.c.pid).where(subject.c.pid == person.identity_pid)).scalar()
    pids = {"identity": person.identity_pid, "raw": person.raw_pid}
    keys = [
        estate.keyrings[zone].keys(conn, [pid], slot).get(pid) is not None
        for zone, pid in pids.items()
        for slot in SLOT_NAMES
    ]
    derived = pseudonym(estate.pepper(conn, "derived"), person.subject_id)
    tables = conn.execute(sa.select(awaiting_rewrite.c.table_name).where(awaiting_rewrite.c.pid == derived))
    return Standing(found is not None, tuple(keys), frozenset(tables.scalars()))


class Watch:
    """Holds the lease of one export. Ask `check` before keys are looked up, `confirm` before the export is whole."""

    def __init__(self, estate: Estate, person: Subject, clock: Callable[[], dt.datetime]) -> None:
        self._estate, self._person, self._clock = estate, person, clock
        self._lease = self._issue()
        with estate.database.read() as conn:
            self.standing = standing_of(estate, conn, person)

    def check(self) -> None:
        """Make sure that keys may be looked up and used, with a new lease where the old one is over.

        Raises:
            CommitConflict: something of the person was erased since the export began.
        """
        now, seconds = self._clock(), self._estate.settings.lease_seconds
        try:
            with self._estate.database.read() as conn:
                self._lease.check(conn, now)
            if (self._lease.expires_at - now).total_seconds() < seconds / 2:
                with self._estate.database.commit() as tx:
                    self._lease = leases.renew(tx, self._lease, now, seconds)
        except LeaseExpired:
            # An erasure waits for the old lease: no key that was looked up under it is held any more.
            self.release()
            self._lease = self._issue()
            with self._estate.database.read() as conn:
                self._compare(conn)

    def confirm(self, tx: Transaction) -> None:
        """Make sure, in the transaction that records the export, that nothing of the person was erased meanwhile.

        Raises:
            CommitConflict: something was.
        """
        self._compare(tx.conn)

    def release(self) -> None:
        """Give the lease back; one that cannot be given back runs out by itself."""
        with suppress(CommitConflict), self._estate.database.commit() as tx:
            leases.release(tx, self._lease)

    def _issue(self) -> leases.Lease:
        with self._estate.database.commit() as tx:
            return leases.issue(tx, HOLDER, self._clock(), self._estate.settings.lease_seconds)

    def _compare(self, conn: sa.Connection) -> None:
        if standing_of(self._estate, conn, self._person) != self.standing:
            raise changed()


@contextmanager
def watched(estate: Estate, person: Subject, clock: Callable[[], dt.datetime]) -> Iterator[Watch]:
    """Hold the lease of an export for the length of the block."""
    watch = Watch(estate, person, clock)
    try:
        yield watch
    finally:
        watch.release()


def changed() -> CommitConflict:
    """Return the error for an export that was overtaken by an erasure, a purge or a derivation."""
    return CommitConflict(
        "Something that the export reads was erased, purged or derived anew while it was made.",
        remedy="Run it again; it then holds what is left.",
    )
