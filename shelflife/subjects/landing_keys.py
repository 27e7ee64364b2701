"""Landing keys: what devices seal uploads to, how one follows another, and how the old one is destroyed.

A new key is `current`; the one before it is `previous` and accepted until its grace time, so that a device that has
not fetched the new key yet loses nothing; in the end it is `retired`. The private key lies sealed under a key of the
identity zone's tree that is destroyed with the retirement, as everything else is: journal first, then the tree, so that a
restored backup loses it again, and past the finality window no backup opens it. From then on an upload that somebody
recorded on its way cannot be opened by anybody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from shelflife.control.crashpoints import reached
from shelflife.control.subject_tables import landing_key
from shelflife.errors import ConfigurationError
from shelflife.journal.destruction import Destruction
from shelflife.journal.journal import record
from shelflife.keys.leases import advance_epoch
from shelflife.keys.tree import KeyKind
from shelflife.seal.upload_keys import LandingPrivateKey, LandingPublicKey
from shelflife.seal.values import open_value, seal_value

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime, timedelta
    from typing import Any

    from shelflife.control.database import Transaction
    from shelflife.estate import Estate
    from shelflife.ledger.entries import JSON

_ZONE = "identity"
_CONTEXT = "landing-key"


@dataclass(frozen=True)
class LandingKey:
    """A landing key as the estate keeps it.

    Attributes:
        key_id: 16 bytes in hexadecimal, as the header of an upload has it.
        public: what devices seal to.
        state: `current`, `previous` or `retired`.
        created_at: aware.
        accepted_until: when uploads under a previous key begin to be refused; None while it is current.
    """

    key_id: str
    public: LandingPublicKey
    state: str
    created_at: datetime
    accepted_until: datetime | None

    def accepted(self, now: datetime) -> bool:
        """Tell whether uploads that are sealed to it are landed."""
        return self.state != "retired" and (self.accepted_until is None or now < self.accepted_until)


def landing_keys(conn: sa.Connection) -> list[LandingKey]:
    """Return every landing key that there ever was, newest first."""
    query = sa.select(landing_key).order_by(landing_key.c.created_at.desc(), landing_key.c.key_id)
    return [_key(row) for row in conn.execute(query)]


def current_key(conn: sa.Connection) -> LandingKey:
    """Return the key that devices seal to now.

    Raises:
        ConfigurationError: there is none yet, or it was retired.
    """
    found = [one for one in landing_keys(conn) if one.state == "current"]
    if not found:
        raise ConfigurationError("There is no landing key.", remedy="Run `shelflife landing-key rotate`.")
    return found[0]


def rotate(estate: Estate, *, grace: timedelta, clock: Callable[[], datetime]) -> LandingKey:
    """Make a new current key; the one before it is accepted for the grace time. Keys past theirs are retired.

    Raises:
        ConfigurationError: the grace time is negative.
    """
    if grace.total_seconds() < 0:
        raise ConfigurationError(
            "A grace time cannot be negative.", remedy="Use 0 to refuse the old key at once."
        )
    private = LandingPrivateKey.generate()
    public = private.public_key()
    key_id = public.key_id.hex()
    with estate.database.commit() as tx:
        now = clock()
        retired = _retire(estate, tx, _overdue(tx.conn, now), now)
        change = {"state": "previous", "accepted_until": now + grace}
        tx.conn.execute(landing_key.update().where(landing_key.c.state == "current").values(**change))
        [number] = estate.trees[_ZONE].insert(tx, KeyKind.FILE, 1)
        [key] = estate.trees[_ZONE].lookup(tx.conn, [number])
        assert key is not None  # noqa: S101  made in this very transaction
        made = LandingKey(key_id, public, "current", now, None)
        tx.conn.execute(
            landing_key.insert().values(
                key_id=key_id,
                public_key=public.raw,
                sealed=seal_value(key, private.raw, (_CONTEXT, key_id)),
                key_number=number,
                state="current",
                created_at=now,
                accepted_until=None,
            )
        )
        entry: dict[str, JSON] = {"type": "landing_key_rotated", "key": key_id, "retired": retired}
        estate.ledger.append(tx, [entry], now)
    return made


def retire(estate: Estate, key_id: str | None = None, *, clock: Callable[[], datetime]) -> int:
    """Destroy the private keys of all landing keys past their grace time, or of the named one at once.

    Returns:
        How many were destroyed; repeating it changes nothing.

    Raises:
        ConfigurationError: there is no key of this id.
    """
    with estate.database.commit() as tx:
        now = clock()
        chosen = _overdue(tx.conn, now) if key_id is None else _named(tx.conn, key_id)
        retired = _retire(estate, tx, chosen, now)
        if retired:
            estate.ledger.append(tx, [{"type": "landing_key_retired", "keys": retired}], now)
        reached("landing_key.in_commit")
    return retired


def private_key(
    estate: Estate, conn: sa.Connection, key_id: str
) -> tuple[LandingKey, LandingPrivateKey | None] | None:
    """Return a landing key with its private key, None in its place once that was destroyed; None for an unknown id."""
    row = conn.execute(sa.select(landing_key).where(landing_key.c.key_id == key_id)).one_or_none()
    if row is None:
        return None
    if row.sealed is None or row.key_number is None:
        return _key(row), None
    [key] = estate.trees[_ZONE].lookup(conn, [row.key_number])
    raw = None if key is None else open_value(key, bytes(row.sealed), (_CONTEXT, key_id))
    return _key(row), None if raw is None else LandingPrivateKey(raw)


def _retire(estate: Estate, tx: Transaction, chosen: Sequence[sa.Row[Any]], now: datetime) -> int:
    """Destroy keys the way everything is destroyed: written ahead, then the tree, then the rows; a new epoch."""
    numbers = [row.key_number for row in chosen if row.key_number is not None]
    if not chosen:
        return 0
    gone = Destruction(kind="landing_key", record_id=chosen[0].key_id, at=now, keys={_ZONE: numbers})
    record(estate, tx.conn, gone)
    estate.trees[_ZONE].destroy(tx, numbers, now)
    here = landing_key.c.key_id.in_([row.key_id for row in chosen])
    change = {"state": "retired", "sealed": None, "key_number": None}
    tx.conn.execute(landing_key.update().where(here).values(**change))
    advance_epoch(tx)
    return len(chosen)


def _overdue(conn: sa.Connection, now: datetime) -> Sequence[sa.Row[Any]]:
    past = (landing_key.c.state == "previous") & (landing_key.c.accepted_until <= now)
    return conn.execute(sa.select(landing_key).where(past)).all()


def _named(conn: sa.Connection, key_id: str) -> Sequence[sa.Row[Any]]:
    row = conn.execute(sa.select(landing_key).where(landing_key.c.key_id == key_id)).one_or_none()
    if row is None:
        raise ConfigurationError(
            "There is no landing key of this id.", remedy="See `shelflife landing-key list`."
        )
    return [] if row.state == "retired" else [row]


def _key(row: sa.Row[Any]) -> LandingKey:
    public = LandingPublicKey(bytes(row.public_key))
    return LandingKey(row.key_id, public, row.state, row.created_at, row.accepted_until)
