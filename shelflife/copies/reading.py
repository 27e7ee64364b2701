"""How applications and analysts read copies: always what stands now, never past an erasure or its time to live.

A reader may keep a file and its key only as long as the catalog says that the file stands for the copy: the commit
that erases somebody, or ends a copy's time to live, ends that too.
"""

from __future__ import annotations

from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from shelflife.control.tables import copy_item
from shelflife.copies.registry import declaration_of, opening_of
from shelflife.copies.sealed_cache import SealedCache
from shelflife.copies.tokens import copy_token
from shelflife.errors import ConfigurationError, SealBroken
from shelflife.subjects.directory import Alias, find

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    import duckdb
    import pyarrow as pa

    from shelflife.copies.items import KeyedItem, Opening
    from shelflife.estate import Estate

_TRIES = 3


class CacheReader:
    """Looks people up in one SQLite cache; one for each thread."""

    def __init__(self, estate: Estate, name: str, *, clock: Callable[[], datetime]) -> None:
        self._estate, self._name, self._clock = estate, name, clock
        self._opening = _opening(estate, name, "sqlite_cache")
        self._item: str | None = None
        self._file: SealedCache | None = None

    def close(self) -> None:
        """Close the file and forget its key."""
        if self._file is not None:
            self._file.close()
        self._file, self._item = None, None

    def token(self, name: Alias) -> bytes | None:
        """Return the token of the person behind an alias, or None where nobody is.

        Raises:
            KeyDestroyed: the person is erased.
        """
        with self._estate.database.read() as conn:
            person = find(self._estate, conn, [name]).get(name)
            return None if person is None else copy_token(self._estate, conn, self._name, person.subject_id)

    def get(self, token: bytes, dataset: str) -> pa.Table | None:
        """Return one person's rows of a dataset; None where there are none, or the copy is not there (any more).

        Raises:
            SealBroken: the file was altered.
        """
        for _ in range(_TRIES):
            item = self._current()
            if item is None:
                self.close()
                return None
            try:
                return self._file_of(item).get(token, dataset)
            except SealBroken:
                # A file that was replaced meanwhile is overwritten under its readers.
                self.close()
                if self._current() == item:
                    raise
        return None

    def _current(self) -> str | None:
        """Return the object that stands for the copy now, unless its time is over."""
        query = sa.select(copy_item.c.item, copy_item.c.expires_at).where(
            copy_item.c.copy_name == self._name, copy_item.c.state == "live"
        )
        with self._estate.database.read() as conn:
            row = conn.execute(query).one_or_none()
        if row is None or (row.expires_at is not None and row.expires_at <= self._clock()):
            return None
        return str(row.item)

    def _file_of(self, item: str) -> SealedCache:
        if self._file is None or self._item != item:
            self.close()
            key = next((one.key for one in self._opening.items.live() if one.item == item), None)
            if key is None:
                raise SealBroken("A copy's key is gone.", remedy="Publish the copy again.")
            self._file = SealedCache(Path(self._opening.location) / item, item=item, key=key)
            self._item = item
        return self._file


@contextmanager
def cache(estate: Estate, name: str, *, clock: Callable[[], datetime]) -> Iterator[CacheReader]:
    """Open a SQLite cache for the life of the block.

    Raises:
        ConfigurationError: no such copy is declared, or it is of another kind.
    """
    with closing(CacheReader(estate, name, clock=clock)) as reader:
        yield reader


@contextmanager
def mart(estate: Estate, name: str, *, clock: Callable[[], datetime]) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a DuckDB mart, read-only, for the life of the block; it reaches no file, network or setting.

    An erasure that happens meanwhile overwrites the file: queries fail from then on, and the mart is opened anew.

    Raises:
        ConfigurationError: no such copy is declared, it is of another kind, or it was not published (any more).
        SealBroken: the file was altered.
    """
    from shelflife.copies.duckdb_connections import CATALOG  # noqa: PLC0415  only for marts
    from shelflife.copies.duckdb_files import opened  # noqa: PLC0415

    opening = _opening(estate, name, "duckdb_mart")
    item = _standing_item(opening, clock())
    with opened(Path(opening.location) / item.item, key=item.key) as connection:
        connection.execute(f"USE {CATALOG}")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        yield connection


def _standing_item(opening: Opening, now: datetime) -> KeyedItem:
    for item in opening.items.live():
        if item.expires_at is None or item.expires_at > now:
            return item
    raise ConfigurationError(
        "The copy is not published, or its time to live is over.", remedy="Run `shelflife copy publish`."
    )


def _opening(estate: Estate, name: str, kind: str) -> Opening:
    declaration = declaration_of(estate.settings, name)
    if declaration.kind != kind:
        raise ConfigurationError(
            f"The copy {name} is of the kind {declaration.kind}.", remedy=f"Name a copy of the kind {kind}."
        )
    return opening_of(estate, declaration)
