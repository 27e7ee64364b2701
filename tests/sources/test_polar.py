"""Polar AccessLink: each kind of answer, alone and in lists, and the clocks that they tell."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from shelflife.errors import SourceError
from shelflife.sources.json_values import record_id
from shelflife.sources.registry import detect
from shelflife.sources.source import ByteSource
from tests.sources.reading import NOW, problems, read, rows_of
from tests.sources.synthetic import polar as made
from tests.sources.synthetic.polar import answer


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text + "+00:00")


def brief(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(row["signal"], row["value_num"] or row["value_code"], row["statistic"]) for row in rows]


def of(rows: list[dict[str, Any]], path: str) -> list[dict[str, Any]]:
    return [row for row in rows if (row["record_path"] or "").partition("#")[0] == path]


def test_an_exercise() -> None:
    table, parsing = read(answer(made.exercise()), "polar")
    rows = table.to_pylist()
    assert brief(rows) == [
        ("workout", "trail_running", None),
        ("distance", 10500.5, "sum"),
        ("active_energy", 530, "sum"),
        ("heart_rate", 129, "mean"),
        ("heart_rate", 147, "max"),
        ("heart_rate", 100, "instant"),
        ("heart_rate", 104, "instant"),
        ("rr_interval", 800, "instant"),
        ("rr_interval", 750, "instant"),
        ("rr_interval", 700, "instant"),
    ]
    workout = rows[0]
    assert (workout["start_utc"], workout["end_utc"]) == (
        at("2024-11-01T10:40:02"),
        at("2024-11-01T11:42:05.5"),
    )
    assert (workout["utc_offset_min"], workout["tz_basis"]) == (120, "sample")
    assert [row["start_utc"] for row in of(rows, "exercise.samples.0")] == [
        at("2024-11-01T10:40:02"),
        at("2024-11-01T10:40:12"),
    ]
    assert [row["start_utc"] for row in of(rows, "exercise.samples.11")] == [
        at("2024-11-01T10:40:02.8"),
        at("2024-11-01T10:40:03.55"),
        at("2024-11-01T10:40:04.25"),
    ]
    assert parsing.ignored == {"location": 1, "exercise.samples": 4}
    assert {(row["device_make"], row["device_model"]) for row in rows} == {("Polar", "Polar Vantage V3")}
    assert {row["parent_id"] for row in rows} == {record_id("2AC312F")}


def test_names_with_hyphens_say_the_same() -> None:
    assert rows_of(answer([made.hyphens(made.exercise())])) == rows_of(answer([made.exercise()]))
    assert rows_of(answer(made.hyphens(made.recharge()))) == rows_of(answer(made.recharge()))


def test_people_devices_and_places_stay_out() -> None:
    for document in (made.exercise(device="Ada's watch"), made.sleep(), made.recharge(), made.heart_rate()):
        text = str(read(answer(document))[0].to_pylist())
        assert not any(word in text for word in ("8675309", "1111AAAA", "60.21", "Ada"))


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"start_time": "soon"}, {"no_time": 10}),
        ({"start_time": None}, {"no_time": 10}),
        ({"sport": "Ada's run", "detailed_sport_info": 7}, {"unknown_code": 1}),
        ({"calories": "many"}, {"bad_number": 1}),
        ({"distance": [1]}, {"bad_number": 1}),
    ],
)
def test_what_is_wrong_with_an_exercise_goes_to_quarantine(
    changes: dict[str, Any], found: dict[str, int]
) -> None:
    assert problems(read(answer(made.exercise(**changes)))[0]) == found


def test_an_exercise_without_an_offset_has_wall_clock_times() -> None:
    content = answer(made.exercise(start_time_utc_offset=None))
    assert rows_of(content)[0]["tz_basis"] == "unknown"
    source = ByteSource.from_bytes(content)
    [batch] = detect(source).parse(source, now=NOW, zone="Europe/Helsinki")
    row = batch.to_pylist()[0]
    assert (row["start_utc"], row["tz_basis"]) == (at("2024-11-01T10:40:02"), "account")


@pytest.mark.parametrize("data", ["9" * 30, "-5,1", "1e400", "x"])
def test_beats_that_cannot_be_placed_have_no_time(data: str) -> None:
    samples = [{"recording-rate": 0, "sample-type": "11", "data": data}]
    table, _ = read(answer(made.exercise(samples=samples)))
    assert set(problems(table)) <= {"no_time", "bad_number", "out_of_range"}
    assert problems(table)


def test_continuous_heart_rate() -> None:
    table, parsing = read(answer(made.heart_rate()), "polar")
    assert [(row["value_num"], row["start_utc"], row["tz_basis"]) for row in table.to_pylist()] == [
        (63, at("2024-11-01T00:02:08"), "unknown"),
        (78, at("2024-11-01T23:59:00"), "unknown"),
    ]
    assert parsing.ignored == {"heart_rate_samples": 1}


def test_a_night() -> None:
    table, parsing = read(answer({"nights": [made.sleep()]}), "polar")
    rows = table.to_pylist()
    episode, score = rows[:2]
    assert brief([episode, score]) == [
        ("sleep_episode", pytest.approx(25_300 / 60), "sum"),
        ("sleep_score", 80, None),
    ]
    assert (episode["start_utc"], episode["end_utc"]) == (
        at("2024-11-01T21:40:30"),
        at("2024-11-02T05:12:30"),
    )
    assert episode["local_date"] == dt.date(2024, 11, 2)
    stages = [(row["stage"], row["start_utc"], row["end_utc"]) for row in of(rows, "sleep.hypnogram")]
    assert stages == [
        ("light", at("2024-11-01T21:40:00"), at("2024-11-01T21:50:00")),
        ("awake", at("2024-11-01T21:50:00"), at("2024-11-01T22:50:00")),
        ("light", at("2024-11-01T22:50:00"), at("2024-11-01T23:23:00")),
        ("deep", at("2024-11-02T00:00:00"), at("2024-11-02T01:00:00")),
        ("rem", at("2024-11-02T01:00:00"), at("2024-11-02T02:00:00")),
        (None, at("2024-11-02T02:00:00"), at("2024-11-02T05:12:30")),
    ]
    assert problems(table) == {"unknown_code": 1}
    assert {row["parent_id"] for row in of(rows, "sleep.hypnogram")} == {episode["source_record_id"]}
    rates = of(rows, "sleep.heart_rate_samples")
    assert [(row["value_num"], row["start_utc"], row["statistic"], row["window_s"]) for row in rates] == [
        (76, at("2024-11-01T21:41:00"), "mean", 300),
        (71, at("2024-11-01T22:51:00"), "mean", 300),
    ]
    assert parsing.ignored == {"sleep.hypnogram": 1, "sleep.heart_rate_samples": 1}


def test_a_night_without_a_beginning() -> None:
    table, _ = read(answer(made.sleep(sleep_start_time="late")))
    assert problems(table) == {"bad_time": 2, "no_time": 8}


def test_nightly_recharge() -> None:
    rows = rows_of(answer({"recharges": [made.recharge()]}), "polar")
    assert brief(rows) == [
        ("heart_rate", 57, "mean"),
        ("rr_interval", 1052, "mean"),
        ("hrv_rmssd", 41, "mean"),
        ("respiratory_rate", 14.1, "mean"),
        ("hrv_rmssd", 44, "rmssd"),
        ("hrv_rmssd", 38, "rmssd"),
        ("respiratory_rate", 13.4, "mean"),
    ]
    means = {(row["start_utc"], row["end_utc"]) for row in rows[:4]}
    assert means == {(at("2024-11-01T23:56:00"), at("2024-11-02T03:56:00"))}
    assert [(row["start_utc"], row["window_s"]) for row in rows[4:]] == [
        (at("2024-11-01T23:56:00"), 300),
        (at("2024-11-02T00:41:00"), 300),
        (at("2024-11-02T00:39:00"), 300),
    ]


def test_recharge_without_samples_covers_the_day_it_is_of() -> None:
    rows = rows_of(answer(made.recharge(hrv_samples=None, breathing_samples={})))
    assert {(row["start_utc"], row["end_utc"]) for row in rows} == {
        (at("2024-11-02T00:00:00"), at("2024-11-03T00:00:00"))
    }
    table, _ = read(answer(made.recharge(date="soon")))
    assert problems(table) == {"no_time": 7}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (
            made.activity(),
            [("step_count", 8823, "sum"), ("active_energy", 900, "sum"), ("distance", 6590.5, "sum")],
        ),
        (made.old_activity(), [("step_count", 250, "sum"), ("active_energy", 428, "sum")]),
    ],
)
def test_days(document: dict[str, Any], expected: list[tuple[Any, ...]]) -> None:
    table, parsing = read(answer([document]), "polar")
    rows = table.to_pylist()
    assert brief(rows) == expected
    assert {(row["start_utc"], row["end_utc"]) for row in rows} == {
        (at("2024-11-01T00:00:00"), at("2024-11-02T00:00:00"))
    }
    assert parsing.ignored == {"calories": 1}


def test_objects_of_no_kind_are_counted_and_others_are_bad_records() -> None:
    table, parsing = read(answer([made.activity(), {"transaction-id": 7}, 8, {"ans_charge": 1}]))
    assert problems(table) == {"bad_record": 1}
    assert parsing.ignored == {"calories": 1, "object": 2}


@pytest.mark.parametrize("cut", [10, 200, 400])
def test_an_answer_that_is_cut_off_is_refused(cut: int) -> None:
    with pytest.raises(SourceError):
        read(answer(made.exercise())[:-cut])
