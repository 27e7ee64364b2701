"""The local day of a sample, against the calendar of Python."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from shelflife.signals.local_date import local_date
from shelflife.signals.sample import UTC_MICROSECONDS

FIRST, LAST = (dt.datetime.fromisoformat(day) for day in ("1902-01-01", "2100-01-01"))


def date_of(
    signal: str | None, start: dt.datetime | None, end: dt.datetime | None, offset: int | None
) -> dt.date | None:
    column = local_date(
        pa.array([signal], pa.string()),
        pa.array([start], UTC_MICROSECONDS),
        pa.array([end], UTC_MICROSECONDS),
        pa.array([offset], pa.int16()),
    )
    found: dt.date | None = column[0].as_py()
    return found


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def test_the_offset_moves_a_sample_over_midnight() -> None:
    assert date_of("heart_rate", at("2026-11-03T23:30"), at("2026-11-03T23:30"), 60) == dt.date(2026, 11, 4)
    assert date_of("heart_rate", at("2026-11-03T00:30"), at("2026-11-03T00:30"), -60) == dt.date(2026, 11, 2)


def test_without_an_offset_the_wall_clock_counts() -> None:
    assert date_of("heart_rate", at("2026-11-03T23:59"), at("2026-11-03T23:59"), None) == dt.date(2026, 11, 3)


def test_an_episode_belongs_to_the_day_of_waking_up() -> None:
    assert date_of("sleep_episode", at("2026-11-03T21:00"), at("2026-11-04T05:00"), 60) == dt.date(
        2026, 11, 4
    )


def test_stages_of_one_night_belong_to_one_day() -> None:
    assert date_of("sleep_stage", at("2026-11-03T16:59:59"), at("2026-11-03T17:30"), 60) == dt.date(
        2026, 11, 3
    )
    assert date_of("sleep_stage", at("2026-11-03T17:00"), at("2026-11-03T17:30"), 60) == dt.date(2026, 11, 4)
    assert date_of("sleep_stage", at("2026-11-04T03:00"), at("2026-11-04T03:30"), 60) == dt.date(2026, 11, 4)


def test_no_start_has_no_date() -> None:
    assert date_of("heart_rate", None, None, 0) is None


def test_a_row_without_signal_keeps_its_date_beside_an_episode() -> None:
    start = pa.array([at("2026-11-03T10:00")] * 2, UTC_MICROSECONDS)
    signal = pa.array([None, "sleep_episode"], pa.string())
    dates = local_date(signal, start, start, pa.array([0, 0], pa.int16()))
    assert dates.to_pylist() == [dt.date(2026, 11, 3)] * 2


@given(
    st.datetimes(min_value=FIRST, max_value=LAST),
    st.integers(-840, 840),
)
def test_any_instant_agrees_with_the_calendar(start: dt.datetime, offset: int) -> None:
    utc = start.replace(tzinfo=dt.UTC)
    assert date_of("heart_rate", utc, utc, offset) == (start + dt.timedelta(minutes=offset)).date()
