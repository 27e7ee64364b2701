"""The Oura API: every endpoint's records, and the traps of its nights and days."""

from __future__ import annotations

import datetime as dt

import pytest

from tests.sources.damage import CANARY
from tests.sources.reading import problems, read, rows_of
from tests.sources.synthetic import oura as made


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def of(rows, path: str):
    return [row for row in rows if row["record_path"] == path]


def test_heart_rate_is_stored_in_utc_and_gets_the_zone_of_the_account() -> None:
    content = made.response(made.beat("2024-07-01T22:30:00+00:00"), made.beat("2024-07-01T22:35:00Z", 61))
    first, second = rows_of(content, "oura", zone="Europe/Berlin")
    assert first["start_utc"] == at("2024-07-01T22:30:00Z")
    assert (first["utc_offset_min"], first["tz_basis"], first["local_date"]) == (
        120,
        "account",
        dt.date(2024, 7, 2),
    )
    assert (second["value_num"], second["unit_ucum"], second["unit_raw"]) == (61, "/min", "bpm")
    assert (second["statistic"], second["source_platform"], second["device_make"]) == (
        "instant",
        "oura",
        "Oura",
    )
    (unplaced, _) = rows_of(content)
    assert (unplaced["start_utc"], unplaced["tz_basis"]) == (first["start_utc"], "unknown")


def test_a_night_is_an_episode_with_its_own_offset() -> None:
    (episode,) = of(rows_of(made.response(made.NIGHT), "oura", zone="America/New_York"), "sleep")
    assert (episode["signal"], episode["value_num"], episode["value_raw"]) == (
        "sleep_episode",
        pytest.approx(20000 / 60),
        "20000",
    )
    assert (episode["start_utc"], episode["end_utc"]) == (
        at("2024-03-30T22:45:30Z"),
        at("2024-03-31T05:03:00Z"),
    )
    assert (episode["utc_offset_min"], episode["tz_basis"]) == (60, "sample")
    assert (episode["local_date"], episode["statistic"]) == (dt.date(2024, 3, 31), "sum")


def test_stages_follow_one_another_and_belong_to_their_night() -> None:
    rows = rows_of(made.response(made.NIGHT))
    (episode,), stages = of(rows, "sleep"), of(rows, "sleep/sleep_phase_5_min")
    assert [row["stage"] for row in stages] == ["awake", "light", "deep", "rem"]
    assert [row["value_raw"] for row in stages] == ["4", "2", "1", "3"]
    assert {row["parent_id"] for row in stages} == {episode["source_record_id"]}
    assert [row["start_utc"] for row in stages[1:]] == [row["end_utc"] for row in stages[:-1]]
    assert stages[0]["start_utc"] == episode["start_utc"]
    assert {row["end_utc"] - row["start_utc"] for row in stages} == {dt.timedelta(minutes=5)}


def test_the_last_stage_ends_when_the_person_gets_up() -> None:
    night = {**made.NIGHT, "bedtime_end": "2024-03-30T23:57:00+01:00", "sleep_phase_5_min": "421"}
    stages = of(rows_of(made.response(night)), "sleep/sleep_phase_5_min")
    assert stages[-1]["end_utc"] == at("2024-03-30T22:57:00Z")


def test_a_digit_that_is_no_stage_is_quarantined_and_its_neighbours_are_not() -> None:
    table, _ = read(made.response({**made.NIGHT, "sleep_phase_5_min": "4912"}))
    assert problems(table) == {"unknown_code": 1}


def test_series_skip_nulls_without_moving_what_follows() -> None:
    table, parsing = read(made.response(made.NIGHT))
    beats = of(table.to_pylist(), "sleep/heart_rate")
    assert [(row["start_utc"], row["value_num"]) for row in beats] == [
        (at("2024-03-30T22:50:30Z"), 58),
        (at("2024-03-30T22:55:30Z"), 56.5),
    ]
    assert {(row["statistic"], row["window_s"]) for row in beats} == {("mean", 300)}
    assert {row["end_utc"] - row["start_utc"] for row in beats} == {dt.timedelta(minutes=5)}
    variability = of(table.to_pylist(), "sleep/hrv")
    assert [(row["signal"], row["statistic"], row["value_num"]) for row in variability] == [
        ("hrv_rmssd", "rmssd", 40),
        ("hrv_rmssd", "rmssd", 55),
    ]
    assert parsing.ignored == {"sleep/heart_rate without value": 2, "sleep/hrv without value": 1}


def test_averages_and_the_lowest_heart_rate_which_is_no_resting_one() -> None:
    rows = rows_of(made.response(made.NIGHT))
    assert [
        (row["signal"], row["value_num"], row["statistic"], row["unit_ucum"])
        for path in ("average_heart_rate", "lowest_heart_rate", "average_hrv", "average_breath", "efficiency")
        for row in of(rows, f"sleep/{path}")
    ] == [
        ("heart_rate", 54.25, "mean", "/min"),
        ("heart_rate", 48, "min", "/min"),
        ("hrv_rmssd", 62, "mean", "ms"),
        ("respiratory_rate", 12.625, "mean", "/min"),
        ("sleep_score", 84, None, "{score}"),
    ]
    assert not any(row["signal"] == "resting_heart_rate" for row in rows)


def test_a_deleted_night_is_counted_and_rest_is_no_sleep() -> None:
    table, parsing = read(made.response({**made.NIGHT, "type": "deleted"}))
    assert (table.num_rows, parsing.ignored) == (0, {"sleep/deleted": 1})
    table, parsing = read(made.response({**made.NIGHT, "type": "rest"}))
    assert {row["signal"] for row in table.to_pylist()} == {"heart_rate", "hrv_rmssd", "respiratory_rate"}
    assert parsing.ignored["sleep/rest"] == 1


