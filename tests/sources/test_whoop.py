"""The WHOOP API: scored and unscored records, totals of a night, and offsets beside the times."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from shelflife.signals.sample import QualityFlag
from tests.sources.damage import CANARY
from tests.sources.reading import problems, read, rows_of
from tests.sources.synthetic import whoop as made


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def test_a_night_is_an_episode_and_no_stages() -> None:
    rows = rows_of(made.response(made.SLEEP), "whoop", zone="Europe/Berlin")
    assert not any(row["signal"] == "sleep_stage" for row in rows)
    (night,) = [row for row in rows if row["signal"] == "sleep_episode"]
    assert night["value_num"] == pytest.approx((14_000_000 + 6_600_000 + 5_800_000) / 60_000)
    assert (night["start_utc"], night["end_utc"]) == (
        at("2024-03-31T04:25:44.774Z"),
        at("2024-03-31T12:25:44.774Z"),
    )
    assert (night["utc_offset_min"], night["tz_basis"], night["statistic"]) == (-300, "sample", "sum")
    assert (night["local_date"], night["source_record_id"]) == (dt.date(2024, 3, 31), made.SLEEP["id"])
    assert night["source_modified_at"] == at("2024-03-31T14:25:44.774Z")


def test_scores_of_one_night_are_observations_of_their_own() -> None:
    rows = [row for row in rows_of(made.response(made.SLEEP)) if row["signal"] == "sleep_score"]
    assert [(row["record_path"], row["value_num"]) for row in rows] == [
        ("sleep/performance", 91),
        ("sleep/efficiency", 91),
        ("sleep/consistency", 90),
    ]
    assert len({row["source_record_id"] for row in rows}) == 3
    assert {row["parent_id"] for row in rows} == {made.SLEEP["id"]}
    (breath,) = [row for row in rows_of(made.response(made.SLEEP)) if row["signal"] == "respiratory_rate"]
    assert (breath["value_num"], breath["statistic"]) == (16.11328125, "mean")


def test_a_total_that_is_missing_is_no_zero() -> None:
    summary = {**made.SLEEP["score"]["stage_summary"], "total_rem_sleep_time_milli": None}
    night = {**made.SLEEP, "score": {**made.SLEEP["score"], "stage_summary": summary}}
    assert problems(read(made.response(night))[0]) == {"missing_value": 1}


def test_a_recovery_is_dated_by_when_it_was_recorded() -> None:
    resting, variability, saturation = rows_of(made.response(made.RECOVERY), zone="America/New_York")
    assert [
        (row["signal"], row["value_num"], row["unit_ucum"]) for row in (resting, variability, saturation)
    ] == [
        ("resting_heart_rate", 64, "/min"),
        ("hrv_rmssd", 31.813562, "ms"),
        ("spo2", 95.6875, "%"),
    ]
    assert (resting["start_utc"], resting["utc_offset_min"], resting["tz_basis"]) == (
        at("2024-03-31T12:25:44.774Z"),
        -240,
        "account",
    )
    assert variability["statistic"] == "rmssd"


def test_a_band_that_is_calibrating_gives_little_confidence() -> None:
    score = {**made.RECOVERY["score"], "user_calibrating": True}
    rows = rows_of(made.response({**made.RECOVERY, "score": score}))
    assert all(row["quality_flags"] & QualityFlag.LOW_CONFIDENCE for row in rows)
    assert not any(
        row["quality_flags"] & QualityFlag.LOW_CONFIDENCE for row in rows_of(made.response(made.RECOVERY))
    )


def test_a_band_without_a_sensor_for_saturation_sends_none() -> None:
    score = {name: value for name, value in made.RECOVERY["score"].items() if name != "spo2_percentage"}
    table, parsing = read(made.response({**made.RECOVERY, "score": score}))
    assert table.num_rows == 2
    assert parsing.ignored == {"recovery/spo2_percentage without value": 1}


@pytest.mark.parametrize(
    ("record", "kind"), [(made.SLEEP, "sleep"), (made.RECOVERY, "recovery"), (made.CYCLE, "cycle")]
)
def test_records_without_a_score_are_counted(record, kind) -> None:
    content = made.response(made.unscored(record, "PENDING_SCORE"), made.unscored(record, "UNSCORABLE"))
    table, parsing = read(content, "whoop")
    assert table.num_rows == 0
    assert parsing.ignored == {f"{kind}/pending score": 1, f"{kind}/unscorable": 1}


def test_numbers_beside_another_state_than_scored_are_not_read() -> None:
    table, parsing = read(made.response({**made.RECOVERY, "score_state": "PENDING_SCORE"}))
    assert (table.num_rows, parsing.ignored) == (0, {"recovery/pending score": 1})


def test_a_workout_took_place_even_before_it_is_scored() -> None:
    table, parsing = read(made.response(made.WORKOUT, made.unscored(made.WORKOUT, "PENDING_SCORE")))
    workout, distance, mean, most, unscored = table.to_pylist()
    assert (workout["value_code"], workout["utc_offset_min"], workout["source_record_id"]) == (
        "cycling",
        330,
        "1043",
    )
    assert (distance["value_num"], distance["unit_ucum"], distance["parent_id"]) == (
        1772.77035916,
        "m",
        "1043",
    )
    assert [(row["value_num"], row["statistic"]) for row in (mean, most)] == [(123, "mean"), (146, "max")]
    assert unscored["signal"] == "workout"
    assert parsing.ignored == {"workout/pending score": 1}


def test_a_sport_is_a_known_word_or_a_number() -> None:
    named = {**made.WORKOUT, "sport_name": CANARY}
    numbered = {name: value for name, value in made.WORKOUT.items() if name != "sport_name"}
    rows = [row for row in rows_of(made.response(named, numbered)) if row["signal"] == "workout"]
    assert [row["value_code"] for row in rows] == ["other", "whoop_sport_1"]


def test_a_cycle_that_still_runs_is_counted() -> None:
    table, parsing = read(made.response(made.CYCLE, {**made.CYCLE, "end": None}))
    assert [(row["signal"], row["value_num"], row["statistic"]) for row in table.to_pylist()] == [
        ("heart_rate", 68, "mean"),
        ("heart_rate", 141, "max"),
    ]
    assert parsing.ignored == {"cycle/still running": 1}


def test_one_record_by_itself_is_read_like_a_page() -> None:
    assert rows_of(json.dumps(made.SLEEP).encode(), "whoop") == rows_of(made.response(made.SLEEP), "whoop")


def test_person_and_body_go_to_the_profile() -> None:
    table, parsing = read(made.seeds()["whoop_person"], "whoop")
    assert (table.num_rows, parsing.ignored) == (0, {"profile": 1})
    assert (parsing.profile.given_name, parsing.profile.family_name) == (CANARY, "Doe")
    table, parsing = read(made.seeds()["whoop_body"], "whoop")
    assert (table.num_rows, parsing.ignored) == (0, {"body_measurement": 1})
    assert parsing.profile.other["weight_kg"] == "90.7185"


def test_half_a_character_is_no_text() -> None:
    _, parsing = read(made.seeds()["whoop_person"].replace(CANARY.encode(), b"\\ud800"))
    assert (parsing.profile.given_name, parsing.profile.other["email"]) == ("?", "?@example.com")


def test_what_no_documentation_has_is_quarantined() -> None:
    table, _ = read(made.response(made.CYCLE, {"score_state": "SCORED"}, 5))
    assert problems(table) == {"bad_record": 2}


def test_an_unknown_offset_leaves_the_instant() -> None:
    (row, *_) = rows_of(made.response({**made.SLEEP, "timezone_offset": "EST"}))
    assert (row["start_utc"], row["tz_basis"]) == (at("2024-03-31T04:25:44.774Z"), "unknown")
