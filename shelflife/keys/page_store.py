"""Sealed pages in the control database: read and written in bulk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shelflife.control.bulk import select_in, write_rows
from shelflife.control.tables import key_page
from shelflife.errors import KeyTreeUnopenable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import sqlalchemy as sa

# Bounds a statement to about 8 MB.
_PAGES_A_STATEMENT = 1_000


class PageStore:
    """The sealed pages of one zone."""

    def __init__(self, zone: str) -> None:
        self._zone = zone

    def fetch(self, conn: sa.Connection, level: int, numbers: Sequence[int]) -> dict[int, bytes]:
        """Return the blobs of pages by number.

        Raises:
            KeyTreeUnopenable: one of them is missing.
        """
        fixed = {key_page.c.zone: self._zone, key_page.c.level: level}
        columns = (key_page.c.number, key_page.c.blob)
        blobs = {
            number: bytes(blob)
            for number, blob in select_in(conn, columns, fixed, key_page.c.number, numbers)
        }
        if len(blobs) != len(numbers):
            raise KeyTreeUnopenable(
                f"A page of the key tree (level {level}) is missing.",
                remedy="Restore the control database from a backup and replay the erasures since then.",
            )
        return blobs

    def write(self, conn: sa.Connection, level: int, blobs: Mapping[int, bytes]) -> None:
        """Write pages by number, new or in place of the old ones."""
        columns = (key_page.c.zone, key_page.c.level, key_page.c.number, key_page.c.blob)
        rows = ((self._zone, level, number, blob) for number, blob in blobs.items())
        write_rows(conn, columns, rows, replacing=[key_page.c.blob], at_once=_PAGES_A_STATEMENT)
