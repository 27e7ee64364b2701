"""Google Fit: third-party answers of the REST API, its other answers, and the archive."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from pathlib import Path

import pytest

from shelflife.signals.sample import QualityFlag
from tests.sources.damage import CANARY
from tests.sources.reading import problems, read, rows_of
from tests.sources.synthetic import google_fit as made

SEEDS = made.seeds()
NOON = dt.datetime(2024, 7, 1, 12, 0, tzinfo=dt.UTC)


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("name", "rows", "ignored"),
    [
        ("empty", {}, {}),
        ("merge-activity-segments-only-sleep", {"sleep_stage": 1}, {}),
        ("merge-activity-segments-only-stationary-activity", {}, {"com.google.activity.segment still": 1}),
        ("merge-activity-segments", {"workout": 3}, {}),
        ("merge-calories-expended", {}, {"com.google.calories.expended": 3}),
        ("merge-heart-rate", {"heart_rate": 2}, {}),
        ("merge-height", {}, {"com.google.height": 2}),
        ("merge-location-samples", {}, {"location": 2}),
        ("merge-speed", {}, {"com.google.speed": 2}),
        ("merge-step-deltas", {"step_count": 4}, {}),
        ("merge-weight", {"body_weight": 3}, {}),
    ],
)
def test_answers_that_others_recorded(samples: Path, name, rows, ignored) -> None:
    table, parsing = read(samples / "vendor_api" / "googlefit" / f"googlefit-{name}.json", "google_fit")
    assert Counter(table.column("signal").to_pylist()) == rows
    assert (parsing.ignored, problems(table)) == (ignored, {})


def test_recorded_steps_and_where_they_are_from(samples: Path) -> None:
    rows = rows_of(samples / "vendor_api" / "googlefit" / "googlefit-merge-step-deltas.json")
    assert [row["value_num"] for row in rows] == [4146, 0, 17, 184]
    assert [row["source_app"] for row in rows] == [
        "nike_run_club",
        "google_fit",
        "google_play_services",
        "google_fit",
    ]
    assert [row["modality"] for row in rows] == ["sensed", "self_reported", "sensed", "self_reported"]
    assert (rows[2]["device_make"], rows[2]["device_model"]) == ("samsung", "Galaxy Nexus")
    assert "32b1bd9e" not in str(rows)
    # The last digits of the nanoseconds are beyond a microsecond.
    assert rows[2]["start_utc"] == at("2015-07-10T21:58:17.687316Z")
    assert rows[2]["end_utc"] - rows[2]["start_utc"] == dt.timedelta(minutes=1)
    assert rows[0]["source_modified_at"] == at("2015-02-02T23:30:26.297Z")


def test_a_recorded_heart_rate_is_as_of_its_end(samples: Path) -> None:
    _, second = rows_of(samples / "vendor_api" / "googlefit" / "googlefit-merge-heart-rate.json")
    assert second["start_utc"] == second["end_utc"] == at("2015-07-10T14:34:33.915Z")
    assert (second["value_num"], second["unit_ucum"], second["statistic"]) == (58, "/min", "instant")


def test_recorded_workouts(samples: Path) -> None:
    rows = rows_of(samples / "vendor_api" / "googlefit" / "googlefit-merge-activity-segments.json")
    assert [(row["value_code"], row["value_raw"]) for row in rows] == [
        ("walking", "7"),
        ("aerobics", "9"),
        ("running", "8"),
    ]
    assert [row["source_app"] for row in rows] == ["strava", "mapmyrun", "google_fit"]


def test_instants_get_the_offset_of_the_account_and_no_other_time() -> None:
    content = made.data_set(made.point("heart_rate.bpm", 61.5))
    [placed] = rows_of(content, "google_fit", zone="America/New_York")
    assert (placed["start_utc"], placed["utc_offset_min"], placed["tz_basis"]) == (NOON, -240, "account")
    [unplaced] = rows_of(content)
    assert (unplaced["start_utc"], unplaced["quality_flags"]) == (NOON, QualityFlag.TZ_UNKNOWN)
    assert (unplaced["device_make"], unplaced["device_model"]) == ("LGE", "Nexus 5")
    assert CANARY not in str(unplaced)


@pytest.mark.parametrize(
    ("point", "signal", "value", "unit"),
    [
        (made.point("distance.delta", 250.5, minutes=5), "distance", 250.5, "m"),
        (made.point("weight", 72.5), "body_weight", 72.5, "kg"),
        (made.point("body.temperature", 36.75), "body_temperature", 36.75, "Cel"),
        (made.point("oxygen_saturation", 97.5, 0.0), "spo2", 97.5, "%"),
        (made.point("blood_glucose", 5.5, 1, 1, 1, 2), "glucose_capillary", 5.5 * 18.0182, "mg/dL"),
        (made.point("blood_glucose", 5.5, 1, 1, 1, 1), "glucose_interstitial", 5.5 * 18.0182, "mg/dL"),
    ],
)
def test_numbers_in_the_units_that_the_vendor_documents(point, signal, value, unit) -> None:
    [row] = rows_of(made.data_set(point))
    assert (row["signal"], row["unit_ucum"], row["problem"]) == (signal, unit, None)
    assert row["value_num"] == pytest.approx(value)


def test_glucose_of_whole_blood_is_not_taken_for_that_of_a_finger() -> None:
    points = [made.point("blood_glucose", 5.5, 1, 1, 1, specimen) for specimen in (3, 4, 6)]
    assert {row["problem"] for row in rows_of(made.data_set(*points))} == {"unknown_signal"}


def test_glucose_of_an_unsaid_specimen_is_set_aside() -> None:
    points = [made.point("blood_glucose", 5.5), made.point("blood_glucose", 5.5, 1, 1, 1, 3)]
    assert problems(read(made.data_set(*points))[0]) == {"unknown_signal": 2}


@pytest.mark.parametrize(
    ("kind", "code", "stage", "problem"),
    [
        ("sleep.segment", 1, "awake", None),
        ("sleep.segment", 2, "asleep_unspecified", None),
        ("sleep.segment", 3, "out_of_bed", None),
        ("sleep.segment", 4, "light", None),
        ("sleep.segment", 5, "deep", None),
        ("sleep.segment", 6, "rem", None),
        ("sleep.segment", 7, None, "unknown_code"),
        ("activity.segment", 72, "asleep_unspecified", None),
        ("activity.segment", 109, "light", None),
        ("activity.segment", 110, "deep", None),
        ("activity.segment", 111, "rem", None),
        ("activity.segment", 112, "awake", None),
    ],
)
def test_stages(kind, code, stage, problem) -> None:
    [row] = rows_of(made.data_set(made.point(kind, code, minutes=30)))
    assert (row["signal"], row["stage"], row["value_raw"]) == ("sleep_stage", stage, str(code))
    assert (row["problem"], row["end_utc"] - row["start_utc"]) == (problem, dt.timedelta(minutes=30))


def test_what_an_application_calls_its_own_type_or_itself_does_not_pass() -> None:
    origin = f"raw:com.{CANARY.lower()}.x:com.{CANARY.lower()}.fit:"
    own = made.point("x", 1, origin=origin, dataTypeName=f"com.{CANARY.lower()}.x")
    beat = made.point("heart_rate.bpm", 61.5, origin=origin)
    table, parsing = read(made.data_set(own, beat))
    assert parsing.ignored == {"other": 1}
    assert table.column("source_app").to_pylist() == ["third_party"]


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("SM-G973F", "SM-G973F"),
        ("Polar H10 5DA0E61C", "Polar H10"),
        ("A0:E6:F8:12:34:56", None),
        ("Ada\u2019s band", None),
        ("Ada Lovelace", None),
    ],
)
def test_serial_numbers_are_no_model(model: str, expected: str | None) -> None:
    origin = f"raw:com.google.heart_rate.bpm:com.google.android.gms:Polar:{model}:x:y"
    # A colon inside a part makes the id longer than any that names a device.
    [row] = rows_of(made.data_set(made.point("heart_rate.bpm", 61.5, origin=origin)))
    assert row["device_model"] == expected


def test_points_that_say_nothing_are_set_aside() -> None:
    bare = {**made.point("heart_rate.bpm"), "value": []}
    timeless = made.point("step_count.delta", 5, startTimeNanos="soon", endTimeNanos=None)
    content = made.data_set(bare, timeless, made.point("activity.segment")).replace(b'"intVal"', b'"x"')
    assert problems(read(content)[0]) == {"missing_value": 2, "no_time": 1}
    junk = b'{"dataSourceId": "a:b:c", "point": [3]}'
    assert problems(read(junk)[0]) == {"bad_record": 1}


def test_an_aggregate_has_mean_maximum_and_minimum() -> None:
    rows = rows_of(
        made.aggregate(made.point("heart_rate.summary", 71.5, 128.0, 52.0, minutes=60)), "google_fit"
    )
    assert [(row["statistic"], row["value_num"]) for row in rows] == [
        ("mean", 71.5),
        ("max", 128.0),
        ("min", 52.0),
    ]
    assert {row["end_utc"] - row["start_utc"] for row in rows} == {dt.timedelta(hours=1)}


def test_sessions_without_their_words() -> None:
    table, parsing = read(made.sessions({}, {"activityType": 72}, {"activityType": 3}), "google_fit")
    run, sleep = table.to_pylist()
    assert (run["signal"], run["value_code"], run["source_app"]) == ("workout", "running", "strava")
    assert (run["start_utc"], run["end_utc"]) == (NOON, at("2024-07-01T12:30Z"))
    assert (sleep["signal"], sleep["value_num"], sleep["unit_ucum"]) == ("sleep_episode", 30, "min")
    assert parsing.ignored == {"session still": 1, "deletedSession": 1}
    assert CANARY not in str(table.to_pylist())


def test_points_of_the_archive_are_those_of_the_api() -> None:
    points = [made.point("heart_rate.bpm", 61.5), made.point("heart_rate.bpm", 63.5)]
    api, archive = made.data_set(*points), made.archive_points(*points)
    assert rows_of(archive, "google_fit_takeout") == rows_of(api, "google_fit")


def test_a_workout_of_the_archive() -> None:
    table, parsing = read(made.archive_session(), "google_fit_takeout", zone="Europe/Berlin")
    workout, steps, distance = table.to_pylist()
    assert (workout["value_code"], workout["start_utc"], workout["tz_basis"]) == ("running", NOON, "sample")
    assert (steps["signal"], steps["value_num"], steps["statistic"]) == ("step_count", 4100, "sum")
    assert (distance["signal"], distance["value_num"], distance["unit_ucum"]) == ("distance", 5012.5, "m")
    assert steps["parent_id"] == distance["parent_id"] == workout["source_record_id"]
    assert parsing.ignored == {"session/segment": 1, "session/aggregate": 1}
    table, _ = read(made.archive_session(CANARY))
    assert table.to_pylist()[0]["value_code"] == "other"
    assert CANARY not in str(table.to_pylist())
    table, parsing = read(made.archive_session("still"))
    assert (table.num_rows, parsing.ignored) == (0, {"session passive": 1})


def test_a_sleep_of_the_archive_has_its_stages() -> None:
    episode, *stages = rows_of(made.sleep_session(), "google_fit_takeout")
    assert (episode["signal"], episode["value_num"], episode["value_raw"]) == ("sleep_episode", 75, "4500s")
    assert [row["stage"] for row in stages] == ["light", "deep", "awake"]
    assert {row["parent_id"] for row in stages} == {episode["source_record_id"]}


def test_daily_metrics_without_places() -> None:
    table, parsing = read(made.DAILY.encode(), "google_fit_metrics", zone="Europe/London")
    rows = table.to_pylist()
    assert [(row["signal"], row["statistic"], row["value_num"]) for row in rows] == [
        ("distance", "sum", 2310.25),
        ("heart_rate", "mean", 71.5),
        ("heart_rate", "max", 128.0),
        ("heart_rate", "min", 52.0),
        ("step_count", "sum", 3412),
        ("body_weight", "mean", 72.5),
    ]
    # British clocks leap on this day.
    assert {row["end_utc"] - row["start_utc"] for row in rows} == {dt.timedelta(hours=23)}
    assert parsing.ignored == {"location": 4, "other metrics": 6}
    assert "51.2" not in str(rows)


def test_intervals_of_a_day_that_only_the_name_tells_are_set_aside() -> None:
    table, parsing = read(made.INTERVALS.encode(), "google_fit_metrics")
    assert (problems(table), parsing.ignored) == ({"bad_time": 2}, {"other metrics": 2})
