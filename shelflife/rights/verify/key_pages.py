"""A second reader of the key trees: root slot files and sealed pages, read as their description says.

    slot file   JSON {"format": 1, "roots": [{"generation", "key" (hex), "created_at", "retired_at"}]}
    page        0x01 || nonce (12) || AES-256-GCM of 256 keys of 32 bytes || tag (16)
    bound to    "shelflife/v1/key-page" || 0x01 || length (u16) || zone || level (u8) || number (u64)

The page at the top is level 3, number 0; slot `n % 256` of page `n // 256` one level up holds the key of page `n`, and
a leaf's slots hold the keys themselves. A slot of zeros is empty.
"""

from __future__ import annotations

import datetime as dt
import json
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import sqlalchemy as sa

from shelflife.control.tables import key_page, key_tree
from shelflife.rights.verify.primitives import opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

TOP = 3
SLOTS = 256
KINDS = {"keyring": 0, "partition": 1, "file": 2, "secret": 3}
KEYS_A_KIND = 2**30
_KEY_BYTES = 32
_PAGE_BYTES = SLOTS * _KEY_BYTES
_LEAVES_KEPT = 2_048

PageRow = tuple[int, int, bytes]
"""Level, number and blob of a page."""


@dataclass(frozen=True)
class Root:
    """A root key as the slot file holds it."""

    generation: int
    key: bytes = field(repr=False)
    retired_at: dt.datetime | None


@dataclass
class ZoneKeys:
    """What opens of one zone's key tree.

    Attributes:
        zone: the zone.
        pages: how many pages opened.
        closed: levels and numbers of pages that do not open.
        missing: levels and numbers of pages that are led to and not there.
        stray: levels and numbers of pages that nothing leads to.
        occupied: by leaf, which of its 256 slots hold a key.
    """

    zone: str
    fetch: Callable[[int], bytes | None] = field(repr=False)
    pages: int = 0
    closed: list[tuple[int, int]] = field(default_factory=list)
    missing: list[tuple[int, int]] = field(default_factory=list)
    stray: list[tuple[int, int]] = field(default_factory=list)
    occupied: dict[int, NDArray[np.bool_]] = field(default_factory=dict, repr=False)
    _leaf_keys: dict[int, bytes] = field(default_factory=dict, repr=False)
    _opened: dict[int, bytes] = field(default_factory=dict, repr=False)

    @property
    def whole(self) -> bool:
        """Whether every page is there and opens."""
        return not (self.closed or self.missing or self.stray)

    def holds(self, number: int) -> bool:
        """Tell whether a key is there."""
        leaf = self.occupied.get(number // SLOTS)
        return leaf is not None and bool(leaf[number % SLOTS])

    def key(self, number: int) -> bytes | None:
        """Return a key; None where there is none."""
        if not self.holds(number):
            return None
        leaf = number // SLOTS
        if leaf not in self._opened:
            blob = self.fetch(leaf)
            plain = None if blob is None else open_page(self._leaf_keys[leaf], blob, self.zone, 0, leaf)
            if plain is None:
                return None
            if len(self._opened) >= _LEAVES_KEPT:
                self._opened.clear()
            self._opened[leaf] = plain
        start = number % SLOTS * _KEY_BYTES
        return self._opened[leaf][start : start + _KEY_BYTES]

    def numbers(self) -> Iterator[int]:
        """Yield the number of every key that is there, in order."""
        for leaf in sorted(self.occupied):
            yield from (leaf * SLOTS + np.flatnonzero(self.occupied[leaf])).tolist()

    def add(
        self, level: int, number: int, plain: bytes, key: bytes, below: dict[tuple[int, int], bytes]
    ) -> None:
        """Take in an opened page: what it leads to, or which keys it holds."""
        self.pages += 1
        filled: NDArray[np.bool_] = np.any(np.frombuffer(plain, np.uint8).reshape(SLOTS, _KEY_BYTES), axis=1)
        if level == 0:
            self.occupied[number] = filled
            self._leaf_keys[number] = key
            return
        for at in np.flatnonzero(filled).tolist():
            below[level - 1, number * SLOTS + at] = plain[at * _KEY_BYTES : (at + 1) * _KEY_BYTES]


def number_of(kind: str, index: int) -> int:
    """Return the number of the index-th key of a kind."""
    return KINDS[kind] * KEYS_A_KIND + index


def read_roots(path: Path) -> list[Root]:
    """Read a root slot file, oldest generation first; none when it is missing or not of this format."""
    try:
        document = json.loads(path.read_bytes())
        rows = document["roots"] if document["format"] == 1 else []
        roots = [Root(row["generation"], bytes.fromhex(row["key"]), _time(row["retired_at"])) for row in rows]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return sorted(roots, key=lambda root: root.generation)


def open_tree(
    zone: str, root_key: bytes, rows: Iterable[PageRow], fetch: Callable[[int], bytes | None]
) -> ZoneKeys:
    """Open every page of a tree, from the top down.

    Args:
        zone: the zone that the pages are bound to.
        root_key: the key of the page at the top.
        rows: every page, higher levels first.
        fetch: gives a leaf's blob again, for `ZoneKeys.key`.
    """
    found = ZoneKeys(zone, fetch)
    expected = {(TOP, 0): root_key}
    for level, number, blob in rows:
        key = expected.pop((level, number), None)
        if key is None:
            found.stray.append((level, number))
            continue
        plain = open_page(key, blob, zone, level, number)
        if plain is None:
            found.closed.append((level, number))
        else:
            found.add(level, number, plain, key, expected)
    found.missing = sorted(expected)
    return found


def open_page(key: bytes, blob: bytes, zone: str, level: int, number: int) -> bytes | None:
    """Open one page; None when it does not open here."""
    name = zone.encode()
    place = (
        b"shelflife/v1/key-page\x01" + struct.pack(">H", len(name)) + name + struct.pack(">BQ", level, number)
    )
    plain = opened(key, blob[1:13], blob[13:], place) if blob[:1] == b"\x01" else None
    return plain if plain is not None and len(plain) == _PAGE_BYTES else None


def living_tree(conn: sa.Connection, zone: str, roots: list[Root]) -> ZoneKeys | None:
    """Open a zone's tree in the control database; None when the slot has no key for its generation."""
    generation = conn.execute(sa.select(key_tree.c.generation).where(key_tree.c.zone == zone)).scalar()
    root = next((root for root in roots if root.generation == generation), None)
    if root is None:
        return None
    here = key_page.c.zone == zone
    query = sa.select(key_page.c.level, key_page.c.number, key_page.c.blob).where(here)
    ordered = query.order_by(key_page.c.level.desc(), key_page.c.number)
    rows = conn.execute(ordered.execution_options(yield_per=256))

    def fetch(leaf: int) -> bytes | None:
        found = sa.select(key_page.c.blob).where(here, key_page.c.level == 0, key_page.c.number == leaf)
        blob = conn.execute(found).scalar()
        return None if blob is None else bytes(blob)

    return open_tree(zone, root.key, ((row.level, row.number, bytes(row.blob)) for row in rows), fetch)


def stored_generation(conn: sa.Connection, zone: str) -> int | None:
    """Return the generation that the control database says a zone's tree is at."""
    return conn.execute(sa.select(key_tree.c.generation).where(key_tree.c.zone == zone)).scalar()


def _time(text: str | None) -> dt.datetime | None:
    return None if text is None else dt.datetime.fromisoformat(text)
