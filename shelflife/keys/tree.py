"""The key tree of a zone: keys that can be destroyed in every copy of the database that holds them.

A wrapping tree (Reardon, Ritzdorf, Basin, Capkun: Secure Data Deletion from Persistent Media, CCS 2013). Leaf pages
hold keys, inner pages hold the keys of the pages below them, and the key of the top page is the root key, which only
the root slot holds. Destroying keys gives the touched leaves and everything above them fresh keys; once the old root key
is gone, no older copy of the pages leads to the destroyed keys any more.

The order of a destruction is: new root key into the slot, database committed, old root key retired, and after the
finality window destroyed. `recover` reconciles slot and database when a crash came in between. A generation's number
is never used twice, so that a late clean-up of a failed attempt cannot reach another one's root key.
"""

from __future__ import annotations

from collections import defaultdict
from enum import IntEnum
from typing import TYPE_CHECKING

import sqlalchemy as sa

from shelflife.control.bulk import chunks
from shelflife.control.crashpoints import reached
from shelflife.control.tables import key_counter, key_tree
from shelflife.errors import ConfigurationError, KeyTreeUnopenable
from shelflife.keys import pages
from shelflife.keys.branches import Branches
from shelflife.keys.page_store import PageStore
from shelflife.keys.pages import KEY_BYTES, SLOT_BITS, SLOTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime, timedelta

    from shelflife.control.database import Transaction
    from shelflife.keys.slots import RootKey, RootSlot

KEYS_A_KIND = 2**30
"""Numbers that each kind of key has for itself; four kinds fill the 256^4 slots of a tree."""

# Bounds the plaintext keys in memory: 1,024 pages of 8 KiB.
_LEAVES_AT_ONCE = 1_024

_ALL_KEYS = 4 * KEYS_A_KIND

_RESTORED = (
    "Restore the newest backup of the control database that was taken within the finality window, then replay the "
    "erasures since that backup."
)


class KeyKind(IntEnum):
    """What a key is for; each kind has its own range of numbers."""

    KEYRING = 0
    PARTITION = 1
    FILE = 2
    SECRET = 3


