"""Open mHealth: what measures, times, persons and sources of its documents become."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pyarrow as pa
import pytest

from shelflife.errors import SourceError
from shelflife.sources.open_mhealth import OpenMHealth
from shelflife.sources.source import ByteSource
from tests.sources.reading import NOW, problems, read
from tests.sources.synthetic.open_mhealth import CANARY, UUID, heart_rate, ieee_header, lines, point, seeds


def one(body: Any, schema: str = "heart-rate", version: str = "2.0", **more: Any) -> dict[str, Any]:
    """Read a file of one data point and return its only row."""
    content = json.dumps(point(schema, version, body, **more)).encode()
    rows = read(content, "open_mhealth")[0].to_pylist()
    assert len(rows) == 1
    return dict(rows[0])


def frame(**interval: Any) -> dict[str, Any]:
    return {"effective_time_frame": {"time_interval": interval}}


def utc(*parts: int) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=dt.UTC)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("schema", "version", "field", "value", "unit", "signal", "expected"),
    [
        ("heart-rate", "2.0", "heart_rate", 62.5, "beats/min", "heart_rate", 62.5),
        ("rr-interval", "1.0", "rr_interval", 812, "ms", "rr_interval", 812),
        ("oxygen-saturation", "2.0", "oxygen_saturation", 97, "%", "spo2", 97),
        ("respiratory-rate", "2.0", "respiratory_rate", 14, "breaths/min", "respiratory_rate", 14),
        ("body-temperature", "3.0", "body_temperature", 98.6, "F", "body_temperature", 37.0),
        ("body-temperature", "3.0", "body_temperature", 36.6, "C", "body_temperature", 36.6),
        ("body-temperature", "4.0", "body_temperature", 310.15, "K", "body_temperature", 37.0),
        ("body-weight", "3.0", "body_weight", 154, "lb", "body_weight", 69.85322498),
        ("body-weight", "2.0", "body_weight", 2464, "oz", "body_weight", 69.85322498),
        ("body-weight", "2.0", "body_weight", 70500, "g", "body_weight", 70.5),
    ],
)
def test_measures_come_in_the_units_of_their_schema(
    schema: str, version: str, field: str, value: float, unit: str, signal: str, expected: float
) -> None:
    frame = {"effective_time_frame": {"date_time": "2026-11-03T07:25:00+01:00"}}
    row = one({field: {"value": value, "unit": unit}, **frame}, schema, version)
    assert (row["signal"], row["unit_raw"], row["value_raw"]) == (signal, unit, str(value))
    assert row["value_num"] == pytest.approx(expected)
    assert (row["start_utc"], row["utc_offset_min"]) == (utc(2026, 11, 3, 6, 25), 60)
    assert (row["statistic"], row["problem"], row["source_platform"]) == ("instant", None, "open_mhealth")


def test_a_mass_of_unclear_ton_is_set_aside() -> None:
    body = {
        "body_weight": {"value": 0.07, "unit": "Ton"},
        "effective_time_frame": {"date_time": "2026-11-03T07:25:00Z"},
    }
    assert one(body, "body-weight")["problem"] == "unknown_unit"


@pytest.mark.parametrize(
    ("specimen", "source", "signal"),
    [
        ("interstitial fluid", None, "glucose_interstitial"),
        ("capillary blood", None, "glucose_capillary"),
        ("capillary blood", "Dexcom G6", "glucose_capillary"),
        ("plasma", None, None),
        ("whole blood", None, None),
        ("tears", None, None),
        (None, None, None),
        (None, "Dexcom G6", "glucose_interstitial"),
        (None, "mySugr", None),
    ],
)
def test_glucose_lands_only_as_what_it_surely_is(
    specimen: str | None, source: str | None, signal: str | None
) -> None:
    body = {
        "blood_glucose": {"value": 5.5, "unit": "mmol/L"},
        "effective_time_frame": {"date_time": "2026-11-03T07:25:00Z"},
    }
    body |= {"specimen_source": specimen} if specimen else {}
    more = {"acquisition_provenance": {"source_name": source}} if source else {}
    row = one(body, "blood-glucose", **more)
    assert row["problem"] == (None if signal else "unknown_signal")
    assert row["signal"] == signal
    assert signal is None or row["value_num"] == pytest.approx(99.1001)


@pytest.mark.parametrize(
    ("word", "statistic", "problem"),
    [
        ("average", "mean", None),
        ("maximum", "max", None),
        ("minimum", "min", None),
        ("sum", "sum", None),
        ("median", None, "unknown_signal"),
        ("variance", None, "unknown_signal"),
        ("80th percentile", None, "unknown_signal"),
    ],
)
def test_statistics_that_a_sample_cannot_have_are_set_aside(
    word: str, statistic: str | None, problem: str | None
) -> None:
    row = one({**heart_rate(), "descriptive_statistic": word})
    assert (row["statistic"], row["problem"]) == (statistic, problem)


def test_a_daily_average_over_a_month_says_that_it_is_one() -> None:
    month = frame(start_date_time="2026-10-01T00:00:00+02:00", end_date_time="2026-11-01T00:00:00+01:00")
    body = {"step_count": {"value": 9000, "unit": "steps"}, **month, "descriptive_statistic": "average"}
    row = one({**body, "descriptive_statistic_denominator": "d"}, "step-count", "3.0")
    assert (row["statistic"], row["window_s"], row["value_num"]) == ("mean", 86_400, 9000)
    assert (row["start_utc"], row["end_utc"]) == (utc(2026, 9, 30, 22), utc(2026, 10, 31, 23))
    assert one({**body, "descriptive_statistic_denominator": "meal"}, "step-count", "3.0")["window_s"] is None


@pytest.mark.parametrize(
    ("interval", "start", "end", "offset", "problem"),
    [
        (
            {"start_date_time": "2026-11-03T07:00:00-05:00", "duration": {"value": 1.5, "unit": "h"}},
            utc(2026, 11, 3, 12),
            utc(2026, 11, 3, 13, 30),
            -300,
            None,
        ),
        (
            {"end_date_time": "2026-11-03T07:00:00.25-05:00", "duration": {"value": 90, "unit": "sec"}},
            utc(2026, 11, 3, 11, 58, 30, 250_000),
            utc(2026, 11, 3, 12, 0, 0, 250_000),
            -300,
            None,
        ),
        (
            {"start_date_time": "2026-11-03t07:00:00z", "end_date_time": "2026-11-03T08:00:00Z"},
            utc(2026, 11, 3, 7),
            utc(2026, 11, 3, 8),
            0,
            None,
        ),
        ({"date": "2026-11-03", "part_of_day": "night"}, utc(2026, 11, 3), utc(2026, 11, 4), None, None),
        ({"date": "2026-13-03", "part_of_day": "night"}, None, None, None, "bad_time"),
        (
            {"start_date_time": "2026-11-03T07:00:00Z", "duration": {"value": 1, "unit": "Mo"}},
            None,
            None,
            0,
            "ambiguous_time",
        ),
        (
            {"end_date_time": "2026-11-03T07:00:00Z", "duration": {"value": -1, "unit": "h"}},
            utc(2026, 11, 3, 8),
            utc(2026, 11, 3, 7),
            0,
            "end_before_start",
        ),
        (
            {"start_date_time": "2026-11-03T07:00:60Z", "end_date_time": "2026-11-03T08:00:00Z"},
            utc(2026, 11, 3, 7, 1),
            utc(2026, 11, 3, 8),
            0,
            None,
        ),
    ],
)
def test_time_frames(
    interval: dict[str, Any],
    start: dt.datetime | None,
    end: dt.datetime | None,
    offset: int | None,
    problem: str | None,
) -> None:
    row = one({"heart_rate": {"value": 60, "unit": "beats/min"}, **frame(**interval)}, version="1.0")
    assert (row["problem"], row["utc_offset_min"]) == (problem, offset)
    assert start is None or (row["start_utc"], row["end_utc"]) == (start, end)


def test_a_number_beyond_all_reason_is_no_trap() -> None:
    content = json.dumps(point("heart-rate", "2.0", heart_rate()))
    frame = (
        '{"time_interval":{"end_date_time":"2026-11-03T07:00:00Z","duration":{"value":1e999999,"unit":"h"}}}'
    )
    content = content.replace('{"date_time": "2026-11-03T07:25:00+01:00"}', frame)
    assert problems(read(content.encode(), "open_mhealth")[0]) == {"ambiguous_time": 1}


def test_an_activity_is_a_workout_with_its_distance_and_never_free_text() -> None:
    hour = frame(start_date_time="2026-11-03T07:00:00Z", duration={"value": 1, "unit": "h"})
    body = {"activity_name": "Walking", "distance": {"value": 3.1, "unit": "mi"}, **hour}
    table, parsing = read(
        json.dumps(
            point("physical-activity", "1.2", {**body, "kcal_burned": {"value": 160, "unit": "kcal"}})
        ).encode()
    )
    workout, distance = table.to_pylist()
    assert (workout["value_code"], distance["signal"], distance["parent_id"]) == ("walking", "distance", UUID)
    assert distance["value_num"] == pytest.approx(4988.9664)
    assert parsing.ignored == {"physical-activity/kcal_burned": 1}
    walk = one({**hour, "activity_name": "walk with Ada Lovelace"}, "physical-activity", "1.0")
    assert "Ada" not in str(walk)
    assert walk["value_code"] == "other"


def test_a_night_is_the_time_asleep() -> None:
    night = frame(start_date_time="2026-11-02T22:00:00+01:00", duration={"value": 8, "unit": "h"})
    body = {**night, "total_sleep_time": {"value": 7.25, "unit": "h"}, "is_main_sleep": True}
    row = one(body, "sleep-episode", "1.1")
    assert (row["signal"], row["value_num"], row["local_date"]) == (
        "sleep_episode",
        435,
        dt.date(2026, 11, 3),
    )
    assert one({**night, "is_main_sleep": True}, "sleep-episode", "1.1")["problem"] == "missing_value"


def test_the_header_names_the_person_and_its_source_goes_to_the_profile() -> None:
    changed = {"source_last_modification_date_time": "2026-11-04T00:00:00Z"}
    origin = {"source_name": "Ada's watch", "modality": "self-reported", **changed}
    named = point("heart-rate", "2.0", heart_rate(), user_id="ada", acquisition_provenance=origin)
    plain = point("heart-rate", "2.0", heart_rate(), acquisition_provenance={"source_name": "Ada's scale"})
    table, parsing = read(lines(named, named, plain), "open_mhealth")
    first, _, last = table.to_pylist()
    assert (first["alias_kind"], first["alias"], first["modality"]) == (
        "open_mhealth",
        "ada",
        "self_reported",
    )
    assert (first["source_record_id"], first["source_modified_at"]) == (UUID, utc(2026, 11, 4))
    assert (last["alias_kind"], last["alias"], last["source_app"]) == (None, None, "third_party")
    assert "Ada" not in str(table.to_pylist())
    assert [(one.alias, one.source_names) for one in parsing.profiles] == [("ada", {"Ada's watch"})]
    assert parsing.profile.source_names == {"Ada's scale"}


def test_ieee_headers_and_series() -> None:
    header = ieee_header("heart-rate", "2.0", modality="sensed")
    series = {"header": header, "body": [heart_rate(60), heart_rate(61), {"heart_rate": 3}]}
    rows = read(json.dumps(series).encode(), "open_mhealth")[0].to_pylist()
    assert [(row["value_num"], row["problem"]) for row in rows] == [
        (60, None),
        (61, None),
        (None, "bad_record"),
    ]
    assert rows[0]["modality"] == "sensed"
    steps = {"value": 7000, "unit": "steps"}
    hour = frame(start_date_time="2026-11-03T07:00:00Z", duration={"value": 1, "unit": "h"})
    body = {"activity_name": "walking", "base_movement_quantity": steps, **hour}
    table, _ = read(json.dumps({"header": ieee_header("physical-activity", "1.0"), "body": body}).encode())
    assert table.column("signal").to_pylist() == ["workout", "step_count"]
    # IEEE 1752.1 has no interval that is a part of a day.
    part = {**body, **frame(date="2026-11-03", part_of_day="night")}
    with pytest.raises(SourceError, match="/body/effective_time_frame"):
        read(json.dumps({"header": ieee_header("physical-activity", "1.0"), "body": part}).encode())


def test_other_schemas_are_counted_by_name_and_unknown_ones_without() -> None:
    table, parsing = read(
        lines(point("blood-pressure", "3.0", {"x": 1}), point("ada-lovelace", "1.0", {"x": 1}))
    )
    assert table.num_rows == 0
    assert parsing.ignored == {"blood-pressure": 1, "other schema": 1}


@pytest.mark.parametrize("name", sorted(seeds()))
def test_seeds_land_and_hold_no_name(name: str) -> None:
    table, _ = read(seeds()[name], "open_mhealth")
    assert not problems(table)
    rows = [{key: value for key, value in row.items() if key != "alias"} for row in table.to_pylist()]
    assert rows
    assert CANARY not in str(rows)


@pytest.mark.parametrize("place", ["before", "inside", "line"])
def test_a_number_that_no_decimal_can_hold_is_no_crash(place: str) -> None:
    monster = "1e4040404040404040400"
    document = json.dumps(point("heart-rate", "2.0", heart_rate()))
    content = {
        "before": f"{monster}[{document}]",
        "inside": f"[{document}, {document.replace('62', monster)}]",
        "line": f"{document}\n{document.replace('62', monster)}",
    }[place]
    parsing = OpenMHealth().parse(ByteSource.from_bytes(content.encode()), now=NOW)
    if place == "line":
        table = pa.Table.from_batches(list(parsing))
        assert problems(table) == {"bad_record": 1}
    else:
        with pytest.raises(SourceError, match="JSON"):
            list(parsing)


def test_half_a_character_in_a_name_is_text_everywhere() -> None:
    named = point(
        "heart-rate",
        "2.0",
        heart_rate(),
        user_id="a\ud800",
        acquisition_provenance={"source_name": "b\ud800"},
    )
    table, parsing = read(json.dumps(named).encode(), "open_mhealth")
    [known] = parsing.profiles
    assert (known.alias, known.source_names) == (table.to_pylist()[0]["alias"], {"b?"})
