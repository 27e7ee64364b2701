"""Windows: never over too early in any time zone, never going back, and the two ways to ask agree."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelflife.lake.periods import days_of, period_of
from shelflife.policy.duration import Duration
from shelflife.retention.windows import day_everywhere, expired_through, window_of

DAYS = st.dates(dt.date(1990, 1, 1), dt.date(2080, 1, 1))
# Hypothesis wants bounds without a zone.
MOMENTS = st.datetimes(
    dt.datetime(1995, 1, 1),  # noqa: DTZ001
    dt.datetime(2090, 1, 1),  # noqa: DTZ001
    timezones=st.just(dt.UTC),
)
KEEP = st.builds(Duration, months=st.integers(0, 120), days=st.integers(1, 800))
GRAINS = st.sampled_from(("day", "month", "week"))


@pytest.mark.parametrize(
    ("period", "keep", "ends"),
    [
        ("2026-11-02", "P2Y", dt.date(2028, 11, 2)),
        ("2026-11", "P30D", dt.date(2026, 12, 30)),
        ("2024-02-29", "P1Y", dt.date(2025, 2, 28)),
        ("2027-01-31", "P1M", dt.date(2027, 2, 28)),
        ("2026-W53", "P1D", dt.date(2027, 1, 4)),
    ],
)
def test_a_window_counts_from_the_end_of_its_period(period, keep, ends):
    assert window_of(period, Duration.parse(keep)).ends == ends


def test_a_window_is_over_once_its_last_day_is_over_everywhere():
    window = window_of("2026-11-02", Duration.parse("P1D"))
    assert window.ends == dt.date(2026, 11, 3)
    assert not window.is_over(dt.datetime(2026, 11, 4, 11, 59, 59, tzinfo=dt.UTC))
    assert window.is_over(dt.datetime(2026, 11, 4, 12, 0, tzinfo=dt.UTC))
    # The same moment as a clock in Auckland shows it.
    auckland = dt.timezone(dt.timedelta(hours=13))
    assert window.is_over(dt.datetime(2026, 11, 5, 1, 0, tzinfo=auckland))


@given(DAYS, GRAINS, KEEP, MOMENTS)
def test_nothing_is_over_before_its_length_has_passed_since_its_period_ended(day, grain, keep, now):
    window = window_of(period_of(day, grain), keep)
    if window.is_over(now):
        last = days_of(period_of(day, grain))[1] - dt.timedelta(days=1)
        end = dt.datetime.combine(keep.after(last), dt.time.max, dt.timezone(dt.timedelta(hours=-12)))
        assert end < now


@given(DAYS, GRAINS, KEEP, MOMENTS, st.timedeltas(dt.timedelta(0), dt.timedelta(days=9000)))
def test_what_is_over_stays_over(day, grain, keep, now, later):
    window = window_of(period_of(day, grain), keep)
    assert window.is_over(now) <= window.is_over(now + later)


@given(KEEP, MOMENTS)
def test_the_last_expired_day_is_the_last_whose_window_is_over(keep, now):
    through = expired_through(keep, now)
    assert through is not None
    assert window_of(through.isoformat(), keep).is_over(now)
    assert not window_of((through + dt.timedelta(days=1)).isoformat(), keep).is_over(now)
    assert through < day_everywhere(now)


def test_nothing_has_expired_of_what_is_kept_longer_than_the_calendar():
    assert expired_through(Duration(months=999 * 12 + 9999), dt.datetime(1, 1, 2, tzinfo=dt.UTC)) is None
