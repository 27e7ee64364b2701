"""Fitbit's account archive: its JSON arrays and its tables, and what their times are."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from pathlib import Path

import pytest

from shelflife.errors import SourceError
from shelflife.signals.sample import QualityFlag
from shelflife.sources import fitbit_takeout
from shelflife.sources.fitbit_clocks import Clock
from shelflife.sources.source import series_of
from tests.sources.damage import CANARY
from tests.sources.reading import problems, read, rows_of
from tests.sources.synthetic import fitbit as made

SEEDS = {name: content for name, content in made.seeds().items() if not name.startswith("fitbit_api")}
TABLES = {name: table.encode() for name, table in made.TABLES.items()}
BEATS = made.document(made.beats(("07/01/24 08:00:05", 58, 3), ("07/01/24 23:00:10", 70, 0)))


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def named(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def test_heart_rates_stay_as_they_read_because_their_zone_is_unconfirmed() -> None:
    first, second = rows_of(BEATS, "fitbit_takeout", zone="Asia/Tokyo")
    assert (first["value_num"], first["unit_ucum"], first["statistic"]) == (58, "/min", "instant")
    assert (first["start_utc"], first["tz_basis"], first["iana_tz"]) == (
        at("2024-07-01T08:00:05Z"),
        "unknown",
        None,
    )
    assert first["quality_flags"] == QualityFlag.TZ_UNKNOWN
    assert second["quality_flags"] == QualityFlag.TZ_UNKNOWN | QualityFlag.LOW_CONFIDENCE


@pytest.mark.parametrize(
    ("clock", "utc", "basis", "day"),
    [
        (Clock.LOCAL, "2024-07-01T14:00:10Z", "account", 1),
        (Clock.UTC, "2024-07-01T23:00:10Z", "assumed", 1),
        (Clock.UNCONFIRMED, "2024-07-01T23:00:10Z", "unknown", 1),
    ],
)
def test_one_entry_says_what_the_times_of_a_kind_are(monkeypatch, clock, utc, basis, day) -> None:
    monkeypatch.setattr(fitbit_takeout, "CLOCK_OF", {**fitbit_takeout.CLOCK_OF, "heart_rate": clock})
    row = rows_of(BEATS, zone="Asia/Tokyo")[1]
    assert (row["start_utc"], row["tz_basis"], row["local_date"]) == (at(utc), basis, dt.date(2024, 7, day))


def test_nights_are_in_the_zone_of_the_account() -> None:
    rows = rows_of(made.document([made.night()]), "fitbit_takeout", zone="America/New_York")
    assert {row["tz_basis"] for row in rows} == {"account"}
    assert [row["signal"] for row in rows] == ["sleep_episode", "sleep_score", *["sleep_stage"] * 5]
    assert rows[0]["start_utc"] == at("2024-03-10T04:30Z")


def test_only_the_name_says_what_a_minute_series_counts(tmp_path: Path) -> None:
    content = made.document(made.minutes(("02/22/24 08:00:00", "12"), ("02/22/24 08:01:00", "0")))
    steps = rows_of(named(tmp_path, "steps-2024-02-22.json", content), "fitbit_takeout")
    assert [(row["signal"], row["value_num"], row["statistic"]) for row in steps] == [
        ("step_count", 12, "sum"),
        ("step_count", 0, "sum"),
    ]
    assert steps[0]["end_utc"] - steps[0]["start_utc"] == dt.timedelta(minutes=1)
    table, _ = read(named(tmp_path, "distance-2024-02-22.json", content))
    assert problems(table) == {"unknown_unit": 2}
    table, parsing = read(named(tmp_path, "calories-2024-02-22.json", content))
    assert (table.num_rows, parsing.ignored) == (0, {"calories": 2})
    for unknown in ("steps.json", "ada-2024-02-22.json"):
        table, _ = read(named(tmp_path, unknown, content))
        assert problems(table) == {"unknown_signal": 2}


@pytest.mark.parametrize(
    ("name", "series"),
    [
        ("Takeout/Fitbit/Global Export Data/steps-2024-02-22.json", "steps"),
        ("Minute SpO2 - 2024-02-22.csv", "minute_spo2"),
        ("very_active_minutes-2024-02-22(1).json", "very_active_minutes"),
        ("ada-2024-02-22.json", ""),
        ("steps-2024-02-22.json/ada.json", ""),
        ("steps", ""),
    ],
)
def test_no_other_word_of_a_name_passes(name: str, series: str) -> None:
    assert series_of(name) == series


def test_a_resting_heart_rate_of_zero_is_a_day_without_one() -> None:
    table, parsing = read(made.document(made.RESTING), "fitbit_takeout", zone="Europe/Berlin")
    [row] = table.to_pylist()
    assert (row["signal"], row["value_num"], row["local_date"]) == (
        "resting_heart_rate",
        57.25,
        dt.date(2024, 2, 22),
    )
    assert (row["start_utc"], row["end_utc"]) == (at("2024-02-21T23:00Z"), at("2024-02-22T23:00Z"))
    assert parsing.ignored == {"resting_heart_rate without a value": 1}


def test_the_other_arrays() -> None:
    table, parsing = read(made.document(made.VO2_MAX), "fitbit_takeout")
    [row] = table.to_pylist()
    assert (row["signal"], row["value_num"], row["unit_ucum"]) == ("vo2max", 41.25, "mL/kg/min")
    assert parsing.ignored == {"vo2_max/filteredDemographicVO2Max": 1}
    run = [{"dateTime": "05/29/26 10:00:00", "value": {"runVO2Max": 51.0, "filteredRunVO2Max": 50.5}}]
    assert [row["start_utc"] for row in rows_of(made.document(run))] == [at("2026-05-29T10:00Z")]
    table, _ = read(made.document(made.WEIGHT), "fitbit_takeout")
    assert problems(table) == {"unknown_unit": 1}
    assert table.to_pylist()[0]["start_utc"] == at("2015-05-18T23:59:59Z")
    table, parsing = read(made.document(made.ZONES), "fitbit_takeout")
    assert (table.num_rows, parsing.ignored) == (0, {"other": 1})


def test_an_exercise_of_the_archive() -> None:
    table, parsing = read(made.document(made.exercise()), "fitbit_takeout", zone="Asia/Tokyo")
    workout, heart, steps = table.to_pylist()
    assert (workout["value_code"], workout["start_utc"], workout["tz_basis"]) == (
        "other",
        at("2024-02-22T17:05Z"),
        "unknown",
    )
    assert workout["source_modified_at"] == at("2024-02-22T18:00Z")
    assert (heart["value_num"], steps["value_num"]) == (131, 110)
    assert parsing.ignored == {"activities/calories": 1, "activities/distance": 1}
    assert CANARY not in str(table.to_pylist())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("hrv_details", [("hrv_rmssd", 40.5, "ms", "rmssd", None)]),
        (
            "hrv_daily",
            [("hrv_rmssd", 39.875, "ms", "rmssd", None), ("hrv_rmssd", None, "ms", "rmssd", "missing_value")],
        ),
        ("spo2_daily", [("spo2", 96.5, "%", "mean", None)]),
        ("respiratory_daily", [("respiratory_rate", 15.25, "/min", "mean", None)]),
        ("respiratory_night", [("respiratory_rate", 15.5, "/min", "mean", None)]),
        ("sleep_score", [("sleep_score", 82, "{score}", None, None)]),
    ],
)
def test_tables(name: str, expected) -> None:
    rows = rows_of(TABLES[name], "fitbit_takeout_tables", zone="Asia/Tokyo")
    names = ("signal", "value_num", "unit_ucum", "statistic", "problem")
    assert [tuple(row[column] for column in names) for row in rows] == expected
    assert rows[0]["local_date"] == dt.date(2024, 2, 22)


def test_a_time_with_z_is_utc_and_one_without_is_local() -> None:
    [score] = rows_of(TABLES["sleep_score"], zone="Asia/Tokyo")
    assert (score["start_utc"], score["parent_id"]) == (at("2024-02-22T07:44:30Z"), str(made.LONG_ID))
    [window] = rows_of(TABLES["hrv_details"], zone="Asia/Tokyo")
    assert (window["start_utc"], window["window_s"]) == (at("2024-02-21T18:00Z"), 300)
    assert window["end_utc"] - window["start_utc"] == dt.timedelta(minutes=5)
    [day] = rows_of(TABLES["spo2_daily"], zone="Asia/Tokyo")
    assert (day["start_utc"], day["end_utc"]) == (at("2024-02-21T15:00Z"), at("2024-02-22T15:00Z"))


def test_minutes_of_saturation_need_their_name_and_fifty_is_none(tmp_path: Path) -> None:
    table, _ = read(named(tmp_path, "Minute SpO2 - 2024-02-22.csv", TABLES["minute_spo2"]))
    first, second = table.to_pylist()
    assert (first["signal"], first["value_num"], first["start_utc"]) == (
        "spo2",
        95.2,
        at("2024-02-22T07:00Z"),
    )
    assert second["problem"] == "missing_value"
    table, _ = read(TABLES["minute_spo2"], "fitbit_takeout_tables")
    assert problems(table) == {"unknown_signal": 2}
    with pytest.raises(SourceError, match="No source adapter"):
        read(b"timestamp,value\n2024-02-22 07:00,95\n")


@pytest.mark.parametrize("name", ["computed_temperature", "device_temperature"])
def test_temperatures_of_the_skin_as_such_are_counted(name: str) -> None:
    table, parsing = read(TABLES[name], "fitbit_takeout_tables")
    assert (table.num_rows, parsing.ignored) == (0, {name: 1})


def test_the_profile_and_nothing_of_it_in_rows() -> None:
    table, parsing = read(TABLES["profile"], "fitbit_takeout_tables")
    facts = parsing.profile
    assert (table.num_rows, parsing.ignored) == (0, {"profile": 1})
    assert (facts.given_name, facts.family_name, facts.birth_date, facts.sex) == (
        "Ada",
        CANARY,
        "1985-12-10",
        "female",
    )
    assert facts.other["time_zone"] == "Europe/London"
    assert facts.other["email"] == "ada@example.org"
    assert "user_name" not in facts.other


def test_a_whole_archive() -> None:
    out = io.BytesIO()
    parts = {
        "heart_rate-2024-07-01.json": BEATS,
        "steps-2024-02-22.json": made.document(made.minutes(("02/22/24 08:00:00", "12"))),
        "Minute SpO2 - 2024-02-22.csv": TABLES["minute_spo2"],
        "Profile.csv": TABLES["profile"],
        "README.txt": b"Fitbit",
    }
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in parts.items():
            archive.writestr(f"Takeout/Fitbit/{name}", content)
    table, parsing = read(out.getvalue(), "archive")
    assert table.column("signal").to_pylist() == ["heart_rate", "heart_rate", "step_count", "spo2", "spo2"]
    assert parsing.ignored == {"profile": 1, "archive/txt": 1}
    assert [facts.family_name for facts in parsing.profiles] == [CANARY]


def test_minutes_of_saturation_below_an_empty_line() -> None:
    assert read(b"\n" + TABLES["minute_spo2"], "fitbit_takeout_tables")[0].num_rows == 2
