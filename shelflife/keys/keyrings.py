"""Keyrings: one random key per subject and stream.

A ring is eight slots of the key tree that lie in one page: one per stream, one for quarantined rows of no known
stream, one for the profile. Keys are random, never derived: a derived key could be made again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from shelflife.control.bulk import chunks, select_in, write_rows
from shelflife.control.tables import keyring
from shelflife.errors import ConfigurationError
from shelflife.keys.tree import KeyKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from shelflife.control.database import Transaction
    from shelflife.keys.tree import KeyTree

KEYRING_SLOTS = 8

# The positions are part of the stored format: a name may be added at the end, none may move.
SLOT_NAMES = ("heart", "sleep", "glucose", "activity", "body", "respiration", "unclassified", "profile")

_PIDS_A_STATEMENT = 10_000


def slot_of(stream: str) -> int:
    """Return the position of a stream's key in a ring.

    Raises:
        ConfigurationError: no stream has that name.
    """
    try:
        return SLOT_NAMES.index(stream)
    except ValueError:
        raise ConfigurationError(
            "A stream has no slot in the keyrings.", remedy=f"Use one of: {', '.join(SLOT_NAMES)}."
        ) from None


class Keyrings:
    """The keyrings of one zone.

    Args:
        zone: the zone's name.
        tree: the zone's key tree.
    """

    def __init__(self, zone: str, tree: KeyTree) -> None:
        self.zone = zone
        self._tree = tree

    def ensure(self, tx: Transaction, pids: Sequence[bytes]) -> dict[bytes, int]:
        """Make the missing keyrings of some subjects.

        Returns:
            The number of each subject's ring, old or new.
        """
        rings = self.numbers(tx.conn, pids)
        # In order of the pseudonym the index grows page by page; it is random, so that it tells no order of arrival.
        missing = sorted({pid for pid in pids if pid not in rings})
        if missing:
            first = self._tree.insert_groups(tx, KeyKind.KEYRING, len(missing), KEYRING_SLOTS)
            made = dict(zip(missing, first, strict=True))
            rows = ((self.zone, pid, number) for pid, number in made.items())
            write_rows(tx.conn, (keyring.c.zone, keyring.c.pid, keyring.c.number), rows)
            rings |= made
        return rings

    def numbers(self, conn: sa.Connection, pids: Iterable[bytes]) -> dict[bytes, int]:
        """Return the numbers of the rings of those subjects that have one."""
        columns = (keyring.c.pid, keyring.c.number)
        rows = select_in(conn, columns, {keyring.c.zone: self.zone}, keyring.c.pid, sorted(set(pids)))
        return {bytes(pid): number for pid, number in rows}

    def keys(self, conn: sa.Connection, pids: Sequence[bytes], stream: str) -> dict[bytes, bytes | None]:
        """Return the keys of some subjects for a stream.

        Returns:
            By pseudonym: the key, or None when it was destroyed. A subject without a keyring is absent.
        """
        position = slot_of(stream)
        rings = self.numbers(conn, pids)
        keys = self._tree.lookup(conn, [number + position for number in rings.values()])
        return dict(zip(rings, keys, strict=True))

    def destroy(
        self, tx: Transaction, pids: Sequence[bytes], now: datetime, streams: Sequence[str] | None = None
    ) -> int:
        """Destroy the keys of some subjects, all in one pass over the tree.

        Args:
            tx: the transaction that the destruction becomes effective with.
            pids: the subjects; one without a keyring is passed over.
            now: the time of the destruction.
            streams: the streams to forget; every key, and the keyring's row with it, when absent.

        Returns:
            How many keys were there to destroy.
        """
        positions = range(KEYRING_SLOTS) if streams is None else [slot_of(stream) for stream in streams]
        rings = self.numbers(tx.conn, pids)
        numbers = [number + position for number in rings.values() for position in positions]
        destroyed = self._tree.destroy(tx, numbers, now)
        if streams is None:
            for chunk in chunks(rings, _PIDS_A_STATEMENT):
                gone = (keyring.c.zone == self.zone) & keyring.c.pid.in_(chunk)
                tx.conn.execute(sa.delete(keyring).where(gone))
        return destroyed
