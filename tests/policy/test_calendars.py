"""Working days: which days they are, and the arithmetic on them."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelflife.errors import ConfigurationError
from shelflife.policy.calendars import Calendar, Holiday, easter_sunday
from shelflife.policy.duration import Duration
from shelflife.policy.loading import load_rulebook
from shelflife.policy.periods import Stop, last_day, merged

CALENDARS = load_rulebook(Path(__file__).parents[2] / "retention_policies").calendars
ANY_CALENDAR = st.sampled_from(list(CALENDARS.values()))
ANY_DAY = st.dates(dt.date(1990, 1, 1), dt.date(2120, 12, 31))
ONE_DAY = dt.timedelta(days=1)


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


@pytest.mark.parametrize(
    ("year", "easter"),
    # Tables of the US Naval Observatory and of the Book of Common Prayer; 2038 and 2285 are the latest and earliest.
    [(1666, "04-25"), (1734, "04-25"), (1818, "03-22"), (1886, "04-25"), (1943, "04-25"), (2000, "04-23"), (2024, "03-31"), (2027, "03-28"), (2038, "04-25"), (2190, "04-25"), (2285, "03-22")],
)  # fmt: skip
def test_easter(year: int, easter: str) -> None:
    assert easter_sunday(year) == day(f"{year}-{easter}")


@pytest.mark.parametrize(
    ("calendar", "year", "days"),
    [
        ("england_and_wales", 2021, "01-01 04-02 04-05 05-03 05-31 08-30 12-27 12-28"),
        ("england_and_wales", 2022, "01-03 04-15 04-18 05-02 05-30 08-29 12-26 12-27"),
        ("germany", 2028, "04-14 04-17 05-01 05-25 06-05 10-03 12-25 12-26"),
        ("france", 2026, "01-01 04-06 05-01 05-08 05-14 05-25 07-14 11-11 12-25"),
        ("california", 2027, "01-01 01-18 02-15 03-31 05-31 07-05 09-06 11-11 11-25 11-26"),
        ("california", 2023, "01-02 01-16 02-20 03-31 05-29 07-04 09-04 11-10 11-23 11-24 12-25"),
    ],
)
def test_the_working_days_that_are_holidays(calendar: str, year: int, days: str) -> None:
    found = CALENDARS[calendar]
    kept = [one for one in found.holidays_of(year) if one.weekday() not in found.weekend]
    assert " ".join(one.isoformat()[5:] for one in kept) == days


def test_a_holiday_can_be_kept_in_the_year_before() -> None:
    new_year = Holiday(name="New Year", date="01-01", on_weekend="nearest_weekday")
    calendar = Calendar("test", frozenset({5, 6}), (new_year,))
    assert not calendar.is_working_day(day("2027-12-31"))
    assert calendar.is_working_day(day("2028-01-03"))
    assert calendar.roll(day("2027-12-31")) == day("2028-01-03")


def test_a_holiday_can_be_kept_in_the_year_after() -> None:
    silvester = Holiday(name="Silvester", date="12-31", on_weekend="next_working_day")
    calendar = Calendar("test", frozenset({5, 6}), (silvester,))
    assert calendar.roll(day("2028-12-31")) == day("2029-01-02")


def test_days_proclaimed_once_and_the_thirtieth_of_february() -> None:
    once = Holiday(name="Jubilee", dates=[day("2022-06-03"), day("2023-05-08")])
    never = Holiday(name="Never", date="02-30")
    calendar = Calendar("test", frozenset(), (once, never))
    assert list(calendar.holidays_of(2022)) == [day("2022-06-03")]
    assert list(calendar.holidays_of(2024)) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"date": "12-25", "easter": 1},
        {"weekday": "monday", "month": 5},
        {"weekday": "monday", "month": 5, "nth": 5},
        {"weekday": "monday", "month": 5, "nth": 0},
        {"easter": 1, "plus_days": 1},
        {"date": "13-01"},
        {"date": "12-25", "on_weekend": "whenever"},
    ],
)
def test_a_holiday_is_of_one_kind(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        Holiday.model_validate({"name": "Holiday", **wrong})


def test_a_calendar_without_working_days_is_an_error() -> None:
    idle = Calendar("idle", frozenset(range(7)))
    with pytest.raises(ConfigurationError, match="idle"):
        idle.roll(day("2026-11-23"))


@pytest.mark.parametrize("calendar", [Calendar("friday", frozenset({4})), CALENDARS["california"]])
def test_time_ends_without_an_error(calendar: Calendar) -> None:
    assert calendar.add_working_days(dt.date(9999, 12, 20), 30) == dt.date.max
    assert calendar.roll(dt.date.max) == dt.date.max
    assert last_day(dt.date(9999, 12, 20), Duration.parse("P1Y"), calendar=calendar) == dt.date.max
    stop = Stop(dt.date(9999, 12, 21), dt.date(9999, 12, 30))
    assert last_day(dt.date(9999, 12, 20), Duration(days=5), stops=[stop]) == dt.date.max


@given(ANY_CALENDAR, ANY_DAY)
def test_a_roll_lands_on_the_first_working_day(calendar: Calendar, start: dt.date) -> None:
    rolled = calendar.roll(start)
    assert rolled >= start
    assert rolled.weekday() not in calendar.weekend
    assert rolled not in calendar.holidays_of(rolled.year)
    assert calendar.roll(rolled) == rolled
    between = (start + n * ONE_DAY for n in range((rolled - start).days))
    assert not any(calendar.is_working_day(one) for one in between)


@given(ANY_CALENDAR, ANY_DAY, st.integers(0, 60))
def test_rolls_keep_the_order_of_days(calendar: Calendar, start: dt.date, ahead: int) -> None:
    assert calendar.roll(start) <= calendar.roll(start + ahead * ONE_DAY)


@given(ANY_CALENDAR, ANY_DAY, st.integers(1, 60))
def test_working_days_are_counted_one_by_one(calendar: Calendar, start: dt.date, count: int) -> None:
    end = calendar.add_working_days(start, count)
    assert calendar.is_working_day(end)
    after = [start + n * ONE_DAY for n in range(1, (end - start).days + 1)]
    assert sum(map(calendar.is_working_day, after)) == count


@given(ANY_CALENDAR, ANY_DAY, st.integers(1, 40), st.integers(0, 20))
def test_a_later_start_never_ends_sooner(calendar: Calendar, start: dt.date, count: int, ahead: int) -> None:
    later = start + ahead * ONE_DAY
    assert calendar.add_working_days(start, count) <= calendar.add_working_days(later, count)
    assert calendar.add_working_days(start, count) < calendar.add_working_days(start, count + 1)


@given(ANY_CALENDAR, ANY_DAY, st.integers(1, 60))
def test_fewer_holidays_never_make_a_deadline_later(calendar: Calendar, start: dt.date, count: int) -> None:
    bare = CALENDARS["weekends_only"]
    assert bare.roll(start) <= calendar.roll(start)
    assert bare.add_working_days(start, count) <= calendar.add_working_days(start, count)


LENGTHS = st.builds(Duration, st.integers(0, 30), st.integers(0, 400)).filter(lambda one: one != Duration())
STOPS = st.lists(st.tuples(ANY_DAY, st.integers(0, 90)), max_size=5).map(
    lambda pairs: [Stop(begins, begins + days * ONE_DAY) for begins, days in pairs]
)
NEAR = st.dates(dt.date(2026, 1, 1), dt.date(2026, 6, 30))
NEAR_STOPS = st.lists(st.tuples(NEAR, st.integers(0, 40)), max_size=5).map(
    lambda pairs: [Stop(begins, begins + days * ONE_DAY) for begins, days in pairs]
)


@given(NEAR_STOPS, NEAR)
def test_merged_stops_cover_the_same_days_once(stops: list[Stop], start: dt.date) -> None:
    def covered(some: list[Stop]) -> set[dt.date]:
        days = ((one.begins + n * ONE_DAY) for one in some for n in range((one.ends - one.begins).days))
        return {one for one in days if one >= start}

    found = list(merged(stops, start))
    assert covered(found) == covered(stops)
    assert all(one.begins < one.ends for one in found)
    assert all(one.ends < other.begins for one, other in pairwise(found))


@given(NEAR, LENGTHS, NEAR_STOPS, ANY_CALENDAR)
def test_a_period_runs_on_for_exactly_the_days_that_it_stood_still(
    start: dt.date, length: Duration, stops: list[Stop], calendar: Calendar
) -> None:
    plain = length.after(start)
    end = last_day(start, length, stops=stops)
    assert end is not None
    still = {one.begins + n * ONE_DAY for one in stops for n in range((one.ends - one.begins).days)}
    # A stop that begins on the last day itself counts; one that begins after it no longer does.
    counted = sum((one.ends - one.begins).days for one in merged(stops, start) if one.begins <= end)
    assert (end - plain).days == counted
    assert counted <= len(still)
    rolled = last_day(start, length, stops=stops, calendar=calendar)
    assert rolled is not None
    assert rolled >= end
    assert calendar.is_working_day(rolled)


@given(NEAR, LENGTHS)
def test_an_open_stop_leaves_no_last_day_unless_it_came_too_late(start: dt.date, length: Duration) -> None:
    end = length.after(start)
    assert last_day(start, length, stops=[Stop(end, dt.date.max)]) is None
    assert last_day(start, length, stops=[Stop(end + ONE_DAY, dt.date.max)]) == end
