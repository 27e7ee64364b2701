"""Building batches of parsed rows from the few columns that a source has."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shelflife.signals.local_date import local_date
from shelflife.signals.rules import apply_rules
from shelflife.signals.sample import MAX_BATCH_ROWS, PARSED_SCHEMA

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Mapping, Sequence

Column: TypeAlias = "pa.Array | str | int | None"
"""A column by row, or one value for every row."""


def parsed_batch(count: int, columns: Mapping[str, Column], *, now: dt.datetime) -> pa.RecordBatch:
    """Return a batch of `PARSED_SCHEMA`: columns not given are null, local dates and row rules are applied.

    Args:
        count: number of rows.
        columns: arrays of `count` rows, or a value for every row. `end_utc` defaults to `start_utc`.
        now: what counts as the present for the rules.
    """
    arrays = {name: _array(columns.get(name), name, count) for name in PARSED_SCHEMA.names}
    if "end_utc" not in columns:
        arrays["end_utc"] = arrays["start_utc"]
    if "local_date" not in columns:
        when = (arrays[name] for name in ("signal", "start_utc", "end_utc", "utc_offset_min"))
        arrays["local_date"] = local_date(*when)
    rows = pa.RecordBatch.from_arrays([arrays[name] for name in PARSED_SCHEMA.names], schema=PARSED_SCHEMA)
    return apply_rules(rows, now=now)


def broken_batch(
    texts: Sequence[str], positions: Sequence[int], columns: Mapping[str, Column], *, now: dt.datetime
) -> pa.RecordBatch:
    """Return rows for records that cannot be split into fields: their text, for quarantine."""
    full = {
        **columns,
        "value_raw": pa.array(texts, pa.string()),
        "record_path": pa.array([f"#{position}" for position in positions], pa.string()),
        "problem": "bad_record",
    }
    return parsed_batch(len(texts), full, now=now)


def with_positions(rows: pa.RecordBatch, positions: Sequence[int]) -> pa.RecordBatch:
    """Add the record number to `record_path` (`EGV#17`) in rows that have a problem."""
    bad = np.flatnonzero(np.asarray(pc.is_valid(rows.column("problem"))))
    if not len(bad):
        return rows
    index = PARSED_SCHEMA.get_field_index("record_path")
    names = rows.column(index).to_numpy(zero_copy_only=False).copy()
    names[bad] = [f"{names[row] or ''}#{positions[row]}" for row in bad.tolist()]
    return rows.set_column(index, PARSED_SCHEMA.field(index), pa.array(names, pa.string()))


def in_batches(rows: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Yield rows in batches of at most `MAX_BATCH_ROWS`."""
    for start in range(0, rows.num_rows, MAX_BATCH_ROWS):
        yield rows.slice(start, MAX_BATCH_ROWS)


def numbers(texts: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Parse texts as numbers with a decimal point.

    Returns:
        The numbers (null where there is none, or where it is not finite) and the problem (`missing_value`,
        `bad_number` or null).
    """
    trimmed = pc.utf8_trim_whitespace(texts)
    plain = pc.match_substring_regex(trimmed, _NUMBER)
    value = pc.cast(pc.if_else(plain, trimmed, _NO_TEXT), pa.float64())
    value = pc.if_else(pc.is_finite(value), value, pa.scalar(None, pa.float64()))
    absent = pc.or_(pc.is_null(texts), pc.fill_null(pc.is_in(trimmed, value_set=_NO_VALUES), fill_value=True))
    problem = pc.if_else(absent, "missing_value", pc.if_else(pc.is_null(value), "bad_number", _NO_TEXT))
    return value, problem


def _array(column: Column, name: str, count: int) -> pa.Array:
    kind = PARSED_SCHEMA.field(name).type
    if column is None:
        return pa.nulls(count, kind)
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if not isinstance(column, pa.Array):
        return pa.repeat(pa.scalar(column, kind), count)
    return column if column.type == kind else pc.cast(column, kind)


_NUMBER = r"^[+-]?(?:\d{1,30}(?:\.\d{0,30})?|\.\d{1,30})(?:[eE][+-]?\d{1,3})?$"
_NO_TEXT = pa.scalar(None, pa.string())
_NO_VALUES = pa.array(["", "NaN", "nan", "NA", "null", "None"])
