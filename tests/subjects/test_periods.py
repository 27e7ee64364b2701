"""Periods of ownership are sets of instants: every operation is checked against plain sets of days."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelflife.errors import ConfigurationError
from shelflife.subjects.periods import (
    ALWAYS,
    Period,
    as_text,
    common,
    contain,
    from_text,
    last_end,
    overlap,
    united,
    without,
)

FIRST = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
DAYS = 12


def day(number: int) -> dt.datetime:
    return FIRST + dt.timedelta(days=number)


ENDS = st.none() | st.integers(0, DAYS - 1).map(day)


@st.composite
def periods(draw) -> Period:
    since, until = draw(ENDS), draw(ENDS)
    if since is not None and until is not None:
        since, until = min(since, until), max(since, until) + dt.timedelta(days=1)
    return Period(since, until)


MANY = st.lists(periods(), max_size=4)


def instants(some) -> set[int]:
    """The half days from before the first to after the last end that lie in any of the periods."""
    half = dt.timedelta(hours=12)
    return {number for number in range(-3, 2 * DAYS + 6) if contain(some, FIRST + number * half)}


@given(MANY)
def test_uniting_changes_no_instant_and_leaves_gaps_between(some):
    found = united(some)
    assert instants(found) == instants(some)
    assert all(a.end < b.start for a, b in pairwise(found))


@given(MANY, periods())
def test_taking_away_and_keeping_part_every_instant(some, one):
    left, kept = without(some, one), common(some, one)
    assert instants(left) == instants(some) - instants([one])
    assert instants(kept) == instants(some) & instants([one])
    assert not overlap(left, kept)


@given(MANY, MANY)
def test_an_overlap_is_a_shared_instant(some, others):
    assert overlap(some, others) == bool(instants(some) & instants(others))


@given(MANY)
def test_what_is_stored_is_read_back(some):
    found = united(some)
    assert from_text(as_text(found)) == found


@given(periods())
def test_the_end_is_not_part_of_a_period_and_the_start_is(one):
    assert one.contains(one.start)
    assert one.until is None or not one.contains(one.until)


def test_periods_that_touch_do_not_overlap_and_become_one():
    before, after = Period(None, day(3)), Period(day(3), None)
    assert not before.overlaps(after)
    assert united([after, before]) == ALWAYS
    assert last_end([before]) == day(3)


@pytest.mark.parametrize(("since", "until"), [(day(2), day(2)), (day(3), day(2))])
def test_a_period_of_nothing_is_refused(since, until):
    with pytest.raises(ConfigurationError):
        Period(since, until)


def test_offsets_name_the_same_instant():
    east = dt.timezone(dt.timedelta(hours=9))
    assert united([Period(None, day(1)), Period(day(1).astimezone(east), None)]) == ALWAYS
