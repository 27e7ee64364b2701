"""The opened inner pages above some leaves, for the length of one operation on the key tree.

Nothing here outlives its operation: a cache of keys would have to be part of every erasure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shelflife.keys import pages
from shelflife.keys.pages import SLOT_BITS, TOP_LEVEL

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import sqlalchemy as sa

    from shelflife.keys.page_store import PageStore


class Branches:
    """Inner pages in clear, with the key of every page that hangs from them.

    Args:
        zone: the tree's zone.
        store: where the sealed pages are.
        conn: the connection that all pages are read and written through.
        root_key: key of the page at the top.
    """

    def __init__(self, zone: str, store: PageStore, conn: sa.Connection, root_key: bytes) -> None:
        self._zone = zone
        self._store = store
        self._conn = conn
        self._keys = {(TOP_LEVEL, 0): root_key}
        self._inner: dict[tuple[int, int], bytearray] = {}
        self._changed: set[tuple[int, int]] = set()

    def start(self) -> None:
        """Begin a new tree: an empty page at the top."""
        self._inner[TOP_LEVEL, 0] = bytearray(pages.PAGE_BYTES)

    def open(self, leaves: Iterable[int]) -> list[int]:
        """Open every inner page above some leaves.

        Returns:
            Those of the leaves that exist, in order.
        """
        wanted = sorted(set(leaves))
        present = [0]
        for level in range(TOP_LEVEL, 0, -1):
            for number, plain in self._unsealed(level, present).items():
                self._inner[level, number] = bytearray(plain)
            below = SLOT_BITS * (level - 1)
            present = self._find_keys(level - 1, sorted({leaf >> below for leaf in wanted}))
        return present

    def leaves(self, numbers: Sequence[int]) -> dict[int, bytes]:
        """Open leaves whose inner pages are open."""
        return self._unsealed(0, numbers)

    def add_leaves(self, plain: dict[int, bytes]) -> None:
        """Seal and write leaves: an existing one under the key it has, a new one under a new key."""
        for number in plain:
            if (0, number) not in self._keys:
                self._renew_key(0, number)
        self._write(0, plain)

    def renew_leaves(self, plain: dict[int, bytes]) -> None:
        """Seal and write leaves under fresh keys."""
        for number in plain:
            self._renew_key(0, number)
        self._write(0, plain)

    def write_changed(self) -> None:
        """Seal and write the changed inner pages, each under the key it has."""
        for level in range(1, TOP_LEVEL + 1):
            numbers = sorted(number for at, number in self._changed if at == level)
            self._write(level, {number: bytes(self._inner[level, number]) for number in numbers})
        self._changed.clear()

    def renew_changed(self, root_key: bytes) -> None:
        """Give every changed inner page, and so every page above one, a fresh key; then write them.

        Args:
            root_key: the fresh key of the page at the top.
        """
        for level in range(1, TOP_LEVEL):
            for at, number in list(self._changed):
                if at == level:
                    self._renew_key(level, number)
        self._keys[TOP_LEVEL, 0] = root_key
        self._changed.add((TOP_LEVEL, 0))
        self.write_changed()

    def _find_keys(self, level: int, numbers: Sequence[int]) -> list[int]:
        """Take the keys of pages from their parents; return the pages that have one."""
        for number in numbers:
            parent = self._inner.get((level + 1, number >> SLOT_BITS))
            key = pages.slot(parent, number) if parent is not None else None
            if key is not None:
                self._keys[level, number] = key
        return [number for number in numbers if (level, number) in self._keys]

    def _renew_key(self, level: int, number: int) -> None:
        """Give a page a fresh key and put it into its parent, which is made if it is missing."""
        key = pages.new_key()
        self._keys[level, number] = key
        parent = (level + 1, number >> SLOT_BITS)
        if parent not in self._inner:
            self._inner[parent] = bytearray(pages.PAGE_BYTES)
            self._renew_key(*parent)
        pages.set_slot(self._inner[parent], number, key)
        self._changed.add(parent)

    def _unsealed(self, level: int, numbers: Sequence[int]) -> dict[int, bytes]:
        """Read and open pages whose keys are known."""
        return {
            number: pages.unseal(self._keys[level, number], blob, self._zone, level, number)
            for number, blob in self._store.fetch(self._conn, level, numbers).items()
        }

    def _write(self, level: int, plain: dict[int, bytes]) -> None:
        """Seal pages under the keys they have and write them."""
        blobs = {
            number: pages.seal(self._keys[level, number], page, self._zone, level, number)
            for number, page in plain.items()
        }
        self._store.write(self._conn, level, blobs)
