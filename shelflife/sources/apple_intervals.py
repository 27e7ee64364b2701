"""Rows of intervals between heart beats: what the beats say, with everything else from the record that holds them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from shelflife.signals.sample import UTC_MICROSECONDS
from shelflife.sources.apple_beats import BEAT, intervals

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shelflife.sources.apple_beats import Beat, BeatRow
    from shelflife.sources.source import Parsing

_INHERITED = (
    "utc_offset_min",
    "iana_tz",
    "tz_basis",
    "source_platform",
    "source_app",
    "device_make",
    "device_model",
    "device_sw",
    "modality",
    "source_modified_at",
)
_LONGEST_RAW = 64


@dataclass(frozen=True)
class Intervals:
    """Rows of intervals.

    Attributes:
        columns: columns of parsed rows, see `rows.parsed_batch`.
        positions: record numbers of the rows.
    """

    columns: dict[str, Any]
    positions: list[int]


def interval_columns(
    records: Mapping[str, Any], holding: Sequence[tuple[int, int, Sequence[Beat]]], parsing: Parsing
) -> Intervals:
    """Return the intervals that the beats of some records make.

    The value is the time between two beats in milliseconds, at the instant of the second; `value_raw` is that beat as
    received, `95@6:14:48.94 PM`. `parent_id` is the record's `source_record_id`.

    Args:
        records: columns of the records.
        holding: of each record that holds beats its row, its record number, and the beats.
        parsing: beats that end no interval are counted in `ignored`.
    """
    start, end = (records[name].cast(pa.int64()) for name in ("start_utc", "end_utc"))
    parents: list[int] = []
    found: list[BeatRow] = []
    raw: list[str] = []
    positions: list[int] = []
    for row, position, beats in holding:
        for made in intervals(beats, start[row].as_py(), end[row].as_py()):
            if made.ignored is not None:
                parsing.ignored[made.ignored] += 1
                continue
            beat = beats[made.beat]
            parents.append(row)
            found.append(made)
            raw.append(f"{beat.rate or ''}@{beat.time or ''}"[:_LONGEST_RAW])
            positions.append(position + made.beat + 1)
    return Intervals(
        {**_taken(records, parents), **_said(found), "value_raw": pa.array(raw, pa.string())}, positions
    )


def _taken(records: Mapping[str, Any], parents: Sequence[int]) -> dict[str, Any]:
    rows = pa.array(parents, pa.int64())
    taken = {
        name: column.take(rows) if isinstance(column, pa.Array) else column
        for name, column in records.items()
        if name in _INHERITED
    }
    return {**taken, "parent_id": records["source_record_id"].take(rows)}


def _said(found: Sequence[BeatRow]) -> dict[str, Any]:
    at = pa.array([made.at_us for made in found], pa.int64()).cast(UTC_MICROSECONDS)
    length = pa.array([made.interval_us for made in found], pa.int64()).cast(pa.float64())
    return {
        "signal": "rr_interval",
        "statistic": "instant",
        "value_num": pc.divide(length, 1000.0),
        "unit_ucum": "ms",
        "start_utc": at,
        "record_path": BEAT,
        "problem": pa.array([made.problem for made in found], pa.string()),
    }
