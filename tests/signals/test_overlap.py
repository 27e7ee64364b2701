"""What counts once although several rows say it: the same observation from two sources, and aggregates beside samples."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shelflife.signals.overlap import COLUMNS, with_overlaps
from shelflife.signals.precedence import DEFAULT_PRECEDENCE, digest, rank
from shelflife.signals.sample import SAMPLE_SCHEMA, QualityFlag

NOON = dt.datetime(2026, 11, 3, 12, tzinfo=dt.UTC)
DUPLICATE, ELSEWHERE = QualityFlag.DUP_CROSS_SOURCE, QualityFlag.COUNTED_ELSEWHERE
SCHEMA = pa.schema([("pid", pa.binary()), *(SAMPLE_SCHEMA.field(name) for name in COLUMNS)])
WATCH = {"source_platform": "apple_health", "source_app": "apple_watch", "device_model": "Watch"}
PHONE = {"source_platform": "google_fit", "source_app": "phone"}
GARMIN = {"source_platform": "garmin"}


def row(
    signal: str, value: float | str, start: float = 0, end: float | None = None, **more: Any
) -> dict[str, Any]:
    """One sample; start and end in seconds from noon."""
    begins = NOON + dt.timedelta(seconds=start)
    kind = "value_code" if isinstance(value, str) else "value_num"
    return {
        "pid": b"1" * 16,
        "signal": signal,
        kind: value,
        "start_utc": begins,
        "end_utc": begins if end is None else NOON + dt.timedelta(seconds=end),
        "local_date": NOON.date(),
        "statistic": "instant",
        "quality_flags": 0,
        **more,
    }


def flags(*rows: dict[str, Any], precedence: tuple[str, ...] = DEFAULT_PRECEDENCE) -> list[int]:
    table = pa.Table.from_pylist(list(rows), schema=SCHEMA)
    found = with_overlaps(table, precedence)
    assert found.drop_columns("quality_flags").equals(table.drop_columns("quality_flags"))
    marked: list[int] = found.column("quality_flags").to_pylist()
    return marked


def test_the_same_beat_from_watch_and_phone_counts_once() -> None:
    rows = [
        row("heart_rate", 61, **PHONE),
        row("heart_rate", 61, 0.4, 0.4, **WATCH),
        row("heart_rate", 61, 5, **PHONE),
    ]
    assert flags(*rows) == [DUPLICATE, 0, 0]


def test_the_declared_order_decides_and_can_be_another_one() -> None:
    rows = [row("heart_rate", 61, **PHONE), row("heart_rate", 61, **GARMIN), row("heart_rate", 61, **WATCH)]
    assert flags(*rows) == [DUPLICATE, 0, DUPLICATE]
    assert flags(*rows, precedence=("google_fit",)) == [0, DUPLICATE, DUPLICATE]
    assert digest(("a", "b")) != digest(("b", "a"))


def test_an_entry_that_names_the_application_wins() -> None:
    order = ("apple_health/apple_watch", "google_fit", "apple_health")
    assert [rank("apple_health", "apple_watch", order), rank("google_fit", None, order)] == [0, 1]
    assert [rank("apple_health", "other", order), rank("unheard", None, order)] == [2, 3]


def test_the_same_reading_from_two_apps_in_two_units_counts_once() -> None:
    first = row("glucose_capillary", 166.0, source_platform="apple_health", source_app="mysugr")
    second = row("glucose_capillary", 9.2 * 18.0182, source_platform="apple_health", source_app="one_drop")
    assert sorted(flags(first, second)) == [0, DUPLICATE]
    second["value_num"] = 168.0
    assert flags(first, second) == [0, 0]


@pytest.mark.parametrize(
    "other",
    [
        {"pid": b"2" * 16},
        {"signal": "resting_heart_rate"},
        {"value_num": 62.0},
        {"start_utc": NOON + dt.timedelta(seconds=1), "end_utc": NOON + dt.timedelta(seconds=1)},
        {"end_utc": NOON + dt.timedelta(seconds=1)},
        {"local_date": dt.date(2026, 11, 4)},
        {"statistic": "min"},
        {"source_platform": "apple_health", "source_app": "apple_watch", "device_model": "Watch"},
    ],
)
def test_what_differs_is_another_observation(other: dict[str, Any]) -> None:
    assert flags(row("heart_rate", 61, **WATCH), {**row("heart_rate", 61, **PHONE), **other}) == [0, 0]


def test_what_a_person_typed_goes_after_what_a_device_measured() -> None:
    typed = row("body_weight", 70.0, source_platform="withings", modality="self_reported")
    assert flags(typed, row("body_weight", 70.0, modality="sensed", **PHONE)) == [DUPLICATE, 0]


def test_a_row_that_counts_nowhere_takes_nothing_from_others() -> None:
    doubtful = row("heart_rate", 61, **GARMIN, quality_flags=int(QualityFlag.LOW_CONFIDENCE))
    assert flags(doubtful, row("heart_rate", 61, **PHONE)) == [QualityFlag.LOW_CONFIDENCE, 0]


def test_the_same_stage_or_workout_from_two_sources_counts_once() -> None:
    rows = [row("workout", "running", 0, 60, **WATCH), row("workout", "running", 0, 60, **PHONE)]
    assert flags(*rows) == [0, DUPLICATE]
    rows[1]["value_code"] = "cycling"
    assert flags(*rows) == [0, 0]


def hourly(value: float = 70.0, **more: Any) -> dict[str, Any]:
    return row("heart_rate", value, 0, 3600, statistic="mean", **{**WATCH, **more})


def test_an_hourly_mean_beside_its_own_samples_is_counted_elsewhere() -> None:
    assert flags(hourly(), row("heart_rate", 61, 1800, **WATCH)) == [ELSEWHERE, 0]
    assert flags(hourly(), row("heart_rate", 61, 3600, **WATCH)) == [0, 0]
    assert flags(hourly()) == [0]


def test_samples_of_another_source_must_span_half_of_the_interval() -> None:
    few = [row("heart_rate", 61, 1800, **PHONE), row("heart_rate", 62, 1900, **PHONE)]
    many = [row("heart_rate", 61, 100, **PHONE), row("heart_rate", 62, 1900, **PHONE)]
    assert flags(hourly(), *few) == [0, 0, 0]
    assert flags(hourly(), *many) == [ELSEWHERE, 0, 0]


def test_a_summary_may_say_its_length_instead_of_its_end() -> None:
    mean = {**hourly(), "end_utc": NOON, "window_s": 3600}
    assert flags(mean, row("heart_rate", 61, 1800, **WATCH)) == [ELSEWHERE, 0]


def steps(value: float, start: float, end: float, **more: Any) -> dict[str, Any]:
    return row("step_count", value, start, end, statistic="sum", **{**WATCH, **more})


def test_a_total_beside_all_of_its_parts_is_counted_elsewhere() -> None:
    parts = [steps(40, 60 * minute, 60 * minute + 60) for minute in range(10)]
    assert flags(steps(400, 0, 3600), *parts) == [ELSEWHERE, *[0] * 10]


def test_parts_beside_a_fuller_total_are_counted_elsewhere() -> None:
    parts = [steps(40, 60 * minute, 60 * minute + 60) for minute in range(5)]
    assert flags(steps(400, 0, 3600), *parts) == [0, *[ELSEWHERE] * 5]


def test_totals_within_totals_are_judged_from_the_inside() -> None:
    day, hour = steps(500, 0, 40_000), steps(400, 0, 3600)
    minutes = [steps(200, 0, 60), steps(200, 60, 120)]
    later = steps(100, 4000, 7600)
    assert flags(day, hour, *minutes, later) == [ELSEWHERE, ELSEWHERE, 0, 0, 0]
    assert flags({**day, "value_num": 900.0}, hour, *minutes, later) == [0, *[ELSEWHERE] * 4]


def test_an_outer_total_is_compared_with_what_counts_within_it() -> None:
    hour, minutes = steps(400, 0, 3600), [steps(195, 0, 60), steps(195, 60, 120)]
    assert flags(steps(415, 0, 40_000), hour, *minutes) == [0, *[ELSEWHERE] * 3]
    assert flags(steps(410, 0, 40_000), hour, *minutes) == [ELSEWHERE, ELSEWHERE, 0, 0]


def variability(value: float, start: float, end: float, **more: Any) -> dict[str, Any]:
    return row("hrv_rmssd", value, start, end, statistic="rmssd", **{**WATCH, **more})


def test_a_night_beside_two_or_more_of_its_windows_is_counted_elsewhere() -> None:
    night, windows = variability(40, 0, 3600), [variability(38, 0, 300), variability(45, 300, 600)]
    assert flags(night, *windows) == [ELSEWHERE, 0, 0]
    assert flags(night, windows[0]) == [0, 0]
    assert flags({**night, "source_app": "other"}, *windows) == [0, 0, 0]
    assert flags({**night, "statistic": "sdnn"}, *windows) == [0, 0, 0]


def test_two_sums_of_the_very_same_interval_are_not_within_each_other() -> None:
    assert flags(steps(400, 0, 3600), steps(100, 0, 3600)) == [0, 0]


def test_two_readings_of_one_source_in_a_second_both_count() -> None:
    rows = [
        row("heart_rate", 61, 0, **WATCH),
        row("heart_rate", 61, 0.4, **WATCH),
        row("heart_rate", 61, **PHONE),
    ]
    assert flags(*rows) == [0, 0, DUPLICATE]


def test_sums_of_several_sources_are_not_compared() -> None:
    assert flags(steps(400, 0, 3600), steps(390, 0, 60, **PHONE)) == [0, 0]


def test_nothing_in_nothing_out() -> None:
    assert flags() == []


@given(
    st.lists(
        st.tuples(
            st.sampled_from([WATCH, PHONE, GARMIN, {}]),
            st.sampled_from([60.0, 60.4, 61.0, 75.0]),
            st.integers(0, 3),
            st.sampled_from(["instant", "mean", "sum"]),
            st.sampled_from([None, 2, 3600]),
        ),
        max_size=14,
    )
)
@settings(max_examples=150)
def test_every_observation_is_still_counted_by_somebody(drawn: list[Any]) -> None:
    rows = [
        row("heart_rate", value, start, None if length is None else start + length, statistic=kind, **source)
        for source, value, start, kind, length in drawn
    ]
    found = flags(*rows)
    counted = [one for one, flag in zip(rows, found, strict=True) if not flag & (DUPLICATE | ELSEWHERE)]
    for one, flag in zip(rows, found, strict=True):
        if flag & DUPLICATE:
            same = [other for other in rows if other["start_utc"] == one["start_utc"]]
            assert any(
                other is not one and abs(other["value_num"] - one["value_num"]) <= 0.5 for other in same
            )
    assert bool(counted) == bool(rows)
    # The order in which rows arrive decides nothing but ties.
    assert sorted(flags(*reversed(rows))) == sorted(found)
