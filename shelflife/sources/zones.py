"""Time zones: wall-clock times into instants, with the hours that exist twice or not at all, and offsets of instants.

Zones are IANA names. An hour that exists twice is read as its first occurrence; one that the clock leaps over is read
with the offset from before the leap (PEP 495, fold=0). Both are marked, since no rule can know what was meant.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import polars as pl
import pyarrow as pa

from shelflife.signals.sample import UTC_MICROSECONDS

_ZONE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_+\-/]{0,39}")
_MINUTE = 60_000_000
_BEFORE_ANY_LEAP = 3 * 60 * _MINUTE
"""No two changes of a zone's offset lie closer together than this."""


@dataclass(frozen=True)
class Placed:
    """Wall-clock times of a zone as instants, one per row.

    Attributes:
        utc: timestamp[us, UTC]; null where the wall-clock time is.
        offset_min: minutes east of UTC, int16.
        doubtful: whether the wall-clock time exists twice or not at all in the zone.
    """

    utc: pa.Array
    offset_min: pa.Array
    doubtful: pa.Array


@lru_cache(maxsize=65_536)
def is_zone(name: str | None) -> bool:
    """Return whether there is an IANA time zone of this name."""
    return offsets_at(name, pa.array([0], pa.int64())) is not None


def offsets_at(name: str | None, utc: pa.Array) -> pa.Array | None:
    """Return the minutes east of UTC of a zone at instants (int16, zero for null); None when there is no such zone."""
    if not _ZONE_NAME.fullmatch(name or ""):
        return None
    try:
        local = _instants(utc).dt.convert_time_zone(name or "")
    except pl.exceptions.PolarsError:
        return None
    return _arrow(_offset(local).fill_null(0).cast(pl.Int16))


def place(name: str, wall: pa.Array) -> Placed:
    """Place wall-clock times, given as if they were UTC, in a zone.

    Args:
        name: an existing zone (`is_zone`).
        wall: timestamp[us, UTC] or microseconds, the clock's reading taken as UTC.
    """
    clock = _instants(wall).dt.replace_time_zone(None)
    first = clock.dt.replace_time_zone(name, ambiguous="earliest", non_existent="null")
    last = clock.dt.replace_time_zone(name, ambiguous="latest", non_existent="null")
    missing = first.is_null() & clock.is_not_null()
    earlier = (clock.cast(pl.Int64) - _BEFORE_ANY_LEAP).cast(pl.Datetime("us"))
    before = earlier.dt.replace_time_zone(name, ambiguous="earliest", non_existent="null")
    minutes = _offset(first).fill_null(_offset(before))
    micros = clock.cast(pl.Int64) - minutes.cast(pl.Int64) * _MINUTE
    doubtful = missing | (first.cast(pl.Int64) != last.cast(pl.Int64)).fill_null(value=False)
    return Placed(
        _arrow(micros).cast(UTC_MICROSECONDS), _arrow(minutes.cast(pl.Int16, strict=False)), _arrow(doubtful)
    )


def _offset(local: pl.Series) -> pl.Series:
    minutes: pl.Series = (local.dt.base_utc_offset() + local.dt.dst_offset()).dt.total_minutes()
    return minutes


def _instants(times: pa.Array) -> pl.Series:
    numbers = times.cast(pa.int64())
    series = pl.from_arrow(pa.chunked_array([numbers], pa.int64()))
    assert isinstance(series, pl.Series)  # noqa: S101 (narrows the type: a chunked array becomes a series)
    return series.cast(pl.Datetime("us", "UTC"))


def _arrow(series: pl.Series) -> pa.Array:
    array = series.to_arrow()
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
