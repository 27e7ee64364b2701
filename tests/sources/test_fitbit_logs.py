"""Fitbit's logs of nights and activities, as the Web API has them; the archive's are the same."""

from __future__ import annotations

import datetime as dt
import itertools
import json
from collections import Counter
from pathlib import Path

from shelflife.signals.sample import QualityFlag
from tests.sources.damage import CANARY
from tests.sources.reading import problems, read, rows_of
from tests.sources.synthetic import fitbit as made


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def of(rows, signal: str):
    return [row for row in rows if row["signal"] == signal]


def test_a_recorded_night_agrees_with_its_own_totals(samples: Path) -> None:
    path = samples / "vendor_api" / "fitbit" / "fitbit-sleep-date.json"
    logs = json.loads(path.read_text())["sleep"]
    rows = rows_of(path)
    for log in logs:
        identity = str(log["logId"])
        [episode] = [row for row in of(rows, "sleep_episode") if row["source_record_id"] == identity]
        assert episode["value_num"] == log["minutesAsleep"]
        assert episode["local_date"].isoformat() == log["dateOfSleep"]
        assert (episode["end_utc"] - episode["start_utc"]).total_seconds() * 1000 == log["duration"]
        minutes: Counter[str] = Counter()
        for row in of(rows, "sleep_stage"):
            if row["parent_id"] == identity:
                minutes[row["stage"]] += (row["end_utc"] - row["start_utc"]).total_seconds() / 60
        assert minutes["asleep_unspecified"] == log["minutesAsleep"]
        assert minutes["awake"] == log["minutesAwake"]
        [score] = [row for row in of(rows, "sleep_score") if row["parent_id"] == identity]
        assert (score["value_num"], score["unit_ucum"]) == (log["efficiency"], "{score}")


def test_short_wakes_stand_beside_the_stages_that_they_overlay() -> None:
    rows = rows_of(made.document({"sleep": [made.night()]}))
    stages = of(rows, "sleep_stage")
    assert [row["stage"] for row in stages] == ["awake", "light", "deep", "rem", "awake"]
    assert [row["value_raw"] for row in stages][-1] == "wake"
    assert [row["record_path"] for row in stages][-2:] == ["sleep/levels/data", "sleep/levels/shortData"]
    assert stages[-1]["end_utc"] - stages[-1]["start_utc"] == dt.timedelta(seconds=90)
    assert {row["parent_id"] for row in stages} == {str(made.LONG_ID)}
    assert of(rows, "sleep_episode")[0]["source_record_id"] == "9223372036854775001"


def test_a_night_keeps_the_offset_of_its_start_when_clocks_change() -> None:
    rows = rows_of(made.document({"sleep": [made.night()]}), zone="America/New_York")
    assert {row["utc_offset_min"] for row in rows} == {-300}
    assert {(row["tz_basis"], row["iana_tz"]) for row in rows} == {("account", "America/New_York")}
    edges = [(row["start_utc"], row["end_utc"]) for row in of(rows, "sleep_stage")[:4]]
    assert all(before[1] == after[0] for before, after in itertools.pairwise(edges))
    [episode] = of(rows, "sleep_episode")
    assert (episode["start_utc"], episode["end_utc"]) == (edges[0][0], edges[-1][1])
    assert episode["local_date"] == dt.date(2024, 3, 10)
    twice = made.night(startTime="2024-11-03T01:30:00.000", levels={})
    [row, score] = rows_of(made.document({"sleep": [twice]}), zone="America/New_York")
    assert row["quality_flags"] & QualityFlag.LOCAL_TIME_DOUBTFUL
    assert score["quality_flags"] & QualityFlag.LOCAL_TIME_DOUBTFUL


def test_minutes_of_the_first_version_cross_midnight() -> None:
    stages = of(rows_of(made.document({"sleep": [made.minute_night()]})), "sleep_stage")
    assert [row["stage"] for row in stages] == ["awake", "awake", "asleep_unspecified", "asleep_unspecified"]
    assert [row["start_utc"].isoformat() for row in stages][1:3] == [
        "2011-06-15T23:59:00+00:00",
        "2011-06-16T00:00:00+00:00",
    ]
    assert {row["end_utc"] - row["start_utc"] for row in stages} == {dt.timedelta(minutes=1)}


def test_levels_that_nobody_knows_are_set_aside() -> None:
    log = made.night(
        levels={
            "data": [
                made.level("2024-03-09T23:30:00.000", "dozing", 60),
                {"dateTime": "2024-03-09T23:31:00.000", "level": "deep"},
                7,
            ]
        },
        efficiency=None,
        duration=None,
        minutesAsleep=None,
    )
    table, _ = read(made.document({"sleep": [log, 5]}))
    assert problems(table) == {"unknown_code": 1, "missing_value": 3, "bad_record": 1}
    assert table.to_pylist()[0]["end_utc"] == at("2024-03-10T05:30:30Z")


def test_a_workout_and_its_parts() -> None:
    content = made.document({"activities": [made.activity()], "pagination": {"afterDate": "2019-01-01"}})
    table, parsing = read(content, "fitbit_api", zone="Europe/Berlin")
    workout, heart, steps, distance = table.to_pylist()
    assert (workout["value_code"], workout["source_record_id"], workout["modality"]) == (
        "cycling",
        "26013218219",
        "sensed",
    )
    assert (workout["start_utc"], workout["end_utc"]) == (
        at("2019-01-03T20:08:29Z"),
        at("2019-01-03T20:38:29Z"),
    )
    assert (workout["utc_offset_min"], workout["tz_basis"]) == (-480, "sample")
    assert (heart["value_num"], heart["statistic"], steps["value_num"]) == (131, "mean", 110)
    assert (distance["value_num"], distance["value_raw"], distance["unit_raw"]) == (12_400, "12.4", "km")
    assert {row["parent_id"] for row in (heart, steps, distance)} == {"26013218219"}
    assert parsing.ignored == {"activities/calories": 1}


def test_an_activity_that_a_person_named_does_not_carry_the_name() -> None:
    log = made.activity(activityName=CANARY, hasStartTime=False, logType="manual", distanceUnit="Smoot")
    table, parsing = read(made.document({"activities": [log]}))
    workout = table.to_pylist()[0]
    assert (workout["value_code"], workout["value_raw"], workout["modality"]) == (
        "other",
        "other",
        "self_reported",
    )
    assert workout["quality_flags"] & QualityFlag.LOW_CONFIDENCE
    assert CANARY not in str(table.to_pylist())
    assert parsing.ignored["activities/distance"] == 1


def test_an_id_that_is_no_number_is_a_digest() -> None:
    rows = rows_of(made.document({"sleep": [made.night(logId=CANARY)]}))
    assert len(rows[0]["source_record_id"]) == 32
    assert {row["parent_id"] for row in rows[1:]} == {rows[0]["source_record_id"]}
    assert CANARY not in str(rows)
