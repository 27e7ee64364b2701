"""Reading and writing many small rows, past the cost of one expression object a value.

SQLAlchemy spends about five microseconds a parameter on an `IN` list or an `executemany`; the drivers do the same work
in a fraction of one. Columns and tables come from `tables`, values are always bound.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import sqlalchemy as sa

T = TypeVar("T")

# SQLite takes 32,766 variables in a statement.
_VALUES_A_STATEMENT = 16_000


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Cut items into lists of at most `size`."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def select_in(
    conn: sa.Connection,
    columns: Sequence[sa.Column[Any]],
    fixed: Mapping[sa.Column[Any], object],
    wanted: sa.Column[Any],
    values: Iterable[object],
) -> Iterator[Sequence[Any]]:
    """Select rows by any number of values of one column.

    Args:
        conn: the connection.
        columns: what to select, all of one table; plain integers, texts or blobs.
        fixed: columns that must equal a value.
        wanted: the column that must equal one of `values`.
        values: the values, each at most once.
    """
    names = ", ".join(column.name for column in columns)
    on_server = conn.dialect.name == "postgresql"
    mark = "%s" if on_server else "?"
    conditions = "".join(f"{column.name} = {mark} AND " for column in fixed)
    start = f"SELECT {names} FROM {wanted.table.name} WHERE {conditions}{wanted.name}"
    for chunk in chunks(values, _VALUES_A_STATEMENT):
        if on_server:
            yield from conn.exec_driver_sql(f"{start} = ANY(%s)", (*fixed.values(), chunk)).all()
        else:
            marks = ",".join("?" * len(chunk))
            yield from conn.exec_driver_sql(f"{start} IN ({marks})", (*fixed.values(), *chunk)).all()


def write_rows(
    conn: sa.Connection,
    columns: Sequence[sa.Column[Any]],
    rows: Iterable[tuple[object, ...]],
    *,
    replacing: Sequence[sa.Column[Any]] = (),
    at_once: int = 10_000,
) -> None:
    """Insert rows of plain integers, texts or blobs.

    Args:
        conn: the connection.
        columns: the columns, all of one table.
        rows: the values, in the order of `columns`.
        replacing: the columns that a row takes over when its primary key exists already; an existing key is an
            error when none is named.
        at_once: rows in a statement; bounds memory when they are large.
    """
    table = columns[0].table
    names = ", ".join(column.name for column in columns)
    ending = ""
    if replacing:
        keys = ", ".join(column.name for column in table.primary_key.columns)
        changes = ", ".join(f"{column.name} = excluded.{column.name}" for column in replacing)
        ending = f" ON CONFLICT ({keys}) DO UPDATE SET {changes}"
    if conn.dialect.name == "postgresql":
        # One array a column: one round trip, whatever the number of rows.
        arrays = ", ".join(f"%s::{column.type.compile(conn.dialect)}[]" for column in columns)
        text = f"INSERT INTO {table.name} ({names}) SELECT * FROM unnest({arrays}){ending}"
        for chunk in chunks(rows, at_once):
            conn.exec_driver_sql(text, tuple(list(values) for values in zip(*chunk, strict=True)))
    else:
        marks = ", ".join("?" * len(columns))
        text = f"INSERT INTO {table.name} ({names}) VALUES ({marks}){ending}"
        for chunk in chunks(rows, at_once):
            conn.exec_driver_sql(text, chunk)
