"""Fitbit's Web API: third-party answers and every endpoint's traps."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from pathlib import Path

import pytest

from shelflife.errors import SourceError
from tests.sources.damage import CANARY
from tests.sources.reading import problems, read, rows_of
from tests.sources.synthetic import fitbit as made

SEEDS = {name: content for name, content in made.seeds().items() if name.startswith("fitbit_api")}


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("name", "rows", "ignored", "wrong"),
    [
        ("activities-date-empty-activities-list", {}, {"summary": 1, "goals": 1}, {}),
        (
            "activities-date-multiple-in-activities-list",
            {"workout": 3, "step_count": 3},
            {"summary": 1, "goals": 1, "activities/calories": 2, "activities/distance": 2},
            {},
        ),
        (
            "activities-date-single-in-activities-list",
            {"workout": 1, "step_count": 1},
            {"summary": 1, "activities/calories": 1, "activities/distance": 1},
            {},
        ),
        (
            "activities-heart-1d-1m-intraday",
            {"heart_rate": 5},
            {"activities-heart without restingHeartRate": 1},
            {},
        ),
        ("activities-steps-1d-1m-intraday", {"step_count": 4}, {}, {}),
        ("activities-steps-timeseries", {"step_count": 3}, {}, {}),
        ("body-log-weight", {"body_weight": 4}, {}, {"unknown_unit": 4}),
        ("sleep-date-empty-sleep-list", {}, {"summary": 1}, {}),
        ("sleep-date-range-empty-sleep-list", {}, {}, {}),
        ("sleep-date-range", {"sleep_episode": 2, "sleep_score": 2, "sleep_stage": 8}, {}, {}),
        ("sleep-date", {"sleep_episode": 2, "sleep_score": 2, "sleep_stage": 8}, {"summary": 1}, {}),
    ],
)
def test_answers_that_others_recorded(samples: Path, name, rows, ignored, wrong) -> None:
    table, parsing = read(samples / "vendor_api" / "fitbit" / f"fitbit-{name}.json", "fitbit_api")
    assert Counter(table.column("signal").to_pylist()) == rows
    assert (parsing.ignored, problems(table)) == (ignored, wrong)


def test_times_of_a_recorded_day_take_its_date(samples: Path) -> None:
    rows = rows_of(
        samples / "vendor_api" / "fitbit" / "fitbit-activities-heart-1d-1m-intraday.json",
        zone="America/New_York",
    )
    assert [row["value_num"] for row in rows] == [64, 63, 64, 65, 65]
    assert (rows[0]["start_utc"], rows[0]["end_utc"]) == (at("2015-08-21T04:01Z"), at("2015-08-21T04:02Z"))
    assert {(row["tz_basis"], row["utc_offset_min"], row["statistic"]) for row in rows} == {
        ("account", -240, "mean")
    }


def test_readings_of_seconds_are_instants_and_their_day_must_be_the_only_one() -> None:
    seconds = made.heart_day(("08:00:05", 71), kind="second")
    [resting, beat] = rows_of(made.document(seconds), "fitbit_api", zone="Europe/Berlin")
    assert (beat["statistic"], beat["window_s"], beat["start_utc"]) == (
        "instant",
        None,
        at("2024-07-01T06:00:05Z"),
    )
    assert (resting["signal"], resting["value_num"]) == ("resting_heart_rate", 61)
    assert (resting["start_utc"], resting["end_utc"]) == (at("2024-06-30T22:00Z"), at("2024-07-01T22:00Z"))
    two_days = made.heart_day(("08:00:00", 71), days=("2024-07-01", "2024-07-02"))
    table, _ = read(made.document(two_days))
    assert problems(table) == {"ambiguous_time": 1}
    late = {name: two_days[name] for name in reversed(two_days)}
    late["activities-heart"] = late["activities-heart"][:1]
    assert [row["problem"] for row in rows_of(made.document(late))] == [None, None]


@pytest.mark.parametrize("resting", [0, "0", None])
def test_a_resting_heart_rate_of_zero_is_none(resting) -> None:
    table, parsing = read(made.document(made.heart_day(resting=resting)))
    assert (table.num_rows, parsing.ignored) == (0, {"activities-heart without restingHeartRate": 1})


def test_the_day_on_which_clocks_change_is_as_long_as_it_was() -> None:
    days = [{"dateTime": "2024-03-10", "value": "2937"}, {"dateTime": "0000-00-00", "value": "1"}]
    first, broken = rows_of(made.document({"activities-steps": days}), zone="America/New_York")
    assert first["end_utc"] - first["start_utc"] == dt.timedelta(hours=23)
    assert (first["value_num"], first["statistic"], first["local_date"]) == (
        2937,
        "sum",
        dt.date(2024, 3, 10),
    )
    assert broken["problem"] == "bad_time"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("hrv", [("hrv_rmssd", 34.938, "ms", "rmssd", None)]),
        ("hrv_minutes", [("hrv_rmssd", 26.617, "ms", "rmssd", None)]),
        (
            "spo2",
            [
                ("spo2", 97.5, "%", "mean", None),
                ("spo2", 94.0, "%", "min", None),
                ("spo2", 100.0, "%", "max", None),
            ],
        ),
        (
            "spo2_range",
            [
                ("spo2", 97.5, "%", "mean", None),
                ("spo2", 94.0, "%", "min", None),
                ("spo2", 100.0, "%", "max", None),
            ],
        ),
        ("spo2_minutes", [("spo2", 95.3, "%", "instant", None)]),
        ("breathing", [("respiratory_rate", 17.8, "/min", "mean", None)]),
        ("breathing_stages", [("respiratory_rate", -1, "/min", "mean", "missing_value")]),
        ("skin", [("skin_temperature_delta", None, None, None, "unknown_unit")]),
        ("core", [("body_temperature", None, None, "instant", "unknown_unit")]),
        (
            "cardio",
            [
                ("vo2max", None, "mL/kg/min", None, "bad_number"),
                ("vo2max", 46.2, "mL/kg/min", None, None),
            ],
        ),
    ],
)
def test_what_nights_and_days_say(name: str, expected) -> None:
    rows = rows_of(made.document(made.vitals()[name]), "fitbit_api", zone="Europe/London")
    names = ("signal", "value_num", "unit_ucum", "statistic", "problem")
    assert [tuple(row[column] for column in names) for row in rows] == expected
    assert rows[0]["local_date"] == dt.date(2021, 10, 25)


def test_a_range_of_a_cardio_score_is_kept_as_it_was_received() -> None:
    [range_row, _] = rows_of(made.document(made.vitals()["cardio"]))
    assert (range_row["value_raw"], range_row["record_path"]) == ("45-49", "cardioScore#1")


def test_five_minutes_of_hrv_are_an_interval() -> None:
    [row] = rows_of(made.document(made.vitals()["hrv_minutes"]), zone="Europe/London")
    assert (row["start_utc"], row["end_utc"]) == (at("2021-10-25T03:10Z"), at("2021-10-25T03:15Z"))
    assert row["window_s"] == 300


def test_what_is_no_row_is_counted() -> None:
    for name, ignored in (
        ("hrv", {"hrv/deepRmssd": 1}),
        ("breathing_stages", {"br/deepSleepSummary": 1, "br/remSleepSummary": 1}),
    ):
        assert read(made.document(made.vitals()[name]))[1].ignored == ignored
    entries = [*made.vitals()["spo2_range"], {"dateTime": "2021-10-26", "value": {}}, 5]
    table, parsing = read(made.document(entries))
    assert (table.num_rows, parsing.ignored, problems(table)) == (
        4,
        {"spo2 without values": 1},
        {"bad_record": 1},
    )
    other = {"activities-calories": [{"dateTime": "2024-07-01", "value": "2000"}], "goals": {"steps": 1}}
    assert read(made.document(other))[1].ignored == {"activities-calories": 1, "goals": 1}


def test_the_profile_goes_to_the_profile() -> None:
    table, parsing = read(made.document(made.user()), "fitbit_api")
    facts = parsing.profile
    assert table.num_rows == 0
    assert (facts.given_name, facts.family_name, facts.birth_date, facts.sex) == (
        CANARY,
        "Byron",
        "1985-12-10",
        "female",
    )
    assert (facts.other["time_zone"], facts.other["fitbit_id"]) == ("Europe/London", "4ABCDE")


@pytest.mark.parametrize(
    "content",
    [
        b'{"sleep": [{"summary_date": "2017-11-05"}]}',
        b'{"data": [], "sleep": []}',
        b'{"activities": []}',
        b"[]",
        b"{}",
        b'{"value": {"avg": 1}}',
        b'{"dateTime": "2024-01-01", "value": 5}',
    ],
)
def test_what_may_be_of_others_is_left_to_them(content: bytes) -> None:
    with pytest.raises(SourceError, match="No source adapter"):
        read(content)
