"""Row rules: what goes to quarantine, what is flagged, what passes."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from shelflife.signals.rules import PROBLEMS, apply_rules
from shelflife.signals.sample import PARSED_SCHEMA, QualityFlag

if TYPE_CHECKING:
    from collections.abc import Mapping

NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
START = NOW - dt.timedelta(days=1)
ROW = {
    "signal": "heart_rate",
    "value_num": 61.0,
    "unit_ucum": "/min",
    "start_utc": START,
    "end_utc": START,
    "tz_basis": "sample",
    "utc_offset_min": 60,
}
STAGE = {"signal": "sleep_stage", "value_num": None, "unit_ucum": None, "value_code": "deep"}


def judged(*changes: Mapping[str, object]) -> list[tuple[str | None, int]]:
    rows = [{**ROW, **change} for change in changes]
    batch = pa.RecordBatch.from_pylist(rows, schema=PARSED_SCHEMA)
    result = apply_rules(batch, now=NOW)
    return list(
        zip(result.column("problem").to_pylist(), result.column("quality_flags").to_pylist(), strict=True)
    )


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({}, None),
        (STAGE, None),
        ({"signal": None}, "unknown_signal"),
        ({"signal": "aura"}, "unknown_signal"),
        ({"start_utc": None}, "no_time"),
        ({"end_utc": None}, "no_time"),
        ({"start_utc": dt.datetime(1970, 1, 1, tzinfo=dt.UTC)}, "bad_time"),
        ({"start_utc": NOW + dt.timedelta(days=9000), "end_utc": NOW + dt.timedelta(days=9000)}, "bad_time"),
        ({"end_utc": dt.datetime(9999, 1, 1, tzinfo=dt.UTC)}, "bad_time"),
        ({"end_utc": START - dt.timedelta(microseconds=1)}, "end_before_start"),
        ({"value_num": None}, "missing_value"),
        ({"value_num": float("nan")}, "bad_number"),
        ({"value_num": float("inf")}, "bad_number"),
        ({"value_code": "deep"}, "value_conflict"),
        ({"value_num": None, "value_code": "deep"}, "value_conflict"),
        ({"signal": "sleep_stage"}, "value_conflict"),
        ({"unit_ucum": None}, "unknown_unit"),
        ({**STAGE, "value_code": "floating"}, "unknown_code"),
        ({"value_num": 0.0}, "out_of_range"),
        ({"value_num": 401.0}, "out_of_range"),
        ({"problem": "bad_record", "signal": None}, "bad_record"),
    ],
)
def test_problems(change: dict[str, object], problem: str | None) -> None:
    assert judged(change)[0][0] == problem
    assert problem is None or problem in PROBLEMS


def test_odd_values_are_flagged_and_kept() -> None:
    assert judged({"value_num": 240.0}, {"value_num": 24.0}, {"value_num": 25.0}) == [
        (None, QualityFlag.OUT_OF_RANGE),
        (None, QualityFlag.OUT_OF_RANGE),
        (None, 0),
    ]


def test_the_future_is_flagged_and_kept() -> None:
    later = {"start_utc": NOW + dt.timedelta(seconds=1), "end_utc": NOW + dt.timedelta(seconds=1)}
    assert judged(later) == [(None, QualityFlag.FUTURE)]
    assert judged({"start_utc": NOW, "end_utc": NOW}) == [(None, 0)]


def test_a_wall_clock_east_of_greenwich_is_not_the_future() -> None:
    ahead = NOW + dt.timedelta(hours=14)
    far = NOW + dt.timedelta(hours=16)
    unknown = {"tz_basis": "unknown", "utc_offset_min": None}
    assert judged({**unknown, "start_utc": ahead, "end_utc": ahead}) == [(None, QualityFlag.TZ_UNKNOWN)]
    both = QualityFlag.TZ_UNKNOWN | QualityFlag.FUTURE
    assert judged({**unknown, "start_utc": far, "end_utc": far}) == [(None, both)]


def test_flags_that_are_there_stay() -> None:
    assert judged({"quality_flags": int(QualityFlag.LOW_CONFIDENCE), "value_num": 240.0}) == [
        (None, QualityFlag.LOW_CONFIDENCE | QualityFlag.OUT_OF_RANGE)
    ]
