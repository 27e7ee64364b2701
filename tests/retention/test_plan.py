"""The planner, which reads nothing: everything lands in one table with its reason, and nothing goes that is not due."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelflife.errors import PlanRefused
from shelflife.lake.periods import days_of, period_of
from shelflife.policy.duration import Duration
from shelflife.retention.holds import Hold
from shelflife.retention.plan import make_plan
from shelflife.retention.stages import ExpirePartitions, PreserveHeld, explain
from shelflife.retention.state import (
    AwaitingState,
    CopyItemState,
    CopyState,
    HeldShare,
    PartitionState,
    RecordState,
    State,
)
from tests.conftest import NOW
from tests.policy.test_classes import policy, rule

KEEP = {"heart": "P2Y", "sleep": "P6M", "quarantine_heart": "P30D", "heart_daily": "P1Y"}
POLICY = policy("default", *(rule(f"{name}/default", name, keep) for name, keep in KEEP.items()))
HOLD_ID = "ab" * 16


def hold(**scope) -> Hold:
    values = {
        "hold_id": HOLD_ID,
        "matter": "M-1",
        "streams": ("heart", "sleep"),
        "first_day": None,
        "last_day": None,
        "everyone": True,
        "bases": {},
        "owner": "legal",
        "review_on": dt.date(2027, 1, 1),
        "state": "active",
        "key_number": None,
        "placed_at": NOW,
    }
    return Hold(**(values | scope))


def partition(table: str, period: str, number: int = 0, **more) -> PartitionState:
    zone = "derived" if table == "heart_daily" else "raw"
    stream = None if zone == "derived" else table.removeprefix("held_").removeprefix("quarantine_")
    values = {
        "partition_id": f"{number:032x}",
        "zone": zone,
        "table_name": table,
        "stream": stream,
        "retention_class": f"{table}/default",
        "period": period,
        "version": 1,
        "files_digest": "0" * 64,
        "rows": 10,
        "size": 100,
        "files": 1,
        "keys": 1,
    }
    return PartitionState(**(values | more))


def planned(
    *partitions: PartitionState, holds=(), now=NOW, brake=100, policies=(POLICY,), above=None, **more
):
    state = State(at=now, partitions=partitions, **more)
    return make_plan(state, policies, holds, now, brake_percent=brake, above_brake=above)


@st.composite
def _partitions(draw) -> list[PartitionState]:
    days = st.dates(dt.date(2022, 1, 1), dt.date(2028, 1, 1))
    places = draw(st.lists(st.tuples(st.sampled_from([*KEEP, "held_heart"]), days), max_size=12))
    found = []
    for number, (table, day) in enumerate(places):
        grain = "month" if table in {"sleep", "quarantine_heart"} else "day"
        classes = {"retention_class": f"hold/{HOLD_ID}"} if table == "held_heart" else {}
        found.append(
            partition(table, period_of(day, grain), number, rows=draw(st.integers(0, 50)), **classes)
        )
    return found


HOLDS = st.lists(
    st.builds(
        hold,
        hold_id=st.sampled_from([HOLD_ID, "cd" * 16]),
        streams=st.sampled_from([("heart",), ("sleep",), ("heart", "sleep")]),
        everyone=st.booleans(),
        first_day=st.none() | st.dates(dt.date(2022, 1, 1), dt.date(2025, 1, 1)),
        last_day=st.none() | st.dates(dt.date(2025, 1, 1), dt.date(2027, 1, 1)),
    ),
    max_size=3,
)
MOMENTS = st.datetimes(
    dt.datetime(2022, 1, 1),  # noqa: DTZ001
    dt.datetime(2031, 1, 1),  # noqa: DTZ001
    timezones=st.just(dt.UTC),
)


@given(_partitions(), HOLDS, MOMENTS)
def test_every_partition_is_kept_or_removed_once_and_says_why(partitions, holds, now):
    made = planned(*partitions, holds=holds, now=now)
    kept, gone = [line.partition_id for line in made.keep], [line.partition_id for line in made.remove]
    assert sorted(kept + gone) == [one.partition_id for one in partitions]
    assert all(line.reason.startswith("kept: ") for line in made.keep)
    assert all(line.reason.startswith("removed: ") for line in made.remove)
    by_id = {one.partition_id: one for one in partitions}
    assert all(line.rows == by_id[line.partition_id].rows for line in (*made.keep, *made.remove))
    assert made.rows_removed == sum(by_id[name].rows for name in gone)


@given(_partitions(), HOLDS, MOMENTS)
def test_nothing_goes_before_its_end_or_under_a_hold_and_nothing_due_stays_without_one(
    partitions, holds, now
):
    """Judged by the days alone, written down a second time."""
    made = planned(*partitions, holds=holds, now=now)
    gone = {line.partition_id for line in made.remove}
    active = {one.hold_id for one in holds}
    for one in partitions:
        if one.table_name == "held_heart":
            assert (one.partition_id in gone) == (HOLD_ID not in active)
            continue
        first, end = days_of(one.period)
        keep = Duration.parse(KEEP[one.table_name])
        over = keep.after(end - dt.timedelta(days=1)) < (now - dt.timedelta(hours=12)).date()
        held = one.zone == "raw" and any(
            hold.everyone
            and one.stream in hold.streams
            and (hold.first_day or dt.date.min) <= first
            and end - dt.timedelta(days=1) <= (hold.last_day or dt.date.max)
            and (
                not one.table_name.startswith("quarantine_")
                or (hold.first_day, hold.last_day) == (None, None)
            )
            for hold in holds
        )
        assert (one.partition_id in gone) == (over and not held)


@given(_partitions(), HOLDS, MOMENTS, st.timedeltas(dt.timedelta(0), dt.timedelta(days=4000)))
def test_what_goes_today_goes_tomorrow_too(partitions, holds, now, later):
    today = {line.partition_id for line in planned(*partitions, holds=holds, now=now).remove}
    tomorrow = {line.partition_id for line in planned(*partitions, holds=holds, now=now + later).remove}
    assert today <= tomorrow


@given(_partitions(), HOLDS, MOMENTS, st.integers(0, 100))
def test_the_brake_lets_through_the_share_that_it_is_set_to_and_no_more(partitions, holds, now, brake):
    free = planned(*partitions, holds=holds, now=now)
    allowed = free.rows_removed * 100 <= free.rows_now * brake
    if allowed:
        assert planned(*partitions, holds=holds, now=now, brake=brake).remove == free.remove
        return
    with pytest.raises(PlanRefused, match=r"brake is at") as refused:
        planned(*partitions, holds=holds, now=now, brake=brake)
    assert f"--above-brake {free.rows_removed}" in refused.value.remedy
    with pytest.raises(PlanRefused, match="not the count"):
        planned(*partitions, holds=holds, now=now, brake=brake, above=free.rows_removed + 1)
    typed = planned(*partitions, holds=holds, now=now, brake=brake, above=free.rows_removed)
    assert typed.remove == free.remove


def test_without_a_policy_nothing_is_said_to_expire():
    with pytest.raises(PlanRefused, match="no retention rule"):
        planned(partition("heart", "2020-01-01"), policies=())


def test_a_class_without_a_rule_stops_the_plan_and_is_named():
    with pytest.raises(PlanRefused, match="heart/eu of the table heart has no rule"):
        planned(partition("heart", "2026-11-01", retention_class="heart/eu"))


def test_policies_that_contradict_each_other_stop_the_plan():
    other = policy("other", rule("heart/default", "sleep", "P9Y"))
    with pytest.raises(PlanRefused, match="two lengths"):
        planned(policies=(POLICY, other))


@pytest.mark.parametrize(
    ("table", "period", "reason"),
    [
        ("heart", "2024-11-21", "removed: P2Y from 2024-11-21 ended 2026-11-21"),
        ("heart", "2024-11-22", "kept: P2Y from 2024-11-22 ends 2026-11-22"),
        ("quarantine_heart", "2026-09", "removed: P30D from 2026-09-30 ended 2026-10-30"),
        ("heart_daily", "2025-11-30", "kept: P1Y from 2025-11-30 ends 2026-11-30"),
    ],
)
def test_reasons_name_rule_start_and_end(table, period, reason):
    # NOW is noon in UTC: the day that ended on 22 November everywhere ends at this very moment.
    made = planned(partition(table, period), now=NOW - dt.timedelta(seconds=1))
    assert [line.reason for line in (*made.keep, *made.remove)] == [reason]


def test_held_rows_are_sealed_again_before_anything_is_destroyed():
    share = HeldShare(HOLD_ID, people=2, rows=7)
    due = partition("heart", "2024-01-01", 1, held=(share,))
    made = planned(due, partition("heart", "2024-01-02", 2), holds=[hold(everyone=False)])
    first, second, third = made.stages
    assert isinstance(first, PreserveHeld)
    assert (first.partition_ids, first.holds, first.rows) == ((due.partition_id,), (HOLD_ID,), 7)
    assert isinstance(second, ExpirePartitions)
    assert made.remove[0].reason.endswith(f"; 7 rows stay under hold {HOLD_ID}")
    assert explain(made) == [
        "1. seal 7 rows of 1 partition again under 1 hold",
        "2. destroy 2 keys of 2 partitions",
        "3. unlink 2 files (200 bytes)",
    ]
    assert (made.cost.keys, made.cost.files, made.cost.rows_resealed) == (2, 2, 7)
    assert third.cost().files == 2


def test_a_held_partition_goes_only_with_its_hold():
    held = partition("held_heart", "2020-01-01", retention_class=f"hold/{HOLD_ID}")
    assert [line.reason for line in planned(held, holds=[hold()]).keep] == [f"kept: hold {HOLD_ID}"]
    assert [line.reason for line in planned(held).remove] == [f"removed: hold {HOLD_ID} is released"]


def test_copies_are_cleaned_of_what_ended_and_of_what_they_were_made_from():
    ended = CopyItemState("mart", "a", "heart_daily", 3, 30, NOW - dt.timedelta(days=1))
    lives = CopyItemState("mart", "b", "heart_daily", 3, 30, NOW + dt.timedelta(seconds=1))
    copies = (CopyState("mart", ("heart_daily",)), CopyState("other", ("sleep_nightly",)))
    made = planned(partition("heart_daily", "2024-01-01"), copies=copies, copy_items=(ended, lives))
    assert [(one.copy_name, one.item, one.reason) for one in made.copy_items] == [
        ("mart", "a", "removed: time to live ended 2026-11-22")
    ]
    assert [stage.stage for stage in made.stages] == [
        "expire_partitions",
        "expire_copy_items",
        "refresh_copies",
        "collect_files",
    ]
    assert made.stages[2].copies == ("mart",)


def test_rewrites_that_are_due_are_part_of_the_plan():
    made = planned(awaiting=(AwaitingState("heart_daily", 5, 2), AwaitingState("sleep_nightly", 5, 0)))
    assert [stage.describe() for stage in made.stages] == [
        "rewrite heart_daily without rows of 2 erased people"
    ]


def test_old_records_go_only_where_a_rule_names_them():
    audit = RecordState("query_audit", 9, dt.date(2026, 1, 1), 4)
    everything = policy("wide", rule("all/default", "any", "P1D"))
    assert planned(records=(audit,), policies=(everything,)).does_nothing
    named = policy("named", rule("audit/default", "query_audit", "P1Y"))
    made = planned(records=(audit,), policies=(everything, named))
    assert [(one.kind, one.through, one.rows) for one in made.records] == [
        ("query_audit", dt.date(2026, 1, 1), 4)
    ]
    assert made.cost.records == 4
    young = RecordState("query_audit", 9, dt.date(2026, 1, 1), 0)
    assert planned(records=(young,), policies=(named,)).does_nothing


def test_a_plan_that_changes_nothing_has_no_stages():
    made = planned(partition("heart", "2026-11-01"), holds=[hold()])
    assert made.does_nothing
    assert explain(made) == []
