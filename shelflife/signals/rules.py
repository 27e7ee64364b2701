"""Row rules: which parsed rows are samples, which are odd, and which cannot be true.

A row that cannot be true gets a `problem` and goes to quarantine; one that is merely odd gets a quality flag. A
problem that the adapter has found already stays.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shelflife.signals.sample import PARSED_SCHEMA, QualityFlag
from shelflife.signals.vocabulary import SIGNALS, STAGES

if TYPE_CHECKING:
    from collections.abc import Callable

PROBLEMS: tuple[str, ...] = (
    "bad_record",
    "unknown_signal",
    "no_subject",
    "no_time",
    "bad_time",
    "ambiguous_time",
    "end_before_start",
    "missing_value",
    "bad_number",
    "unknown_unit",
    "unknown_code",
    "value_conflict",
    "out_of_range",
)
"""Every reason for which a row goes to quarantine."""

EARLIEST = dt.datetime(1970, 1, 2, tzinfo=dt.UTC)
"""Before this a time is an unset clock, not a measurement."""
FURTHEST_AHEAD = dt.timedelta(days=3660)
CLOCK_SKEW = dt.timedelta(hours=15)
"""A start this far ahead of now may still be a wall-clock time east of Greenwich (UTC+14) on a skewed clock."""

_Check = tuple[str, "pa.Array"]


def apply_rules(rows: pa.RecordBatch, *, now: dt.datetime) -> pa.RecordBatch:
    """Set the problem or the quality flags of parsed rows.

    Args:
        rows: a batch of `PARSED_SCHEMA`.
        now: what counts as the present: the time of landing or, when it is earlier, of the export.
    """
    problem = rows.column("problem")
    for code, broken in _checks(rows, now):
        if pc.any(broken).as_py():
            first = pc.and_(pc.is_null(problem), pc.fill_null(broken, fill_value=False))
            problem = pc.if_else(first, code, problem)
    flags = np.asarray(pc.fill_null(rows.column("quality_flags"), 0)).copy()
    for flag, odd in _oddities(rows, now):
        flags |= np.asarray(pc.cast(pc.fill_null(odd, fill_value=False), pa.int32())) * int(flag)
    return _replaced(rows, {"problem": problem, "quality_flags": pa.array(flags, pa.int32())})


def _checks(rows: pa.RecordBatch, now: dt.datetime) -> list[_Check]:
    signal, start, end = rows.column("signal"), rows.column("start_utc"), rows.column("end_utc")
    number, code = rows.column("value_num"), rows.column("value_code")
    coded = _by_signal(signal, lambda name: SIGNALS[name].kind == "coded")
    outside = pc.or_(pc.less(start, _instant(EARLIEST)), pc.greater(start, _instant(now + FURTHEST_AHEAD)))
    both_or_none = pc.equal(pc.is_valid(number), pc.is_valid(code))
    return [
        ("unknown_signal", pc.invert(_by_signal(signal, lambda _: True))),
        ("no_time", pc.or_(pc.is_null(start), pc.is_null(end))),
        ("bad_time", outside),
        ("bad_time", pc.greater(end, _instant(now + 2 * FURTHEST_AHEAD))),
        ("end_before_start", pc.less(end, start)),
        ("missing_value", pc.and_(pc.is_null(number), pc.is_null(code))),
        ("bad_number", pc.invert(pc.is_finite(number))),
        ("value_conflict", pc.or_(both_or_none, pc.not_equal(pc.is_valid(code), coded))),
        ("unknown_unit", pc.and_(pc.is_valid(number), pc.is_null(rows.column("unit_ucum")))),
        ("unknown_code", _unknown_stage(signal, code)),
        ("out_of_range", _outside(signal, number, "possible")),
    ]


def _oddities(rows: pa.RecordBatch, now: dt.datetime) -> list[tuple[QualityFlag, pa.Array]]:
    start, signal = rows.column("start_utc"), rows.column("signal")
    unknown_zone = pc.equal(rows.column("tz_basis"), "unknown")
    ahead = pc.greater(start, _instant(now))
    far_ahead = pc.greater(start, _instant(now + CLOCK_SKEW))
    return [
        (QualityFlag.FUTURE, pc.if_else(unknown_zone, far_ahead, ahead)),
        (QualityFlag.TZ_UNKNOWN, unknown_zone),
        (QualityFlag.OUT_OF_RANGE, _outside(signal, rows.column("value_num"), "plausible")),
    ]


def _outside(signal: pa.Array, number: pa.Array, limits: str) -> pa.Array:
    encoded = signal.dictionary_encode(null_encoding="encode")
    bounds = [_bounds(name, limits) for name in encoded.dictionary.to_pylist()] or [(0.0, 0.0)]
    codes = np.asarray(encoded.indices)
    low, high = (np.array(side, np.float64)[codes] for side in zip(*bounds, strict=True))
    return pc.or_(pc.less(number, pa.array(low)), pc.greater(number, pa.array(high)))


def _bounds(name: str | None, limits: str) -> tuple[float, float]:
    known = SIGNALS.get(name or "")
    found: tuple[float, float] | None = getattr(known, limits) if known else None
    return found or (-np.inf, np.inf)


def _unknown_stage(signal: pa.Array, code: pa.Array) -> pa.Array:
    known = pc.is_in(code, value_set=pa.array(STAGES))
    return pc.and_(pc.equal(signal, "sleep_stage"), pc.invert(known))


def _by_signal(signal: pa.Array, test: Callable[[str], bool]) -> pa.Array:
    names = [name for name in SIGNALS if test(name)]
    return pc.is_in(signal, value_set=pa.array(names))


def _instant(time: dt.datetime) -> pa.Scalar:
    return pa.scalar(time, pa.timestamp("us", tz="UTC"))


def _replaced(rows: pa.RecordBatch, columns: dict[str, pa.Array]) -> pa.RecordBatch:
    arrays = [columns.get(name, rows.column(name)) for name in PARSED_SCHEMA.names]
    return pa.RecordBatch.from_arrays(arrays, schema=PARSED_SCHEMA)
