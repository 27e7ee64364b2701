"""The Withings API: measures, nights, days and workouts, and whom a measure belongs to."""

from __future__ import annotations

import datetime as dt

import pytest

from shelflife.signals.sample import QualityFlag
from tests.sources.damage import CANARY
from tests.sources.reading import problems, read, rows_of
from tests.sources.synthetic import withings as made
from tests.sources.synthetic.withings import NIGHT


def at(seconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.UTC)


def told(rows):
    return [(row["signal"], row["value_num"], row["unit_ucum"], row["statistic"]) for row in rows]


def test_measures_are_scaled_by_their_power_of_ten() -> None:
    kinds = [(1, 79300, -3), (11, 62, 0), (54, 97, 0), (71, 3690, -2), (123, 44, 0)]
    rows = rows_of(made.measures(made.group(*kinds)), "withings")
    assert told(rows) == [
        ("body_weight", 79.3, "kg", "instant"),
        ("heart_rate", 62, "/min", "instant"),
        ("spo2", 97, "%", "instant"),
        ("body_temperature", 36.9, "Cel", "instant"),
        ("vo2max", 44, "mL/kg/min", "instant"),
    ]
    assert (rows[0]["value_raw"], rows[0]["unit_raw"], rows[0]["start_utc"]) == ("79300e-3", "kg", at(NIGHT))
    assert (rows[0]["source_record_id"], rows[0]["device_model"]) == ("2909477003", "Body Scan")
    assert rows[0]["source_modified_at"] == at(NIGHT + 90)


def test_the_zone_of_the_account_may_stand_behind_the_groups() -> None:
    (row,) = rows_of(made.measures(made.group((1, 79300, -3))), zone="America/New_York")
    assert (row["iana_tz"], row["tz_basis"], row["utc_offset_min"]) == ("Europe/Berlin", "account", 60)
    (row,) = rows_of(made.measures(made.group((1, 79300, -3)), timezone="Nowhere"), zone="America/New_York")
    assert (row["iana_tz"], row["utc_offset_min"]) == ("America/New_York", -240)
    (row,) = rows_of(made.measures(made.group((1, 79300, -3), timezone="Asia/Tokyo")))
    assert (row["iana_tz"], row["tz_basis"]) == ("Asia/Tokyo", "sample")


def test_objectives_and_other_types_are_no_samples() -> None:
    table, parsing = read(
        made.measures(
            made.group((1, 70000, -3), category=2),
            made.group((6, 21, 0), (12, 20, 0), (73, 33, 0), (12345, 1, 0)),
            made.group(),
        )
    )
    assert table.num_rows == 0
    assert parsing.ignored == {
        "objective": 1,
        "measure type 6": 1,
        "measure type 12": 1,
        "measure type 73": 1,
        "measure type other": 1,
        "measure group without measures": 1,
    }


@pytest.mark.parametrize(
    ("attribution", "doubtful", "modality"),
    [
        (0, False, "sensed"),
        (8, False, "sensed"),
        (1, True, "sensed"),
        (2, False, "self_reported"),
        (4, True, "self_reported"),
    ],
)
def test_a_group_that_may_be_anothers_gives_little_confidence(attribution, doubtful, modality) -> None:
    (row,) = rows_of(made.measures(made.group((1, 79300, -3), attrib=attribution)))
    assert bool(row["quality_flags"] & QualityFlag.LOW_CONFIDENCE) is doubtful
    assert row["modality"] == modality


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"value": None}, "missing_value"),
        ({"unit": None}, "unknown_unit"),
        ({"unit": 99}, "unknown_unit"),
        ({"type": None}, "bad_record"),
    ],
)
def test_bad_measures(change, problem) -> None:
    good = made.group((1, 79300, -3), (11, 60, 0))
    good["measures"][0] |= change
    assert problems(read(made.measures(good))[0]) == {problem: 1}


def test_a_group_without_a_time() -> None:
    assert problems(read(made.measures(made.group((1, 79300, -3), date=None)))[0]) == {"no_time": 1}


def test_states_are_stages_with_what_was_measured_meanwhile() -> None:
    table, parsing = read(
        made.series(
            *(made.state(code, NIGHT + 600 * code, hr={}, rr={}, sdnn_1={}, rmssd={}) for code in range(6))
        )
    )
    rows = table.to_pylist()
    assert [row["stage"] for row in rows] == ["awake", "light", "deep", "rem", None, None]
    assert [row["value_raw"] for row in rows] == list("012345")
    assert problems(table) == {"unknown_code": 2}
    assert rows[1]["end_utc"] - rows[1]["start_utc"] == dt.timedelta(minutes=10)
    stage, *series = rows_of(made.series(made.state(2)))
    assert told(series) == [
        ("heart_rate", 58, "/min", "instant"),
        ("respiratory_rate", 15, "/min", "instant"),
        ("hrv_sdnn", 42, "ms", "sdnn"),
        ("hrv_rmssd", 38, "ms", "rmssd"),
    ]
    assert {row["start_utc"] for row in series} == {at(NIGHT)}
    assert (stage["device_model"], series[2]["window_s"]) == ("Sleep Analyzer", 60)
    assert parsing.ignored == {}
    table, parsing = read(made.series(made.state(2, hr={str(NIGHT): 0})))
    assert parsing.ignored == {"sleep/hr without value": 1}


