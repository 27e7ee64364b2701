"""The local calendar day that a sample belongs to."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

_MINUTE = 60_000_000
_DAY = 24 * 60 * _MINUTE
_EVENING = 18 * 60 * _MINUTE


def local_date(
    signal: pa.Array, start_utc: pa.Array, end_utc: pa.Array, utc_offset_min: pa.Array
) -> pa.Array:
    """Return the local date of each sample.

    It is the date of the start; of the end for a `sleep_episode` (the day of waking up); and the next day for a
    `sleep_stage` that starts at or after 18:00, so that a whole night falls on the day of waking up.

    Args:
        signal: names of signals.
        start_utc: starts, timestamp[us, UTC].
        end_utc: ends, timestamp[us, UTC].
        utc_offset_min: minutes east of UTC, int16; null means that the times are wall-clock times read as UTC.

    Returns:
        date32, null where there is no start.
    """
    shift = pc.multiply(pc.fill_null(pc.cast(utc_offset_min, pa.int64()), 0), _MINUTE)
    start = pc.add(pc.cast(start_utc, pa.int64()), shift)
    day = _floor_day(start)
    if pc.any(_is(signal, "sleep_episode")).as_py():
        end_day = _floor_day(pc.add(pc.cast(end_utc, pa.int64()), shift))
        day = pc.if_else(_is(signal, "sleep_episode"), end_day, day)
    if pc.any(_is(signal, "sleep_stage")).as_py():
        evening = pc.greater_equal(pc.subtract(start, pc.multiply(day, _DAY)), _EVENING)
        moved = pc.and_(_is(signal, "sleep_stage"), evening)
        day = pc.add(day, pc.cast(moved, pa.int64()))
    return pc.cast(pc.cast(day, pa.int32()), pa.date32())


def _is(signal: pa.Array, name: str) -> pa.Array:
    return pc.fill_null(pc.equal(signal, name), fill_value=False)


def _floor_day(local_microseconds: pa.Array) -> pa.Array:
    """Return days since 1970-01-01; division rounds towards zero, so days before need one less."""
    day = pc.divide(local_microseconds, _DAY)
    before = pc.less(pc.subtract(local_microseconds, pc.multiply(day, _DAY)), 0)
    return pc.subtract(day, pc.cast(before, pa.int64()))
