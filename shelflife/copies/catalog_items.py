"""A copy's objects in the control database: their states, and their keys in the analytics zone's tree."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import sqlalchemy as sa

from shelflife.control.crashpoints import reached
from shelflife.control.tables import copy_item
from shelflife.copies.items import KeyedItem, State
from shelflife.errors import CommitConflict
from shelflife.keys.tree import KeyKind
from shelflife.lake.catalog import CHUNK

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime, timedelta

    from shelflife.control.database import Transaction
    from shelflife.copies.protocol import Item
    from shelflife.estate import Estate

KEY_ZONE = "analytics"
NO_INPUTS = bytes(32)


@dataclass(frozen=True)
class Change:
    """One change of what stands for a copy, as the commit that makes it sees it.

    Attributes:
        items: what was written.
        gone: how many objects no longer stand for the copy.
        rows_gone: rows that those objects held.
        now: the time.
    """

    items: Sequence[Item]
    gone: int
    rows_gone: int
    now: datetime


InCommit: TypeAlias = Callable[["Transaction", Change], None]
"""What else must be true in a commit that changes a copy: checks, lineage, ledger."""


@dataclass
class CatalogItems:
    """The registered objects of one copy; see `items.CopyItems`.

    Attributes:
        estate: the estate.
        copy_name: the copy.
        ttl: how long what is published stays.
        encrypted: whether new objects get a key.
        inputs_hash: digest over everything that the next publication is made from.
        in_commit: called in every commit of `settle`: checks, lineage and ledger.
    """

    estate: Estate
    copy_name: str
    ttl: timedelta
    encrypted: bool
    inputs_hash: bytes = NO_INPUTS
    in_commit: InCommit | None = None
    _mine: set[str] = field(default_factory=set)

    def register(self, dataset: str, now: datetime, *, suffix: str = "") -> KeyedItem:
        """Write down a new object, pending, and return its name and key."""
        name = f"{uuid.uuid4().hex}{suffix}"
        tree = self.estate.trees[KEY_ZONE]
        with self.estate.database.commit() as tx:
            number = tree.insert(tx, KeyKind.FILE, 1)[0] if self.encrypted else None
            tx.conn.execute(self._row(name, dataset, now).values(state="pending", key_number=number))
            key = None if number is None else tree.lookup(tx.conn, [number])[0]
        self._mine.add(name)
        return KeyedItem(name, dataset, key)

    def live(self) -> list[KeyedItem]:
        """Return the objects that stand for the copy, by name, with their keys."""
        with self.estate.database.read() as conn:
            rows = self._where(conn, "live")
            numbers = [row.key_number for row in rows if row.key_number is not None]
            keys = dict(zip(numbers, self.estate.trees[KEY_ZONE].lookup(conn, numbers), strict=True))
        return [KeyedItem(row.item, row.dataset, keys.get(row.key_number), row.expires_at) for row in rows]

    def states(self, items: Collection[str]) -> dict[str, State]:
        """Return the state of those of some objects that are registered."""
        found: dict[str, State] = {}
        wanted = sorted(set(items))
        with self.estate.database.read() as conn:
            for start in range(0, len(wanted), CHUNK):
                here = self._here & copy_item.c.item.in_(wanted[start : start + CHUNK])
                query = sa.select(copy_item.c.item, copy_item.c.state).where(here)
                found |= {row.item: row.state for row in conn.execute(query)}
        return found

    def settle(
        self, items: Sequence[Item], now: datetime, *, keep: Collection[str] = (), fresh: bool
    ) -> None:
        """Make these objects, and of the live ones those to keep, the whole of the copy, in one commit.

        Raises:
            CommitConflict: one of the objects was given up by another process.
            LeaseExpired: something was erased since the rows were read.
        """
        reached("copies.items.before_settle")
        with self.estate.database.commit() as tx:
            live = self._where(tx.conn, "live")
            terms = self._fresh_terms(now) if fresh or not live else _inherited(live)
            for item in items:
                self._make_live(tx, item, terms, now)
            stays = {*keep, *(item.item for item in items)}
            self._remove(tx, self._all_but(tx.conn, stays), now)
            if self.in_commit is not None:
                gone = [row for row in live if row.item not in stays]
                self.in_commit(tx, Change(items, len(gone), sum(row.rows for row in gone), now))
        reached("copies.items.settled")

    def give_up(self, now: datetime) -> None:
        """Give up every pending object and destroy its key."""
        with self.estate.database.read() as conn:
            if not self._where(conn, "pending"):
                return
        with self.estate.database.commit() as tx:
            self._remove(tx, self._where(tx.conn, "pending"), now)

    @property
    def _here(self) -> sa.ColumnElement[bool]:
        return copy_item.c.copy_name == self.copy_name

    def _where(self, conn: sa.Connection, state: State) -> Sequence[sa.Row[tuple[object, ...]]]:
        query = copy_item.select().where(self._here, copy_item.c.state == state)
        return conn.execute(query.order_by(copy_item.c.item)).all()

    def _all_but(self, conn: sa.Connection, stays: Collection[str]) -> list[sa.Row[tuple[object, ...]]]:
        rows = conn.execute(copy_item.select().where(self._here, copy_item.c.state != "removed"))
        return [row for row in rows if row.item not in stays]

    def _row(self, name: str, dataset: str, now: datetime) -> sa.Insert:
        return copy_item.insert().values(
            copy_name=self.copy_name,
            item=name,
            dataset=dataset,
            rows=0,
            bytes=0,
            inputs_hash=self.inputs_hash,
            published_at=now,
        )

    def _fresh_terms(self, now: datetime) -> Mapping[str, object]:
        return {"inputs_hash": self.inputs_hash, "published_at": now, "expires_at": now + self.ttl}

    def _make_live(self, tx: Transaction, item: Item, terms: Mapping[str, object], now: datetime) -> None:
        """Make an object true; one that the adapter names itself is registered here.

        Raises:
            CommitConflict: it was registered by this process and given up by another one.
        """
        here = self._here & (copy_item.c.item == item.item)
        state = tx.conn.execute(sa.select(copy_item.c.state).where(here)).scalar()
        if item.item in self._mine and state != "pending":
            raise CommitConflict(
                "A copy's new object was given up by another process.", remedy="Run it again."
            )
        if state is None:
            tx.conn.execute(self._row(item.item, item.dataset, now).values(state="pending"))
        told = {"rows": item.rows, "bytes": item.size, "sha256": item.sha256}
        tx.conn.execute(copy_item.update().where(here).values(state="live", removed_at=None, **told, **terms))
        self._mine.discard(item.item)

    def _remove(self, tx: Transaction, rows: Sequence[sa.Row[tuple[object, ...]]], now: datetime) -> None:
        """Mark objects removed and destroy their keys, in the transaction."""
        for row in rows:
            gone = copy_item.update().where(self._here, copy_item.c.item == row.item)
            tx.conn.execute(gone.values(state="removed", removed_at=now))
        numbers = [row.key_number for row in rows if row.key_number is not None]
        if numbers:
            self.estate.trees[KEY_ZONE].destroy(tx, numbers, now)


def _inherited(live: Sequence[sa.Row[tuple[object, ...]]]) -> Mapping[str, object]:
    """Return the terms that rows of a copy go on under when an erasure writes them anew: nothing lives longer."""
    oldest = min(live, key=lambda row: row.published_at)
    ends = [row.expires_at for row in live if row.expires_at is not None]
    return {
        "inputs_hash": bytes(oldest.inputs_hash),
        "published_at": oldest.published_at,
        "expires_at": min(ends, default=None),
    }


def unchanged(
    conn: sa.Connection, copy_name: str, inputs_hash: bytes, now: datetime
) -> frozenset[str] | None:
    """Return the objects of a copy that was published from these very inputs and has time left, or None."""
    rows = conn.execute(
        copy_item.select().where(copy_item.c.copy_name == copy_name, copy_item.c.state != "removed")
    ).all()
    current = [
        row
        for row in rows
        if row.state == "live"
        and bytes(row.inputs_hash) == inputs_hash
        and (row.expires_at is None or row.expires_at > now)
    ]
    return frozenset(row.item for row in current) if rows and len(current) == len(rows) else None
