"""Nightscout: entries, treatments, and what uploaders and databases do to them."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from shelflife.signals.sample import QualityFlag, sample_ids
from tests.sources.damage import CANARY
from tests.sources.reading import problems, read, rows_of
from tests.sources.synthetic import nightscout as made


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def test_a_sensor_reading_is_in_mg_dl_and_has_its_offset() -> None:
    (row,) = rows_of(made.entries(made.sgv()), "nightscout", zone="America/New_York")
    assert (row["signal"], row["value_num"], row["unit_ucum"]) == ("glucose_interstitial", 120, "mg/dL")
    assert row["start_utc"] == row["end_utc"] == at("2024-03-31T00:00:00Z")
    assert (row["utc_offset_min"], row["tz_basis"], row["local_date"]) == (
        120,
        "sample",
        dt.date(2024, 3, 31),
    )
    assert (row["source_platform"], row["source_app"], row["source_record_id"]) == (
        "nightscout",
        "xdrip",
        None,
    )


def test_an_offset_of_zero_says_nothing_about_where_the_person_was() -> None:
    (row,) = rows_of(made.entries(made.sgv(utcOffset=0)), zone="America/New_York")
    assert (row["utc_offset_min"], row["tz_basis"], row["local_date"]) == (
        -240,
        "account",
        dt.date(2024, 3, 30),
    )
    (row,) = rows_of(made.entries(made.sgv(utcOffset=0)))
    assert (row["utc_offset_min"], row["tz_basis"]) == (None, "unknown")


def test_an_older_server_keeps_the_offset_in_the_text() -> None:
    old = made.sgv(dateString="2024-03-30T19:00:00.000-0500")
    del old["utcOffset"]
    (row,) = rows_of(made.entries(old))
    assert (row["start_utc"], row["utc_offset_min"]) == (at("2024-03-31T00:00:00Z"), -300)


def test_a_reading_that_was_uploaded_twice_is_one_observation() -> None:
    table, _ = read(made.entries(made.sgv(), made.sgv(_id="55cf81bc436037528ec75fa6")))
    first, second = sample_ids(bytes(16), table).to_pylist()
    assert first == second


@pytest.mark.parametrize("code", [0, 1, 5, 9, 10, 12, "5", -1])
def test_error_codes_are_no_readings(code) -> None:
    table, parsing = read(made.entries(made.sgv(), made.sgv(code)))
    assert table.num_rows == 1
    assert parsing.ignored == {"sgv/error code": 1}


def test_mmol_is_read_where_the_record_says_so_and_is_no_error_code() -> None:
    (row,) = rows_of(made.entries(made.sgv(5.5, units="mmol")))
    assert (row["value_num"], row["unit_raw"], row["problem"]) == (
        pytest.approx(5.5 * 18.0182),
        "mmol/L",
        None,
    )
    assert problems(read(made.entries(made.sgv(120, units="stone")))[0]) == {"unknown_unit": 1}


@pytest.mark.parametrize(("noise", "low"), [(1, False), (2, False), (3, True), (4, True), (None, False)])
def test_noise_takes_confidence_away(noise, low) -> None:
    (row,) = rows_of(made.entries(made.sgv(noise=noise)))
    assert bool(row["quality_flags"] & QualityFlag.LOW_CONFIDENCE) is low


def test_meter_readings_are_capillary_and_calibrations_are_none() -> None:
    table, parsing = read(made.entries(made.mbg(), made.cal()))
    (row,) = table.to_pylist()
    assert (row["signal"], row["value_num"], row["source_app"]) == ("glucose_capillary", 117, "dexcom_share")
    assert parsing.ignored == {"cal": 1}


def test_glucose_of_treatments() -> None:
    table, parsing = read(
        made.entries(
            made.treatment(),
            made.treatment(glucose="110", glucoseType="Sensor", units="mg/dl"),
            made.treatment(glucoseType="Manual"),
            made.treatment(units=None),
            made.treatment(glucose=None, eventType="Note"),
            made.treatment(glucose="", eventType=CANARY),
        ),
        "nightscout",
    )
    finger, sensor, manual, unitless = table.to_pylist()
    assert (finger["signal"], finger["value_num"]) == ("glucose_capillary", pytest.approx(6.1 * 18.0182))
    assert (finger["start_utc"], finger["modality"], finger["source_app"]) == (
        at("2024-03-31T00:00:00Z"),
        "self_reported",
        "third_party",
    )
    assert (sensor["signal"], sensor["value_num"]) == ("glucose_interstitial", 110)
    assert (manual["problem"], unitless["problem"]) == ("unknown_signal", "unknown_unit")
    assert parsing.ignored == {"treatment/Note": 1, "treatment/other": 1}


def test_names_of_devices_and_notes_are_in_no_sample() -> None:
    table, parsing = read(made.entries(made.sgv(), made.treatment(glucoseType="Manual")))
    assert CANARY not in str(table.to_pylist())
    assert f"xDrip-DexcomG5 {CANARY}" in parsing.profile.source_names


def test_lines_of_a_database_export() -> None:
    table, parsing = read(made.seeds()["nightscout_lines"], "nightscout")
    assert [row["start_utc"] for row in table.to_pylist()] == [at("2024-03-31T00:00:00Z")] * 2
    assert parsing.ignored == {"cal": 1}
    table, _ = read(made.lines(made.sgv(), "{oops", "[1]", made.sgv(130)))
    assert problems(table) == {"bad_record": 2}
    assert sorted(table.column("value_num").drop_null().to_pylist()) == [120, 130]
    assert len(rows_of(made.lines(made.sgv()), "nightscout")) == 1


def test_the_third_version_of_the_api() -> None:
    deleted = made.sgv(units="mg/dl", isValid=False)
    table, parsing = read(json.dumps({"status": 200, "result": [made.sgv(units="mg/dl"), deleted]}).encode())
    assert table.num_rows == 1
    assert parsing.ignored == {"deleted": 1}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"sgv": None}, "missing_value"),
        ({"sgv": "high"}, "bad_number"),
        ({"sgv": 4000}, "out_of_range"),
        ({"date": None, "dateString": None}, "no_time"),
        ({"date": "soon"}, "bad_time"),
        # Seconds in place of milliseconds.
        ({"date": made.INSTANT // 1000}, "bad_time"),
    ],
)
def test_bad_entries(change, problem) -> None:
    table, _ = read(made.entries(made.sgv(), {**made.sgv(), **change}))
    assert problems(table) == {problem: 1}


def test_a_fraction_of_a_millisecond_and_a_text_in_place_of_a_number() -> None:
    rows = rows_of(made.entries(made.sgv(date=made.INSTANT + 0.5), made.sgv("121", date=str(made.INSTANT))))
    assert [row["start_utc"] for row in rows] == [
        at("2024-03-31T00:00:00.000500Z"),
        at("2024-03-31T00:00:00Z"),
    ]
    assert rows[1]["value_num"] == 121


def test_without_a_date_the_text_counts() -> None:
    (row, _) = rows_of(made.entries(made.sgv(date=None, utcOffset=None), made.mbg()))
    assert (row["start_utc"], row["tz_basis"]) == (at("2024-03-31T00:00:00Z"), "unknown")


def test_records_of_no_known_type_are_quarantined() -> None:
    table, _ = read(made.entries(made.sgv(), {"type": "mood", "date": made.INSTANT}, 3))
    assert problems(table) == {"bad_record": 2}


def test_seconds_in_place_of_milliseconds_are_no_date_even_without_a_text_beside_them() -> None:
    table, _ = read(made.entries(made.sgv(), made.sgv(date=made.INSTANT // 1000, dateString=None)))
    assert problems(table) == {"bad_time": 1}


@pytest.mark.parametrize("kind", [["Note"], {"a": 1}, None, 7])
def test_a_treatment_whose_type_is_no_text_is_counted(kind: object) -> None:
    table, parsing = read(made.entries(made.sgv(), {"eventType": kind, "created_at": "2024-03-31T00:00:00Z"}))
    assert (table.num_rows, parsing.ignored) == (1, {"treatment/other": 1})
