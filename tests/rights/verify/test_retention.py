"""Retention: partitions and rows past their time; and the arithmetic of dates, done twice."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelflife.control.tables import hold, partition
from shelflife.lake.periods import days_of, period_of
from shelflife.policy.duration import Duration
from shelflife.retention.windows import window_of
from shelflife.rights.verify.retention import added, first_day, is_overdue, last_day
from tests.conftest import NOW
from tests.rights.verify.conftest import change, found, one, plants, rules

PURGE_GRACE = dt.timedelta(days=2)


def new_partition(estate, **more: object) -> str:
    values = {
        "partition_id": uuid.uuid4().hex,
        "zone": "derived",
        "table_name": "heart_daily",
        "retention_class": "derived/default",
        "period": "2026-11-01",
        "state": "open",
        "version": 0,
    } | more
    change(estate, partition.insert().values(**values))
    return str(values["partition_id"])


@plants("partition_overdue")
def test_a_partition_past_its_window(estate):
    place = new_partition(estate, period="2025-11-18")
    outcome = found(estate)
    assert rules(outcome) == {"partition_overdue"}
    assert [finding.place for finding in outcome.findings] == [f"derived/heart_daily {place}"]
    change(estate, partition.update().where(partition.c.partition_id == place).values(period="2025-11-22"))
    assert found(estate).findings == ()


def test_a_whole_estate_that_nobody_purged(estate):
    outcome = found(estate, now=NOW.replace(year=2029))
    overdue = {
        finding.place.partition(" ")[0] for finding in outcome.findings if finding.rule == "partition_overdue"
    }
    assert {"raw/heart", "raw/glucose", "derived/heart_daily", "raw/quarantine_heart"} <= overdue
    assert "analytics/cohort_weekly" not in overdue


@pytest.mark.parametrize(
    ("more", "kept"),
    [
        ({}, True),
        ({"everyone": False}, False),
        ({"streams": ["sleep"]}, False),
        ({"first_day": "2023-11-01", "last_day": "2023-11-01"}, True),
        ({"first_day": "2023-11-02"}, False),
        ({"last_day": "2023-10-31"}, False),
        ({"state": "released"}, False),
    ],
)
def test_a_hold_on_everyone_keeps_a_partition_where_it_is(estate, more, kept):
    raw = {"zone": "raw", "table_name": "heart", "stream": "heart", "retention_class": "heart/default"}
    new_partition(estate, period="2023-11-01", **raw)
    values = {
        "hold_id": "1" * 32,
        "matter": "2026-17",
        "streams": ["heart"],
        "everyone": True,
        "bases": {},
        "owner": "legal",
        "review_on": "2027-01-01",
        "state": "active",
        "placed_at": NOW,
    } | more
    change(estate, hold.insert().values(**values))
    assert rules(found(estate)) == (set() if kept else {"partition_overdue"})


@plants("hold_partition_overdue")
def test_a_partition_of_a_released_hold(estate):
    values = {"matter": "2026-17", "streams": ["heart"], "everyone": True, "bases": {}, "owner": "legal"}
    change(
        estate,
        hold.insert().values(
            hold_id="1" * 32, review_on="2027-01-01", state="active", placed_at=NOW, **values
        ),
    )
    held = {
        "zone": "raw",
        "table_name": "held_heart",
        "stream": "heart",
        "retention_class": f"hold/{'1' * 32}",
    }
    new_partition(estate, period="2020-11-01", **held)
    assert found(estate).findings == ()
    change(estate, hold.update().values(state="released"))
    assert rules(found(estate)) == {"hold_partition_overdue"}


@plants("class_without_rule")
def test_a_partition_of_a_class_that_no_policy_names(estate):
    new_partition(estate, retention_class="derived/forgotten")
    assert rules(found(estate)) == {"class_without_rule"}
    assert one(estate, partition.select().where(partition.c.retention_class == "derived/forgotten"))


days = st.dates(dt.date(1970, 1, 1), dt.date(2200, 12, 31))
durations = st.builds(Duration, st.integers(0, 240), st.integers(0, 4000)).filter(
    lambda one: one != Duration()
)


@given(days, durations)
def test_both_add_durations_alike(day, keep):
    assert added(day, keep) == keep.after(day)


@given(st.dates(dt.date(2195, 1, 1), dt.date(9999, 12, 31)), st.builds(Duration, st.integers(1, 120_000)))
def test_both_know_where_the_calendar_ends(day, keep):
    assert (added(day, keep) or dt.date.max) == keep.after(day)


@given(days, st.sampled_from(["day", "month", "week"]))
def test_both_read_periods_alike(day, grain):
    period = period_of(day, grain)
    first, end = days_of(period)
    assert (first_day(period), last_day(period)) == (first, end - dt.timedelta(days=1))


@given(days, st.sampled_from(["day", "month", "week"]), durations, st.integers(0, 47))
def test_what_is_overdue_is_what_the_planner_would_have_removed_before(day, grain, keep, hours):
    period = period_of(day, grain)
    ends = window_of(period, keep).ends
    now = dt.datetime.combine(ends, dt.time(), dt.UTC) + dt.timedelta(hours=hours) + PURGE_GRACE
    assert is_overdue(period, keep, now) == window_of(period, keep).is_over(now - PURGE_GRACE)
