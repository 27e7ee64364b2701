"""Activity days and weekly cohorts against plain Python."""

from __future__ import annotations

import datetime as dt
import statistics
from collections import defaultdict

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shelflife.lake.models import run_model
from tests.lake.model_rows import DAY, attributes, models, one, pid, sample

Interval = tuple[int, int]
interval = st.tuples(st.integers(0, 600), st.integers(0, 90)).map(lambda pair: (pair[0], pair[0] + pair[1]))


def covered(intervals: list[Interval]) -> int:
    return len({minute for start, end in intervals for minute in range(start, end)})


@given(
    st.lists(
        st.tuples(st.sampled_from(["Phone", "Watch", "Ring"]), interval, st.integers(0, 5000)),
        min_size=1,
        max_size=15,
    )
)
@settings(max_examples=60, deadline=None)
def test_steps_come_from_the_most_complete_series(rows: list[tuple[str, Interval, int]]) -> None:
    found = one(
        "activity_daily", [sample("step_count", float(n), *span, source_app=app) for app, span, n in rows]
    )
    series: dict[str, list[tuple[Interval, int]]] = defaultdict(list)
    for app, span, count in rows:
        series[app].append((span, count))
    best = min(
        series,
        key=lambda app: (-covered([span for span, _ in series[app]]), -sum(n for _, n in series[app]), app),
    )
    assert found["steps"] == sum(count for _, count in series[best])
    assert found["sources"] == len(series)
    assert found["workout_minutes"] is None


def test_minute_and_day_records_of_one_device_are_two_series() -> None:
    minutes = [sample("step_count", 10.0, m, m + 1, record_path="minuteSteps") for m in range(100)]
    whole = sample("step_count", 1000.0, 0, 1440, record_path="dailySteps")
    assert one("activity_daily", [*minutes, whole])["steps"] == 1000


def test_each_signal_has_its_own_best_series() -> None:
    found = one(
        "activity_daily",
        [
            sample("step_count", 500.0, 0, 60, source_app="Watch"),
            sample("step_count", 400.0, 0, 30, source_app="Phone"),
            sample("distance", 3000.0, 0, 30, source_app="Phone"),
            sample("active_energy", 90.5, 0, 10, source_app="Watch"),
        ],
    )
    assert (found["steps"], found["distance_m"], found["active_energy_kcal"]) == (500, 3000, 90.5)


@given(st.lists(interval.filter(lambda span: span[1] > span[0]), min_size=1, max_size=12))
@settings(max_examples=60, deadline=None)
def test_workouts_are_a_union(spans: list[Interval]) -> None:
    rows = [
        sample("workout", None, *span, value_code="run", source_app=str(n)) for n, span in enumerate(spans)
    ]
    found = one("activity_daily", rows)
    assert found["workout_minutes"] == pytest.approx(covered(spans))
    islands, until = 0, -1
    for start, end in sorted(spans):
        islands += start >= until or until < 0
        until = max(until, end)
    assert found["workouts"] == islands


MONDAY = DAY - dt.timedelta(days=DAY.weekday())


def cohort(
    heart: list[tuple[int, int, float]], people: dict[int, tuple[str, str]], sleep: object = None
) -> list[dict[str, object]]:
    """Run the cohort model; heart rows are (person, days after Monday, mean bpm)."""
    schemas = {
        name: models()[name].schema for name in models()["cohort_weekly"].reads if name != "attributes"
    }
    inputs = {name: schema.empty_table() for name, schema in schemas.items()}
    rows = [
        {"pid": pid(who), "local_date": MONDAY + dt.timedelta(days=day), "mean_bpm": bpm}
        for who, day, bpm in heart
    ]
    inputs["heart_daily"] = pa.Table.from_pylist(rows, schema=schemas["heart_daily"])
    if sleep is not None:
        inputs["sleep_nightly"] = pa.Table.from_pylist(sleep, schema=schemas["sleep_nightly"])
    known = [{"pid": pid(who), "age_band": band, "sex": sex} for who, (band, sex) in people.items()]
    return run_model(models()["cohort_weekly"], {**inputs, "attributes": attributes(known)}).to_pylist()


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(-9, 12), st.floats(40, 120)), min_size=1, max_size=40),
    st.dictionaries(
        st.integers(1, 8), st.tuples(st.sampled_from(["18-29", "30-39"]), st.sampled_from(["female", "male"]))
    ),
)
@settings(max_examples=40, deadline=None)
def test_cohort_means_count_each_person_once(
    heart: list[tuple[int, int, float]], people: dict[int, tuple[str, str]]
) -> None:
    persons: dict[tuple[dt.date, int], list[float]] = defaultdict(list)
    for who, day, bpm in heart:
        persons[MONDAY + dt.timedelta(days=7 * (day // 7)), who].append(bpm)
    cells: dict[tuple[object, ...], list[float]] = defaultdict(list)
    for (week, who), values in persons.items():
        cells[(week, *people.get(who, ("unknown", "unknown")))].append(statistics.fmean(values))
    found = {(r["week_start"], r["age_band"], r["sex"]): r for r in cohort(heart, people)}
    assert set(found) == set(cells)
    for cell, values in cells.items():
        assert found[cell]["people"] == found[cell]["people_heart"] == len(values)
        assert found[cell]["mean_bpm"] == pytest.approx(statistics.fmean(values))
        assert found[cell]["people_glucose"] == 0
        assert found[cell]["mean_time_in_range_percent"] is None


def test_a_measure_counts_only_the_people_behind_it() -> None:
    sleep = [
        {"pid": pid(2), "local_date": MONDAY, "total_sleep_min": 400.0},
        {"pid": pid(3), "local_date": MONDAY},
    ]
    (row,) = cohort([(1, 0, 60.0)], dict.fromkeys((1, 2, 3), ("18-29", "male")), sleep)
    assert (row["people"], row["people_heart"], row["people_sleep"]) == (3, 1, 1)
    assert row["mean_total_sleep_min"] == 400