class KeyTree:
    """The key tree of one zone.

    Holds no key and no page between calls. Writes need the transaction's write lock, which orders processes.

    Args:
        zone: the zone's name; every page is bound to it.
        slot: where the zone's root keys are.
    """

    def __init__(self, zone: str, slot: RootSlot) -> None:
        self.zone = zone
        self._slot = slot
        self._store = PageStore(zone)

    def exists(self, conn: sa.Connection) -> bool:
        """Tell whether the database has this zone's tree."""
        return self._stored_generation(conn) is not None

    def generation(self, conn: sa.Connection) -> int:
        """Return the number of the tree's generation; every destruction ends with a new one.

        Raises:
            KeyTreeUnopenable: the database has no tree for this zone.
        """
        generation = self._stored_generation(conn)
        if generation is None:
            raise KeyTreeUnopenable(
                "The control database has no key tree here.", remedy="Run `shelflife init`."
            )
        return generation

    def create(self, tx: Transaction, now: datetime) -> None:
        """Make an empty tree with a first root key.

        Raises:
            ConfigurationError: the database has this zone's tree already.
        """
        if self.exists(tx.conn):
            raise ConfigurationError("The zone has a key tree already.", remedy="Open it instead.")
        tx.conn.execute(sa.insert(key_tree).values(zone=self.zone, generation=0))
        branches = Branches(self.zone, self._store, tx.conn, pages.new_key())
        branches.start()
        self._replace_root(tx, branches, now)

    def insert(self, tx: Transaction, kind: KeyKind, count: int) -> range:
        """Make fresh random keys.

        Args:
            tx: the transaction that they become part of.
            kind: what they are for.
            count: how many.

        Returns:
            Their numbers; no number is ever used again.
        """
        return self._insert(tx, kind, count, alignment=1)

    def insert_groups(self, tx: Transaction, kind: KeyKind, groups: int, size: int) -> range:
        """Make groups of fresh random keys, each group within one page.

        Args:
            tx: the transaction that they become part of.
            kind: what they are for.
            groups: how many groups.
            size: keys in a group; divides 256.

        Returns:
            The number of each group's first key.
        """
        if size < 1 or SLOTS % size:
            raise ValueError("The size of a group must divide 256.")
        numbers = self._insert(tx, kind, groups * size, alignment=size)
        return range(numbers.start, numbers.stop, size)

    def lookup(self, conn: sa.Connection, numbers: Sequence[int]) -> list[bytes | None]:
        """Return keys in the order of their numbers; None for one that was destroyed or never made.

        Each page is opened once, whatever the order and number of keys in it.

        Raises:
            KeyTreeUnopenable: the root key is gone, or a page was altered.
        """
        found: dict[int, bytes | None] = {}
        wanted = _by_leaf(numbers)
        if wanted:
            branches = self._branches(conn)
            for leaves in chunks(branches.open(wanted), _LEAVES_AT_ONCE):
                for leaf, page in branches.leaves(leaves).items():
                    for number in wanted[leaf]:
                        found[number] = pages.slot(page, number)
        return [found.get(number) for number in numbers]

    def destroy(self, tx: Transaction, numbers: Iterable[int], now: datetime) -> int:
        """Destroy keys: effective when the transaction commits, final when the old root key is destroyed.

        Gives every touched page and all above it fresh keys, in one pass for any number of keys. Destroying what is
        destroyed already changes nothing.

        Returns:
            How many keys were there to destroy.
        """
        branches = self._branches(tx.conn)
        wanted = _by_leaf(numbers)
        destroyed = 0
        for leaves in chunks(branches.open(wanted), _LEAVES_AT_ONCE):
            touched = {}
            for leaf, page in branches.leaves(leaves).items():
                cleared, count = _cleared(page, wanted[leaf])
                if count:
                    touched[leaf] = cleared
                    destroyed += count
            branches.renew_leaves(touched)
        if destroyed:
            self._replace_root(tx, branches, now)
        return destroyed

    def rotate(self, tx: Transaction, now: datetime) -> None:
        """Start a new root key without destroying a key: older copies of the database end with the old one."""
        branches = self._branches(tx.conn)
        branches.open([])
        self._replace_root(tx, branches, now)

    def finalize(self, tx: Transaction, now: datetime, window: timedelta) -> int:
        """Destroy, once the transaction commits, the root keys that were retired at least `window` ago.

        Returns:
            How many root keys that is.
        """
        current = self.generation(tx.conn)
        due = [
            root.generation
            for root in self._slot.read()
            if root.generation < current and root.retired_at is not None and root.retired_at + window <= now
        ]

        def destroy_due() -> None:
            for generation in due:
                self._slot.destroy(generation)
                reached("keys.finalize.root_destroyed")

        tx.after_commit(destroy_due)
        return len(due)

    def is_final(self, generation: int) -> bool:
        """Tell whether the destruction that ended with this generation can no longer be undone by any backup."""
        return all(root.generation >= generation for root in self._slot.read())

    def is_reconciled(self, conn: sa.Connection) -> bool:
        """Tell, without the write lock, whether slot and database agree; if not, `recover` has something to do."""
        current = self._stored_generation(conn)
        live = [root.generation for root in self._slot.read() if root.retired_at is None]
        return live == [current]

    def recover(self, tx: Transaction, now: datetime, *, restored: bool = False) -> None:
        """Reconcile slot and database after a crash.

        A newer root key than the database's was never committed and is destroyed; older ones are retired. Under the
        write lock no other process can be about to commit the newer one. A database whose own root key is retired
        was committed past: it is an older copy, and taking it for a crash would destroy the living root.

        Args:
            tx: the transaction whose write lock this runs under.
            now: when the older root keys count as retired.
            restored: the caller knows that the database comes from a backup, and replays the erasures since.
                The tree then goes on under a new root key, and the lost database's root keys are retired.

        Raises:
            KeyTreeUnopenable: the slot has no root key for this database, or the database is an older copy.
        """
        current = self._current_root(tx.conn)
        if current.retired_at is not None:
            if not restored:
                raise KeyTreeUnopenable(
                    "The key database is an older copy: the root slot has moved past it.",
                    remedy="Put back the newer database, or restore this one on purpose and replay the erasures.",
                )
            self.rotate(tx, now)
            return
        for root in self._slot.read():
            if root.generation > current.generation:
                self._slot.destroy(root.generation)
        tx.after_commit(lambda: self._retire_before(current.generation, now))

    def _insert(self, tx: Transaction, kind: KeyKind, count: int, *, alignment: int) -> range:
        """Take numbers and fill their slots with random keys."""
        numbers = self._take_numbers(tx.conn, kind, count, alignment)
        if not numbers:
            return numbers
        branches = self._branches(tx.conn)
        leaves = range(numbers.start >> SLOT_BITS, (numbers.stop - 1 >> SLOT_BITS) + 1)
        # Numbers only grow, so that only the first leaf can have keys already.
        partial = branches.leaves([leaf for leaf in branches.open(leaves) if leaf == leaves.start])
        for chunk in chunks(leaves, _LEAVES_AT_ONCE):
            branches.add_leaves({leaf: _filled(partial.get(leaf), leaf, numbers) for leaf in chunk})
        branches.write_changed()
        return numbers

    def _take_numbers(self, conn: sa.Connection, kind: KeyKind, count: int, alignment: int) -> range:
        """Move the high-water mark of a kind past `count` numbers and return them."""
        here = (key_counter.c.zone == self.zone) & (key_counter.c.kind == int(kind))
        mark = conn.execute(sa.select(key_counter.c.next).where(here)).scalar()
        start = -(-(mark or 0) // alignment) * alignment
        if count < 0 or start + count > KEYS_A_KIND:
            raise ConfigurationError(
                "The key tree has no numbers left for this kind of key.", remedy="Start a new estate."
            )
        if mark is None:
            conn.execute(sa.insert(key_counter).values(zone=self.zone, kind=int(kind), next=start + count))
        else:
            conn.execute(sa.update(key_counter).where(here).values(next=start + count))
        first = int(kind) * KEYS_A_KIND + start
        return range(first, first + count)

    def _replace_root(self, tx: Transaction, branches: Branches, now: datetime) -> None:
        """Write the changed pages under fresh keys, ending with a new root key in a new generation."""
        before = self.generation(tx.conn)
        generation = max([before, *(root.generation for root in self._slot.read())]) + 1
        key = pages.new_key()
        branches.renew_changed(key)
        here = key_tree.c.zone == self.zone
        tx.conn.execute(sa.update(key_tree).where(here).values(generation=generation))
        tx.on_rollback(lambda: self._discard(generation, key))
        self._slot.put(generation, key, now)
        reached("keys.destroy.root_put")
        tx.after_commit(lambda: self._retire_before(generation, now))

    def _discard(self, generation: int, key: bytes) -> None:
        """Destroy the root key of a generation that was not committed, if it is still the same one."""
        if any(root.generation == generation and root.key == key for root in self._slot.read()):
            self._slot.destroy(generation)

    def _retire_before(self, generation: int, now: datetime) -> None:
        """Retire every older root key than the one that was just committed."""
        reached("keys.destroy.committed")
        for root in self._slot.read():
            if root.generation < generation and root.retired_at is None:
                self._slot.retire(root.generation, now)
        reached("keys.destroy.root_retired")

    def _branches(self, conn: sa.Connection) -> Branches:
        """Start an operation at the root of the database's generation."""
        return Branches(self.zone, self._store, conn, self._current_root(conn).key)

    def _stored_generation(self, conn: sa.Connection) -> int | None:
        """Return the generation that the transaction sees, or None without a tree."""
        query = sa.select(key_tree.c.generation).where(key_tree.c.zone == self.zone)
        return conn.execute(query).scalar()

    def _current_root(self, conn: sa.Connection) -> RootKey:
        """Return the root key of the generation that the transaction sees.

        Raises:
            KeyTreeUnopenable: the slot no longer has it.
        """
        generation = self.generation(conn)
        for root in self._slot.read():
            if root.generation == generation:
                return root
        raise KeyTreeUnopenable("The root slot has no key for this key database.", remedy=_RESTORED)


def _by_leaf(numbers: Iterable[int]) -> dict[int, list[int]]:
    """Group key numbers by the leaf that they are in."""
    grouped: defaultdict[int, list[int]] = defaultdict(list)
    for number in numbers:
        if not 0 <= number < _ALL_KEYS:
            raise ValueError("A key number is out of range.")
        grouped[number >> SLOT_BITS].append(number)
    return dict(grouped)


def _cleared(page: bytes, numbers: Iterable[int]) -> tuple[bytes, int]:
    """Return a page without some keys, and how many it had of them."""
    cleared = bytearray(page)
    count = 0
    for number in numbers:
        if pages.slot(cleared, number) is not None:
            pages.set_slot(cleared, number, pages.EMPTY)
            count += 1
    return bytes(cleared), count


def _filled(page: bytes | None, leaf: int, numbers: range) -> bytes:
    """Return a page with random keys in those of its slots that `numbers` covers."""
    first = leaf * SLOTS
    start = max(numbers.start - first, 0)
    stop = min(numbers.stop - first, SLOTS)
    before = page or bytes(pages.PAGE_BYTES)
    return before[: start * KEY_BYTES] + pages.random_keys(stop - start) + before[stop * KEY_BYTES :]