def test_a_day_of_activity_begins_at_four() -> None:
    steps, energy = rows_of(made.response(made.ACTIVITY))
    assert (steps["signal"], steps["value_num"], steps["statistic"]) == ("step_count", 18430, "sum")
    assert (steps["start_utc"], steps["end_utc"] - steps["start_utc"]) == (
        at("2024-03-30T03:00:00Z"),
        dt.timedelta(days=1),
    )
    assert steps["local_date"] == dt.date(2024, 3, 30)
    assert (energy["signal"], energy["value_num"], energy["unit_ucum"]) == ("active_energy", 1222, "kcal")


def test_days_without_a_time_run_from_midnight_to_midnight() -> None:
    day = {
        "id": "x",
        "day": "2024-03-31",
        "spo2_percentage": {"average": 97.4},
        "breathing_disturbance_index": 1,
    }
    (row,) = rows_of(made.response(day), zone="Europe/Berlin")
    assert (row["signal"], row["value_num"], row["statistic"]) == ("spo2", 97.4, "mean")
    assert (row["start_utc"], row["end_utc"]) == (at("2024-03-30T23:00:00Z"), at("2024-03-31T22:00:00Z"))
    table, parsing = read(
        made.response({**day, "spo2_percentage": {"average": 0}}, {**day, "spo2_percentage": None})
    )
    assert (table.num_rows, parsing.ignored) == (0, {"daily_spo2 without value": 2})


@pytest.mark.parametrize(
    ("record", "signal", "value", "unit"),
    [
        (
            {"id": "v", "day": "2024-03-30", "timestamp": "2024-03-30T09:00:00+01:00", "vo2_max": 44.5},
            "vo2max",
            44.5,
            "mL/kg/min",
        ),
        (
            {
                "id": "r",
                "day": "2024-03-30",
                "score": 80,
                "temperature_deviation": -0.3,
                "temperature_trend_deviation": 0.1,
                "contributors": {"hrv_balance": 75},
                "timestamp": "2024-03-30T00:00:00+00:00",
            },
            "skin_temperature_delta",
            -0.3,
            "K",
        ),
        (
            {
                "id": "d",
                "day": "2024-03-30",
                "score": 80,
                "contributors": {"deep_sleep": 57},
                "timestamp": "2024-03-30T00:00:00+00:00",
            },
            "sleep_score",
            80,
            "{score}",
        ),
    ],
)
def test_other_days(record, signal, value, unit) -> None:
    (row,) = rows_of(made.response(record), "oura")
    assert (row["signal"], row["value_num"], row["unit_ucum"], row["problem"]) == (signal, value, unit, None)
    assert row["local_date"] == dt.date(2024, 3, 30)


def test_a_workout_without_the_words_of_the_person() -> None:
    table, _ = read(made.response(made.WORKOUT, {**made.WORKOUT, "activity": CANARY}))
    workout, distance, energy, other, *_ = table.to_pylist()
    assert (workout["signal"], workout["value_code"], workout["modality"]) == (
        "workout",
        "cycling",
        "self_reported",
    )
    assert (distance["value_num"], distance["parent_id"]) == (9412, workout["source_record_id"])
    assert (energy["signal"], energy["value_num"], energy["statistic"]) == ("active_energy", 212.5, "sum")
    assert other["value_code"] == "other"
    assert CANARY not in str(table.to_pylist())


def test_a_session_has_series() -> None:
    table, parsing = read(made.response(made.SESSION))
    rows = table.to_pylist()
    assert [(row["signal"], row["value_num"], row["window_s"]) for row in rows] == [
        ("heart_rate", 61, 5),
        ("heart_rate", 60, 5),
        ("hrv_rmssd", 31, 5),
    ]
    assert parsing.ignored == {"session": 1, "session/heart_rate without value": 1}


def test_the_person_goes_to_the_profile_and_tags_to_nobody() -> None:
    table, parsing = read(made.seeds()["oura_person"], "oura")
    assert (table.num_rows, parsing.ignored) == (0, {"personal_info": 1})
    assert parsing.profile.sex == "male"
    assert parsing.profile.other["email"] == f"{CANARY}@example.com"
    table, parsing = read(made.seeds()["oura_tag"], "oura")
    assert (table.num_rows, parsing.ignored) == (0, {"enhanced_tag": 1})


def test_what_no_documentation_has_is_quarantined_whole() -> None:
    table, _ = read(made.response(made.beat("2024-07-01T22:30:00Z"), {"mood": "odd"}, 7, ["x"]))
    assert problems(table) == {"bad_record": 3}
    assert '{"mood": "odd"}' in table.column("value_raw").to_pylist()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"bpm": None}, "missing_value"),
        ({"bpm": 0}, "out_of_range"),
        ({"bpm": "x"}, "bad_number"),
        ({"timestamp": None}, "no_time"),
        ({"timestamp": "then"}, "bad_time"),
    ],
)
def test_bad_beats(change, problem) -> None:
    good = made.beat("2024-07-01T22:30:00Z")
    table, _ = read(made.response(good, {**good, **change}))
    assert problems(table) == {problem: 1}


def test_an_empty_page_has_no_records() -> None:
    table, parsing = read(made.response(), "oura")
    assert (table.num_rows, parsing.records) == (0, 0)
