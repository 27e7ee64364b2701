"""Opening the SQLite database of a Health Connect export: in memory, for reading only, and as hostile until shown sound.

No page of it touches the disk: SQLite is given the bytes and keeps what it sorts in memory, too. Of the database's own
SQL nothing runs: what is read are stored columns of real tables, never views, virtual tables or generated columns (SQLite
documentation, "Defense Against The Dark Arts"). The integrity check of SQLite would run some, so pages are judged
otherwise: rows have to come in the order of their numbers, and after no more work than the file's size explains.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from shelflife.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shelflife.sources.containers import ByteStream

MAGIC = b"SQLite format 3\0"
HEADER_BYTES = 100
MAX_BYTES = 1024 * 1024 * 1024
"""Largest database that is read. Real exports hold 50 to 100 MB; it takes twice its size while it is opened."""

_READ_BYTES = 1024 * 1024
_LONGEST_VALUE = 16 * 1024 * 1024
_MOST_TABLES = 250
_STEPS_BETWEEN_CHECKS = 10_000
# A scan takes two or three steps for a byte of rows; a tree that leads in circles takes any number.
_STEPS_PER_BYTE, _FREE_STEPS = 20, 20_000_000
_WRITE_VERSION, _READ_VERSION, _ROLLBACK_JOURNAL = 18, 19, 1
_SETTINGS = (
    "PRAGMA trusted_schema = OFF",
    "PRAGMA query_only = ON",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cell_size_check = ON",
)


class Database:
    """A database that is open for reading.

    Attributes:
        tables: names of its real tables.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        kinds = list(
            self.select("SELECT name, type, rootpage FROM sqlite_master WHERE type IN ('table', 'view')")
        )
        if len(kinds) > _MOST_TABLES:
            raise _damaged()
        # A virtual table has no page of its own.
        self.tables = frozenset(name for name, kind, page in kinds if kind == "table" and page)
        self._not_tables = frozenset(name for name, _, _ in kinds) - self.tables

    def has(self, table: str) -> bool:
        """Return whether there is a real table of this name.

        Raises:
            SourceError: something else goes by this name.
        """
        if table in self._not_tables:
            raise SourceError(
                "A table of the database is a view or a virtual table.",
                remedy="Health Connect exports have none; this file is made to harm. Do not land it.",
            )
        return table in self.tables

    def columns(self, table: str) -> frozenset[str]:
        """Return the names of the stored columns of a table; generated ones are left out."""
        return frozenset(column[1] for column in self.select(f"PRAGMA table_info({quoted(table)})"))

    def count(self, table: str) -> int:
        """Return the number of rows of a table; 0 when there is none of this name."""
        if not self.has(table):
            return 0
        # count(*) would be one step, however long it takes.
        ((rows,),) = self.select(f"SELECT sum(1) FROM {quoted(table)} NOT INDEXED")
        return int(rows or 0)

    def scan(self, table: str, columns: Sequence[str], rest: str = "") -> Iterator[tuple[Any, ...]]:
        """Yield columns of every row of a table, which the statement calls `t`, in the order of the rows' numbers.

        Args:
            table: name of a table.
            columns: SQL expressions.
            rest: what follows in the statement, such as a LEFT JOIN that finds at most one row.

        Raises:
            SourceError: as `select`; also when the pages of the table lead in circles.
        """
        before: int | None = None
        statement = f"SELECT t.rowid, {', '.join(columns)} FROM {quoted(table)} AS t NOT INDEXED {rest}"
        for number, *row in self.select(statement):
            if not isinstance(number, int) or (before is not None and number <= before):
                raise _damaged()
            before = number
            yield tuple(row)

    def select(self, statement: str) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a statement.

        Raises:
            SourceError: the database is damaged, or reading it takes more work than its size explains.
        """
        try:
            yield from self._connection.execute(statement)
        except (sqlite3.Error, OverflowError, MemoryError):
            raise _damaged() from None


@contextmanager
def open_database(stream: ByteStream) -> Iterator[Database]:
    """Open the database that a stream holds.

    Raises:
        SourceError: it is larger than `MAX_BYTES`, damaged, or no database.
    """
    content = _content(stream)
    steps_left = _FREE_STEPS + _STEPS_PER_BYTE * len(content)

    def out_of_steps() -> int:
        nonlocal steps_left
        steps_left -= _STEPS_BETWEEN_CHECKS
        return int(steps_left < 0)

    connection = sqlite3.connect(":memory:")
    try:
        try:
            connection.deserialize(content)
        except (sqlite3.Error, OverflowError, MemoryError):
            raise _damaged() from None
        # SQLite has its own copy now.
        content.clear()
        connection.text_factory = _text
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_VALUE)
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        for setting in _SETTINGS:
            connection.execute(setting)
        connection.set_progress_handler(out_of_steps, _STEPS_BETWEEN_CHECKS)
        connection.set_authorizer(_judge)
        yield Database(connection)
    finally:
        connection.close()


def quoted(name: str) -> str:
    """Return a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _content(stream: ByteStream) -> bytearray:
    content = bytearray()
    while chunk := stream.read(_READ_BYTES):
        content += chunk
        if len(content) > MAX_BYTES:
            raise SourceError(
                f"A database is larger than {MAX_BYTES} bytes.",
                remedy="It is read in memory, since nothing may be written unencrypted. Land it in parts.",
            )
    if len(content) < HEADER_BYTES or not content.startswith(MAGIC):
        raise _damaged()
    # A database left in write-ahead mode opens only beside its log; its pages are the same in the other mode
    # (SQLite documentation, sqlite3_deserialize).
    content[_WRITE_VERSION] = content[_READ_VERSION] = _ROLLBACK_JOURNAL
    return content


def _judge(
    action: int, first: str | None, second: str | None, _database: str | None, inside: str | None
) -> int:
    """Allow reading of tables, and of nothing that the database itself defines (`inside` names a view or trigger)."""
    allowed = inside is None and (
        action in {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ}
        or (action == sqlite3.SQLITE_FUNCTION and second == "sum")
        or (action == sqlite3.SQLITE_PRAGMA and first == "table_info")
    )
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


def _text(content: bytes) -> str:
    return content.decode("utf-8", "replace")


def _damaged() -> SourceError:
    return SourceError(
        "The database is truncated, damaged or made to harm.",
        remedy="Export the data again on the phone; nothing of it was landed.",
    )
