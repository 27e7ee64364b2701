"""Fitbit minute and second data as Fitabase exports it: many people a file, named by `Id`.

Layouts: `Id,Time,Value` (heart rate), `Id,ActivityMinute,Steps` (steps of the minute that starts then), and the
derived `id,epoch_s,local_naive_if_us_eastern,hr`, whose epochs rest on the assumption of US Eastern time. The first two
have wall-clock times, in the account's zone when it is known. `Id,ActivityMinute,Intensity` is recognised and refused,
because a level from 0 to 3 is no signal of the vocabulary and a file that is read is a file that is removed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pyarrow as pa
import pyarrow.compute as pc

from shelflife.errors import SourceError
from shelflife.signals.sample import UTC_MICROSECONDS
from shelflife.sources.containers import open_content
from shelflife.sources.delimited import Lines, header_fields, read_lines
from shelflife.sources.rows import Column, broken_batch, in_batches, numbers, parsed_batch, with_positions
from shelflife.sources.source import Parsing, SourceType
from shelflife.sources.times import US_TWELVE_HOUR, iso_times, wall_times
from shelflife.sources.wall_clock import in_account_zone

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    from shelflife.sources.source import ByteSource

ALIAS_KIND = "fitbit_id"
_HEART = ["Id", "Time", "Value"]
_STEPS = ["Id", "ActivityMinute", "Steps"]
_INTENSITY = ["Id", "ActivityMinute", "Intensity"]
_EPOCHS = ["id", "epoch_s", "local_naive_if_us_eastern", "hr"]
_LAYOUTS = (_HEART, _STEPS, _INTENSITY, _EPOCHS)
_MINUTE = 60_000_000
_LAST_SECOND = 7_258_118_400
"""The year 2200: a later epoch is in another unit."""
_NO_TEXT = pa.scalar(None, pa.string())
_COMMON: dict[str, Column] = {
    "source_platform": "fitbit",
    "source_app": "fitabase",
    "device_make": "Fitbit",
    "modality": "sensed",
    "alias_kind": ALIAS_KIND,
}
_HEART_RATE: dict[str, Column] = {
    **_COMMON,
    "signal": "heart_rate",
    "unit_ucum": "/min",
    "unit_raw": "bpm",
    "statistic": "instant",
    "record_path": "heartrate",
}
_STEP_COUNT: dict[str, Column] = {
    **_COMMON,
    "signal": "step_count",
    "unit_ucum": "{steps}",
    "unit_raw": "steps",
    "statistic": "sum",
    "window_s": 60,
    "record_path": "minuteSteps",
}


class FitbitFitabase:
    """Reads Fitabase heart-rate and step files, plain or gzip."""

    name = "fitbit_fitabase"
    title = "Fitabase"
    subject_scope: Literal["file", "row"] = "row"
    types = (
        SourceType("heartrate_seconds Value", "heart_rate", "bpm", "instant"),
        SourceType("minuteSteps Steps", "step_count", "steps", "sum"),
    )

    def recognises(self, head: bytes) -> bool:
        """Return whether the header is one of the layouts, the refused one included."""
        return header_fields(head) in _LAYOUTS

    def parse(self, source: ByteSource, *, now: dt.datetime, zone: str | None = None) -> Parsing:
        """Return the parse; each row names its person by alias kind `fitbit_id`."""

        def rows(parsing: Parsing) -> Iterator[pa.RecordBatch]:
            with open_content(source) as stream:
                for lines in read_lines(stream, _accepts):
                    parsing.records += len(lines.positions) + len(lines.broken)
                    yield from in_batches(_samples(lines, now, zone))
                    named = {**_COMMON, "alias": _leading_ids(lines.broken)}
                    yield from in_batches(broken_batch(lines.broken, lines.broken_positions, named, now=now))

        return Parsing(rows)


def _accepts(header: list[str]) -> bool:
    if header == _INTENSITY:
        raise SourceError(
            "A Fitabase intensity file has no signal to land.",
            remedy="Take it out of the inbox; land the heart-rate and step files.",
        )
    return header in _LAYOUTS


def _leading_ids(broken: list[str]) -> pa.Array:
    """Return whom lines that cannot be split are about, so that even they are erased with that person."""
    leading = [line.partition(",")[0].strip() for line in broken]
    return pa.array([text if text.isdecimal() else None for text in leading], pa.string())


def _samples(lines: Lines, now: dt.datetime, zone: str | None) -> pa.RecordBatch:
    header = lines.fields.column_names
    text, alias = lines.column(header[-1]), lines.column(header[0])
    value, problem = numbers(text)
    columns = _epoch_times(lines) if header == _EPOCHS else _wall_times(lines, zone, steps=header == _STEPS)
    nobody = pc.if_else(pc.is_null(alias), "no_subject", _NO_TEXT)
    columns |= {
        "value_num": value,
        "value_raw": text,
        "alias": alias,
        "problem": pc.coalesce(nobody, columns["problem"], problem),
    }
    return with_positions(parsed_batch(len(text), columns, now=now), lines.positions)


def _wall_times(lines: Lines, zone: str | None, *, steps: bool) -> dict[str, Column]:
    read = wall_times(lines.column(lines.fields.column_names[1]), [US_TWELVE_HOUR])
    times = in_account_zone(read, zone)
    columns = {**(_STEP_COUNT if steps else _HEART_RATE), **times}
    if steps:
        end = pc.add(pc.cast(times["start_utc"], pa.int64()), _MINUTE)
        columns["end_utc"] = pc.cast(end, UTC_MICROSECONDS)
    return columns


def _epoch_times(lines: Lines) -> dict[str, Column]:
    seconds, problem = numbers(lines.column("epoch_s"))
    usable = pc.if_else(pc.less(pc.abs(seconds), _LAST_SECOND), seconds, pa.scalar(None, pa.float64()))
    utc = pc.cast(pc.round(pc.multiply(usable, 1e6)), pa.int64())
    wall = pc.cast(iso_times(lines.column("local_naive_if_us_eastern")).utc, pa.int64())
    offset = pc.divide(pc.subtract(wall, utc), _MINUTE)
    believable = pc.fill_null(pc.less_equal(pc.abs(offset), 18 * 60), fill_value=False)
    return {
        **_HEART_RATE,
        "start_utc": pc.cast(utc, UTC_MICROSECONDS),
        "utc_offset_min": pc.if_else(believable, offset, pa.scalar(None, pa.int64())),
        # Where the two clocks are not of one time, the assumption does not hold.
        "iana_tz": pc.if_else(believable, "America/New_York", _NO_TEXT),
        "tz_basis": pc.if_else(believable, "assumed", "unknown"),
        "problem": pc.coalesce(
            pc.replace_with_mask(
                problem, pc.fill_null(pc.equal(problem, "missing_value"), fill_value=False), "no_time"
            ),
            pc.if_else(pc.is_null(usable), "bad_time", _NO_TEXT),
        ),
    }
