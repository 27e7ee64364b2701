"""The control database as files: one compressed Arrow stream for each table, read from one snapshot.

The dump is the same for SQLite and for PostgreSQL, so that a backup of one can be restored into the other. What is sealed
in the database is sealed in the dump; nothing is opened on the way.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import sqlalchemy as sa

from shelflife.control import subject_tables, tables
from shelflife.control.bulk import write_rows
from shelflife.control.types import UtcDateTime
from shelflife.errors import SealBroken
from shelflife.seal.files import WrittenFile, stored, write_atomically

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator, Sequence
    from pathlib import Path

# Bounds memory to about 8 MB of key pages.
_ROWS_AT_ONCE = {tables.key_page.name: 1_000}
_ROWS = 10_000
_OPTIONS = pa.ipc.IpcWriteOptions(compression="zstd")


def all_tables() -> list[sa.Table]:
    """Return the tables of the control database, referenced ones before those that refer to them."""
    # Both modules that add tables are imported here, so that their one metadata is whole.
    return list(subject_tables.subject.metadata.sorted_tables)


def dump_table(conn: sa.Connection, table: sa.Table, path: Path) -> WrittenFile:
    """Write every row of a table as the snapshot of `conn` sees it.

    Raises:
        StorageError: the file cannot be written.
    """
    written = 0

    def write(sink: io.RawIOBase) -> None:
        nonlocal written
        with pa.ipc.new_stream(sink, schema_of(table), options=_OPTIONS) as stream:
            for rows in _pages(conn, table):
                stream.write_batch(_batch(table, rows))
                written += len(rows)

    file = write_atomically(path, write, 0)
    return WrittenFile(file.bytes, file.sha256, written)


def load_table(conn: sa.Connection, table: sa.Table, path: Path) -> int:
    """Insert every row of a dump into an empty table; return how many.

    Raises:
        SealBroken: the file is damaged, or of another schema.
        StorageError: it cannot be read.
    """
    plain = all(_is_plain(column) for column in table.columns)
    loaded = 0
    for batch in read_table(table, path):
        columns = [batch.column(column.name).to_pylist() for column in table.columns]
        rows = list(zip(*columns, strict=True))
        if plain:
            write_rows(conn, list(table.columns), rows, at_once=_ROWS_AT_ONCE.get(table.name, _ROWS))
        elif rows:
            conn.execute(table.insert(), [_row(table, row) for row in rows])
        loaded += len(rows)
    return loaded


def read_table(table: sa.Table, path: Path) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a dump, some thousands at a time.

    Raises:
        SealBroken: the file is damaged, or of another schema.
        StorageError: it cannot be read.
    """
    with stored(path) as file:
        try:
            with pa.ipc.open_stream(file) as stream:
                if stream.schema != schema_of(table):
                    raise _damaged(table)
                yield from stream
        except (pa.ArrowException, OSError):
            raise _damaged(table) from None


def schema_of(table: sa.Table) -> pa.Schema:
    """Return the Arrow schema of a table's dump."""
    return pa.schema(
        [
            pa.field(column.name, _arrow_type(column), nullable=bool(column.nullable))
            for column in table.columns
        ]
    )


def _pages(conn: sa.Connection, table: sa.Table) -> Iterator[Sequence[Any]]:
    """Yield a table's rows in the order of its primary key; each page starts after the last row seen."""
    keys = list(table.primary_key.columns)
    positions = [list(table.columns).index(key) for key in keys]
    size = _ROWS_AT_ONCE.get(table.name, _ROWS)
    ordered = sa.select(table).order_by(*keys).limit(size)
    rows: Sequence[Any] = conn.execute(ordered).all()
    while rows:
        yield rows
        if len(rows) < size:
            return
        last = [
            sa.literal(rows[-1][position], key.type) for position, key in zip(positions, keys, strict=True)
        ]
        rows = conn.execute(ordered.where(sa.tuple_(*keys) > sa.tuple_(*last))).all()


def _batch(table: sa.Table, rows: Sequence[Any]) -> pa.RecordBatch:
    schema = schema_of(table)
    columns = []
    for position, column in enumerate(table.columns):
        values = [row[position] for row in rows]
        if isinstance(column.type, sa.JSON):
            values = [json.dumps(value) for value in values]
        columns.append(pa.array(values, type=schema.field(column.name).type))
    return pa.record_batch(columns, schema=schema)


def _row(table: sa.Table, values: Sequence[Any]) -> dict[str, Any]:
    return {
        column.name: json.loads(value) if isinstance(column.type, sa.JSON) else value
        for column, value in zip(table.columns, values, strict=True)
    }


def _arrow_type(column: sa.Column[Any]) -> pa.DataType:
    kind = column.type
    if isinstance(kind, UtcDateTime):
        return pa.timestamp("us", tz="UTC")
    if isinstance(kind, sa.Boolean):
        return pa.bool_()
    if isinstance(kind, sa.LargeBinary):
        return pa.binary()
    if isinstance(kind, sa.Integer):
        return pa.int64()
    if isinstance(kind, sa.JSON | sa.String):
        return pa.string()
    raise TypeError(column.name)


def _is_plain(column: sa.Column[Any]) -> bool:
    """Tell whether a column's values go to the driver as they are."""
    return not isinstance(column.type, UtcDateTime | sa.Boolean | sa.JSON)


def _damaged(table: sa.Table) -> SealBroken:
    return SealBroken(
        f"The backup's file of the table {table.name!r} is damaged or of another version.",
        remedy="Restore another backup, or use the version of shelflife that made this one.",
    )
