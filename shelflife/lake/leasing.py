"""Leases for the length of a block: keys that were looked up under one may be used until it is checked."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from shelflife.errors import CommitConflict
from shelflife.keys import leases

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator

    from shelflife.estate import Estate


@contextmanager
def held_lease(estate: Estate, holder: str, clock: Callable[[], dt.datetime]) -> Iterator[leases.Lease]:
    """Hold a lease on keys for the life of the block.

    An erasure that happens meanwhile waits for the lease to be released or to run out, and makes its next
    `check` raise LeaseExpired.
    """
    with estate.database.commit() as tx:
        held = leases.issue(tx, holder, clock(), estate.settings.lease_seconds)
    try:
        yield held
    finally:
        # A lease that cannot be given back runs out by itself.
        with suppress(CommitConflict), estate.database.commit() as tx:
            leases.release(tx, held)
