"""Reading date-times in bulk: wall-clock time, UTC offset, and what is missing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from shelflife.signals.sample import UTC_MICROSECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence

_ISO = r"^\s*(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)\s*(Z|z|[+-]\d\d:?\d\d)?\s*$"
_OFFSET = re.compile(r"[Zz]| ?(?P<sign>[+-])(?P<hours>\d\d):?(?P<minutes>[0-5]\d)", re.ASCII)
_MAX_OFFSET_MIN = 18 * 60
_YEAR_1800, _YEAR_2200 = -5_364_662_400_000_000, 7_258_118_400_000_000
US_TWELVE_HOUR = "%m/%d/%Y %I:%M:%S %p"
"""US month-first date with a 12-hour clock, as in Fitabase exports."""


@dataclass(frozen=True)
class Times:
    """Parsed date-times, one per row.

    Attributes:
        utc: timestamp[us, UTC]; a time without an offset is its wall-clock time read as UTC.
        offset_min: minutes east of UTC, int16; null when the text has none.
        problem: `no_time`, `bad_time` or null.
    """

    utc: pa.Array
    offset_min: pa.Array
    problem: pa.Array


def iso_times(texts: pa.Array) -> Times:
    """Read ISO 8601 date-times with or without offset, `T` or a space between, and a space before the offset."""
    if not len(texts):
        return Times(pa.array([], UTC_MICROSECONDS), pa.array([], pa.int16()), pa.array([], pa.string()))
    series = _series(texts)
    fast = _fixed_width(series)
    wall, offset = fast if fast is not None else _any_width(series)
    # A date-time of an impossible offset is as unusable as one of an impossible hour.
    wall = wall.zip_with(
        offset.is_null() | (offset.abs() <= _MAX_OFFSET_MIN), pl.Series([None], dtype=pl.Int64)
    )
    utc = wall - offset.fill_null(0) * 60_000_000
    return Times(_utc(utc), _arrow(offset.cast(pl.Int16, strict=False)), _problem(texts, wall))


def wall_times(texts: pa.Array, formats: Sequence[str]) -> Times:
    """Read wall-clock times by explicit formats (strptime directives), the first that fits."""
    series = _series(texts).str.strip_chars()
    wall = pl.Series([None] * len(series), dtype=pl.Int64)
    for pattern in formats:
        wall = wall.fill_null(_microseconds(series, pattern))
        if wall.null_count() == 0:
            break
    return Times(_utc(wall), pa.nulls(len(texts), pa.int16()), _problem(texts, wall))


def _fixed_width(series: pl.Series) -> tuple[pl.Series, pl.Series] | None:
    """Read `YYYY-MM-DD HH:MM:SS` with an optional `+HHMM`, when every row has the very same shape."""
    widths = series.str.len_bytes().unique()
    if widths.null_count() or len(widths) != 1 or widths[0] not in {19, 25}:
        return None
    separator = series[0][10:11]
    pattern = f"%Y-%m-%d{separator}%H:%M:%S"
    if separator not in " T":
        return None
    wall = _microseconds(series.str.slice(0, 19), pattern)
    if widths[0] == 19:
        offset = pl.repeat(None, len(series), dtype=pl.Int64, eager=True)
        return None if wall.null_count() else (wall, offset)
    # `+0200` after a space, or `+02:00`: the same width.
    offset = _offset_minutes(series.str.slice(19))
    return None if wall.null_count() or offset.null_count() else (wall, offset)


def _any_width(series: pl.Series) -> tuple[pl.Series, pl.Series]:
    parts = series.str.extract_groups(_ISO).struct.unnest()
    day, clock, zone = (parts.to_series(index) for index in range(3))
    clock = clock.str.replace(r"^(\d\d:\d\d)$", "$1:00")
    wall = _microseconds(day + "T" + clock, "%Y-%m-%dT%H:%M:%S%.f")
    return wall, _offset_minutes(zone)


def _offset_minutes(text: pl.Series) -> pl.Series:
    """Return minutes east of UTC; distinct offsets are few, so each is read once."""
    distinct = text.unique()
    minutes = [_one_offset(value) for value in distinct]
    return text.replace_strict(distinct, pl.Series(minutes, dtype=pl.Int64), return_dtype=pl.Int64)


def _one_offset(text: str | None) -> int | None:
    match = _OFFSET.fullmatch(text or "")
    if match is None:
        return None
    minutes = int(match["hours"] or 0) * 60 + int(match["minutes"] or 0)
    return -minutes if match["sign"] == "-" else minutes


def _microseconds(text: pl.Series, pattern: str) -> pl.Series:
    micros = text.str.to_datetime(pattern, time_unit="us", strict=False, exact=True).cast(pl.Int64)
    # A year of five digits fits the column, but not the calendars of those who read it.
    return micros.set(~micros.is_between(_YEAR_1800, _YEAR_2200), None)


def _problem(texts: pa.Array, wall: pl.Series) -> pa.Array:
    blank = pc.fill_null(pc.equal(pc.utf8_trim_whitespace(texts), ""), fill_value=True)
    none = pa.scalar(None, pa.string())
    return pc.if_else(blank, "no_time", pc.if_else(_arrow(wall.is_null()), "bad_time", none))


def _series(texts: pa.Array) -> pl.Series:
    series = pl.from_arrow(pa.chunked_array([texts], pa.string()))
    assert isinstance(series, pl.Series)  # noqa: S101 (narrows the type: a chunked array becomes a series)
    return series.cast(pl.String)


def _utc(micros: pl.Series) -> pa.Array:
    return pc.cast(_arrow(micros), UTC_MICROSECONDS)


def _arrow(series: pl.Series) -> pa.Array:
    array = series.to_arrow()
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