def test_a_night_in_short() -> None:
    rows = rows_of(made.series(made.summary()), "withings")
    assert told(rows) == [
        ("sleep_episode", 450, "min", "sum"),
        ("sleep_score", 81, "{score}", None),
        ("heart_rate", 56, "/min", "mean"),
        ("heart_rate", 49, "/min", "min"),
        ("heart_rate", 71, "/min", "max"),
        ("respiratory_rate", 14, "/min", "mean"),
        ("respiratory_rate", 11, "/min", "min"),
        ("respiratory_rate", 19, "/min", "max"),
    ]
    night = rows[0]
    assert (night["start_utc"], night["end_utc"]) == (at(NIGHT), at(NIGHT + 30600))
    assert (night["utc_offset_min"], night["local_date"]) == (60, dt.date(2024, 3, 31))
    assert {row["parent_id"] for row in rows[1:]} == {night["source_record_id"]} == {"2081804182"}


def test_time_asleep_is_the_sum_of_its_phases_where_it_is_not_told() -> None:
    (night, *_) = rows_of(made.series(made.summary(total_sleep_time=None)))
    assert night["value_num"] == 450
    (night, *_) = rows_of(
        made.series(made.summary(total_sleep_time=None, remsleepduration=None, asleepduration=26400))
    )
    assert night["value_num"] == 440
    table, parsing = read(
        made.series(made.summary(total_sleep_time=None, remsleepduration=None, hr_average=0))
    )
    assert problems(table) == {"missing_value": 1}
    assert parsing.ignored == {"sleep/hr_average without value": 1}


def test_a_day_of_the_clock_change_is_23_hours_long() -> None:
    table, parsing = read(made.days(made.day()))
    rows = table.to_pylist()
    assert told(rows) == [
        ("step_count", 8231, "{steps}", "sum"),
        ("distance", 6012.5, "m", "sum"),
        ("active_energy", 312.7, "kcal", "sum"),
        ("heart_rate", 68, "/min", "mean"),
        ("heart_rate", 131, "/min", "max"),
    ]
    assert {row["end_utc"] - row["start_utc"] for row in rows} == {dt.timedelta(hours=23)}
    assert {row["local_date"] for row in rows} == {dt.date(2024, 3, 31)}
    assert parsing.ignored == {"activity/hr_min without value": 1}
    assert problems(read(made.days(made.day(date="soon")))[0]) == {"bad_time": 5}
    assert rows_of(made.days(made.day(steps=0)))[0]["value_num"] == 0


def test_activity_within_a_day() -> None:
    moments = {
        str(NIGHT): {
            "deviceid": CANARY,
            "model": "ScanWatch",
            "steps": 60,
            "distance": 40.2,
            "calories": 2,
            "duration": 60,
        },
        str(NIGHT + 60): {"heart_rate": 71, "spo2_auto": 96},
        str(NIGHT + 120): {"heart_rate": 0},
        "then": {"heart_rate": 70},
    }
    table, parsing = read(made.intraday(**moments), "withings")
    rows = table.to_pylist()
    assert told(rows[:5]) == [
        ("step_count", 60, "{steps}", "sum"),
        ("distance", 40.2, "m", "sum"),
        ("active_energy", 2, "kcal", "sum"),
        ("heart_rate", 71, "/min", "instant"),
        ("spo2", 96, "%", "instant"),
    ]
    assert (rows[0]["start_utc"], rows[0]["end_utc"], rows[0]["device_model"]) == (
        at(NIGHT),
        at(NIGHT + 60),
        "ScanWatch",
    )
    assert rows[3]["start_utc"] == rows[3]["end_utc"] == at(NIGHT + 60)
    assert problems(table) == {"bad_record": 1}
    assert parsing.ignored == {"intraday/heart_rate without value": 1}


def test_workouts() -> None:
    rows = rows_of(made.series(made.workout(), made.workout(category=999)), "withings")
    assert [(row["value_code"], row["value_raw"]) for row in rows if row["signal"] == "workout"] == [
        ("running", "2"),
        ("withings_category_999", "999"),
    ]
    assert told(rows[1:4]) == [
        ("step_count", 5200, "{steps}", "sum"),
        ("distance", 5000, "m", "sum"),
        ("active_energy", 250, "kcal", "sum"),
    ]
    assert {row["parent_id"] for row in rows[1:7]} == {"77"}
    assert problems(read(made.series(made.workout(category="x")))[0]) == {"bad_record": 1}


def test_electrocardiograms_have_a_heart_rate() -> None:
    table, parsing = read(
        made.series(made.electrocardiogram(), made.electrocardiogram(heart_rate=0)), "withings"
    )
    assert told(table.to_pylist()) == [("heart_rate", 71, "/min", "instant")]
    assert parsing.ignored == {"electrocardiogram without heart rate": 1}


def test_devices_and_comments_are_in_no_sample() -> None:
    for content in made.seeds().values():
        assert CANARY not in str(read(content)[0].to_pylist())


def test_what_no_documentation_has_is_quarantined() -> None:
    assert problems(read(made.series(made.state(1), {"dream": 1}, 5))[0]) == {"bad_record": 2}
