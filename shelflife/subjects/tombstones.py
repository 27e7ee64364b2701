"""Tombstones: the keyed, minimal records of aliases whose owners were erased, and what is refused because of them.

A name that passed on has other owners than the erased one. Its tombstone holds the periods in which it was theirs, so
that it refuses their rows and nobody else's.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import sqlalchemy as sa

from shelflife.control.bulk import chunks
from shelflife.control.subject_tables import tombstone
from shelflife.errors import ConfigurationError
from shelflife.estate import Secret
from shelflife.subjects.directory import Alias, alias_digest, has_owners, mint
from shelflife.subjects.periods import ALWAYS, Period, as_text, common, from_text, united

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime
    from typing import Any

    from shelflife.control.database import Transaction
    from shelflife.estate import Estate
    from shelflife.subjects.periods import Periods

# Bounds the variables of a statement.
_AT_ONCE = 400
_EVERY_ALIAS: Mapping[Alias, Periods] = MappingProxyType({})


def refused_periods(estate: Estate, conn: sa.Connection, names: Sequence[Alias]) -> dict[Alias, Periods]:
    """Return from when until when rows under aliases are those of erased people; aliases without such are absent."""
    found = {name: _refused(row) for name, row in _stones(estate, conn, names)}
    return {name: periods for name, periods in found.items() if periods}


def tombstoned(estate: Estate, conn: sa.Connection, names: Sequence[Alias]) -> set[Alias]:
    """Return the aliases that nobody but erased people had: whatever arrives under them is refused."""
    return {name for name, periods in refused_periods(estate, conn, names).items() if periods == ALWAYS}


def bury(
    estate: Estate,
    tx: Transaction,
    names: Sequence[Alias],
    *,
    reason: str,
    now: datetime,
    periods: Mapping[Alias, Periods] = _EVERY_ALIAS,
) -> None:
    """Record tombstones: from now on data that arrives under these aliases is refused.

    Args:
        estate: the estate.
        tx: the transaction.
        names: aliases of someone who is erased.
        reason: a word.
        now: the time.
        periods: from when until when an alias was theirs; always when it is not named here.
    """
    known = dict(_stones(estate, tx.conn, names))
    for name in sorted(set(names)):
        before = _refused(known[name]) if name in known else ()
        refused = united([*before, *periods.get(name, ALWAYS)])
        if refused == before:
            continue
        digest = alias_digest(estate, tx.conn, name, Secret.TOMBSTONE)
        tx.conn.execute(tombstone.delete().where(tombstone.c.alias_mac == digest))
        stored = None if refused == ALWAYS else as_text(refused)
        tx.conn.execute(
            tombstone.insert().values(alias_mac=digest, erased_at=now, reason=reason, periods=stored)
        )


def register_again(estate: Estate, tx: Transaction, name: Alias, now: datetime) -> None:
    """Let an erased person start anew under an alias: what was observed before now stays refused.

    The next landing mints a new subject, with nothing in common with the erased one. Where the alias has other owners in
    other periods, the new subject is minted at once and owns it from now on.

    Raises:
        ConfigurationError: the alias is not that of an erased person.
    """
    refused = refused_periods(estate, tx.conn, [name]).get(name, ())
    if not any(one.contains(now) for one in refused):
        raise ConfigurationError(
            "Nobody was erased under this alias.",
            remedy="Check the alias and its --kind; others need no registration.",
        )
    digest = alias_digest(estate, tx.conn, name, Secret.TOMBSTONE)
    here = tombstone.c.alias_mac == digest
    tx.conn.execute(tombstone.update().where(here).values(registered_again_at=now))
    if has_owners(estate, tx.conn, name):
        mint(estate, tx, {name: (Period(now, None),)}, now)


def stored_periods(conn: sa.Connection, digest: bytes) -> list[list[str | None]] | None:
    """Return the periods of a tombstone as they are stored; None when it refuses everything, or is not there."""
    found: list[list[str | None]] | None = conn.execute(
        sa.select(tombstone.c.periods).where(tombstone.c.alias_mac == digest)
    ).scalar()
    return found


def _refused(row: sa.Row[Any]) -> Periods:
    """Return what a tombstone refuses; once its person came back, only what is from before."""
    periods = ALWAYS if row.periods is None else from_text(row.periods)
    if row.registered_again_at is None:
        return periods
    return common(periods, Period(None, row.registered_again_at))


def _stones(
    estate: Estate, conn: sa.Connection, names: Sequence[Alias]
) -> Iterator[tuple[Alias, sa.Row[Any]]]:
    digests = {alias_digest(estate, conn, name, Secret.TOMBSTONE): name for name in names}
    for chunk in chunks(digests, _AT_ONCE):
        for row in conn.execute(sa.select(tombstone).where(tombstone.c.alias_mac.in_(chunk))):
            yield digests[bytes(row.alias_mac)], row
