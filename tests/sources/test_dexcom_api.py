"""The Dexcom API: phones and receivers, limits of the sensor, units that are not known."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from tests.sources.damage import CANARY
from tests.sources.reading import problems, read, rows_of
from tests.sources.synthetic import dexcom_api as made


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def test_a_reading_of_a_phone_has_its_offset() -> None:
    (row,) = rows_of(made.response("egv", made.phone()), "dexcom_api", zone="Europe/Berlin")
    assert (row["signal"], row["value_num"], row["unit_ucum"]) == ("glucose_interstitial", 101, "mg/dL")
    assert row["start_utc"] == row["end_utc"] == at("2025-01-30T23:49:55Z")
    assert (row["utc_offset_min"], row["tz_basis"], row["local_date"]) == (
        -480,
        "sample",
        dt.date(2025, 1, 30),
    )
    assert (row["source_platform"], row["device_model"], row["modality"]) == ("dexcom", "g7", "sensed")
    assert (row["comparator"], row["problem"]) == (None, None)


def test_the_system_time_of_a_receiver_is_utc_and_its_clock_gives_the_offset() -> None:
    (row,) = rows_of(made.response("egv", made.receiver()), zone="America/New_York")
    assert row["start_utc"] == at("2025-01-30T23:49:55Z")
    assert (row["utc_offset_min"], row["tz_basis"], row["local_date"]) == (60, "device", dt.date(2025, 1, 31))


def test_a_receiver_whose_clock_was_never_set_leaves_the_zone_to_the_account() -> None:
    reading = made.receiver(displayTime="2009-01-01T00:00:00")
    (row,) = rows_of(made.response("egv", reading), zone="America/New_York")
    assert (row["start_utc"], row["utc_offset_min"]) == (at("2025-01-30T23:49:55Z"), -300)
    assert row["tz_basis"] == "account"


@pytest.mark.parametrize(
    ("change", "sign", "number", "raw"),
    [
        ({"value": 39, "status": "low"}, "<", 40, "39"),
        ({"value": 401, "status": "high"}, ">", 400, "401"),
        ({"value": None, "status": "low"}, "<", 40, "low"),
        ({"value": None, "status": "high"}, ">", 400, "high"),
        ({"value": 2.1, "status": "low", "unit": "mmol/L"}, "<", 2.2 * 18.0182, "2.1"),
        ({"value": 22.3, "status": "high", "unit": "mmol/L"}, ">", 22.2 * 18.0182, "22.3"),
    ],
)
def test_readings_beyond_the_sensor_get_its_limit(change, sign, number, raw) -> None:
    (row,) = rows_of(made.response("egv", made.phone(**change)))
    assert (row["comparator"], row["value_num"], row["value_raw"]) == (sign, pytest.approx(number), raw)
    assert (row["problem"], row["unit_raw"]) == (None, change.get("unit", "mg/dL"))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"unit": "unknown"}, "unknown_unit"),
        ({"unit": None}, "unknown_unit"),
        ({"unit": "unknown", "status": "low", "value": 39}, "unknown_unit"),
        ({"value": 138, "status": "high"}, "value_conflict"),
        ({"value": 55, "status": "low"}, "value_conflict"),
        ({"value": None}, "missing_value"),
        ({"value": "high"}, "bad_number"),
        ({"systemTime": None}, "no_time"),
        ({"systemTime": "2025-02-30T00:00:00Z"}, "bad_time"),
    ],
)
def test_what_cannot_be_true_is_quarantined(change, problem) -> None:
    table, _ = read(made.response("egv", made.phone(), made.phone(**change)))
    assert problems(table) == {problem: 1}


def test_a_status_that_says_nothing_says_nothing() -> None:
    rows = rows_of(made.response("egv", made.phone(status=None), made.phone(status="unknown")))
    assert [(row["value_num"], row["comparator"], row["problem"]) for row in rows] == [(101, None, None)] * 2


def test_mmol_is_converted_and_kept_as_received() -> None:
    (row,) = rows_of(made.response("egv", made.phone(value=5.6, unit="mmol/L")))
    assert (row["value_num"], row["value_raw"], row["unit_raw"]) == (
        pytest.approx(5.6 * 18.0182),
        "5.6",
        "mmol/L",
    )


def test_finger_sticks_are_capillary() -> None:
    (calibration,) = rows_of(made.seeds()["dexcom_calibration"], "dexcom_api")
    assert (calibration["signal"], calibration["value_num"]) == ("glucose_capillary", 117)
    table, parsing = read(
        made.response(
            "event",
            made.event("insulin"),
            made.event("carbs"),
            made.event("bloodGlucose", value="117", unit="mg/dL"),
            made.event("bloodGlucose", value="118", unit="mg/dL", eventStatus="deleted"),
            made.event(CANARY),
        )
    )
    (event,) = table.to_pylist()
    assert (event["signal"], event["value_num"], event["modality"]) == (
        "glucose_capillary",
        117,
        "self_reported",
    )
    assert parsing.ignored == {"event/insulin": 1, "event/carbs": 1, "event/deleted": 1, "event/other": 1}


@pytest.mark.parametrize("kind", ["device", "alert"])
def test_other_records_are_counted(kind: str) -> None:
    table, parsing = read(made.response(kind, {"recordId": "a"}, {"recordId": "b"}))
    assert (table.num_rows, parsing.ignored) == (0, {kind: 2})


def test_the_type_of_the_records_may_stand_behind_them() -> None:
    envelope = json.loads(made.response("egv", made.phone()))
    behind = json.dumps(
        {"records": envelope["records"], "recordType": "egv", "recordVersion": "3.0"}
    ).encode()
    (row,) = rows_of(behind, "dexcom_api")
    assert row["signal"] == "glucose_interstitial"


def test_users_and_transmitters_are_in_no_sample() -> None:
    table, _ = read(made.seeds()["dexcom_egv"])
    assert CANARY not in str(table.to_pylist())


def test_a_type_that_no_documentation_has_is_quarantined() -> None:
    assert problems(read(made.response("dream", {"recordId": "a"}))[0]) == {"bad_record": 1}
