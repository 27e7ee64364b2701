"""The traps of Apple Health exports, one by one."""

from __future__ import annotations

import datetime as dt
import io
import time
import zipfile

import pytest

from shelflife.errors import SourceError
from shelflife.signals.sample import QualityFlag
from tests.sources.reading import read, rows_of

HR = "HKQuantityTypeIdentifierHeartRate"
SLEEP = "HKCategoryTypeIdentifierSleepAnalysis"
DTD = (
    "<!DOCTYPE HealthData [\n<!ELEMENT HealthData (ExportDate)>\n<!ATTLIST Record type CDATA #REQUIRED>\n]>\n"
)


def record(kind: str = HR, value: str = "61", unit: str = "count/min", inside: str = "", **more: str) -> str:
    facts = {
        "sourceName": "Health",
        "startDate": "2026-11-03 07:30:00 +0100",
        "endDate": "2026-11-03 07:30:00 +0100",
        **more,
    }
    text = "".join(f' {key}="{entry}"' for key, entry in facts.items())
    unit_text = f' unit="{unit}"' if unit else ""
    return f'<Record type="{kind}"{unit_text}{text} value="{value}">{inside}</Record>'


def export(*elements: str, prolog: str = DTD) -> bytes:
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    date = '<ExportDate value="2026-11-22 10:00:00 +0100"/>'
    return f'{head}{prolog}<HealthData locale="en_US">{date}{"".join(elements)}</HealthData>'.encode()


def entry(key: str, value: str) -> str:
    return f'<MetadataEntry key="{key}" value="{value}"/>'


def test_a_plain_record() -> None:
    (row,) = rows_of(export(record()), "apple_health")
    assert (row["signal"], row["value_num"], row["unit_ucum"], row["unit_raw"]) == (
        "heart_rate",
        61,
        "/min",
        "count/min",
    )
    assert row["start_utc"] == dt.datetime(2026, 11, 3, 6, 30, tzinfo=dt.UTC)
    assert (row["utc_offset_min"], row["tz_basis"], row["local_date"]) == (60, "export", dt.date(2026, 11, 3))
    assert row["problem"] is None


def test_a_document_type_that_is_not_well_formed_is_no_obstacle() -> None:
    broken = (
        "<!DOCTYPE HealthData [\n<!ATTLIST VisionPrescription\n  type CDATA #REQUIRED\n<!ELEMENT >>\n]>\n"
    )
    assert len(rows_of(export(record(), prolog=broken))) == 1


def test_control_characters_that_some_versions_write() -> None:
    assert len(rows_of(export(record(sourceName="A\x0bB")))) == 1


@pytest.mark.parametrize(
    ("value", "stage"),
    [("InBed", "in_bed"), ("Asleep", "asleep_unspecified"), ("AsleepCore", "light"), ("AsleepREM", "rem")],
)
def test_sleep_stages(value: str, stage: str) -> None:
    (row,) = rows_of(export(record(SLEEP, f"HKCategoryValueSleepAnalysis{value}", "")))
    assert (row["signal"], row["value_code"], row["stage"], row["unit_ucum"]) == (
        "sleep_stage",
        stage,
        stage,
        None,
    )


def test_a_saturation_is_a_fraction_that_is_called_percent() -> None:
    kind = "HKQuantityTypeIdentifierOxygenSaturation"
    fraction, whole, percent = rows_of(
        export(record(kind, "0.97", "%"), record(kind, "1", "%"), record(kind, "96", "%"))
    )
    assert [fraction["value_num"], whole["value_num"], percent["value_num"]] == [97.0, 100.0, 96.0]
    assert (fraction["value_raw"], fraction["unit_raw"]) == ("0.97", "%")


def test_kilometres_and_miles_in_one_file() -> None:
    kind = "HKQuantityTypeIdentifierDistanceWalkingRunning"
    rows = rows_of(export(record(kind, "1", "km"), record(kind, "1", "mi")))
    assert [row["value_num"] for row in rows] == [1000.0, 1609.344]


def test_a_glucose_reading_of_a_sensor_application_is_interstitial() -> None:
    kind = "HKQuantityTypeIdentifierBloodGlucose"
    rows = rows_of(
        export(record(kind, "100", "mg/dL", sourceName="Dexcom G7"), record(kind, "5.5", "mmol/L"))
    )
    assert [row["signal"] for row in rows] == ["glucose_interstitial", "glucose_capillary"]
    assert rows[1]["value_num"] == pytest.approx(99.1001)


def test_the_zone_of_a_record_wins_over_the_offset_of_the_phone() -> None:
    late = {"startDate": "2026-07-03 23:30:00 +0100", "endDate": "2026-07-03 23:30:00 +0100"}
    (row,) = rows_of(export(record(inside=entry("HKTimeZone", "Europe/Helsinki"), **late)))
    assert row["start_utc"] == dt.datetime(2026, 7, 3, 22, 30, tzinfo=dt.UTC)
    assert (row["utc_offset_min"], row["tz_basis"], row["iana_tz"]) == (180, "sample", "Europe/Helsinki")
    assert row["local_date"] == dt.date(2026, 7, 4)


def test_every_record_has_its_own_zone() -> None:
    zones = ["Europe/Helsinki", "Asia/Kolkata", None, "Mars/Olympus", "Europe/Helsinki", "America/St_Johns"]
    content = export(*(record(inside=entry("HKTimeZone", zone) if zone else "") for zone in zones))
    offsets = [(row["utc_offset_min"], row["iana_tz"]) for row in rows_of(content)]
    assert offsets == [
        (120, "Europe/Helsinki"), (330, "Asia/Kolkata"), (60, None), (60, None), (120, "Europe/Helsinki"),
        (-210, "America/St_Johns"),
    ]  # fmt: skip


def test_as_many_zones_as_records_take_no_time() -> None:
    content = export(*(record(inside=entry("HKTimeZone", f"Zone{number}@")) for number in range(20_000)))
    begun = time.process_time()
    assert {row["tz_basis"] for row in rows_of(content)} == {"export"}
    # A look at every record for every zone took 4e8 comparisons.
    assert time.process_time() - begun < 8


def test_the_zone_of_a_record_does_not_place_a_time_without_an_offset() -> None:
    content = record(inside=entry("HKTimeZone", "Europe/Helsinki")).replace(" +0100", "")
    (row,) = rows_of(export(content))
    assert (row["utc_offset_min"], row["tz_basis"], row["iana_tz"]) == (None, "unknown", None)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "Anna &amp; Bob", "", "x" * 99])
def test_a_zone_that_is_none_leaves_the_offset_of_the_phone(zone: str) -> None:
    (row,) = rows_of(export(record(inside=entry("HKTimeZone", zone))))
    assert (row["utc_offset_min"], row["tz_basis"], row["iana_tz"]) == (60, "export", None)


def test_names_of_people_reach_the_profile_and_nothing_else() -> None:
    device = (
        "&lt;&lt;HKDevice: 0x28a1&gt;, name:Anna\u2019s Watch, manufacturer:Apple Inc., model:Watch, "
        "hardware:Watch6,2, software:11.2, localIdentifier:SERIAL-1&gt;"
    )
    content = export(
        '<Me HKCharacteristicTypeIdentifierDateOfBirth="1990-02-02" '
        'HKCharacteristicTypeIdentifierBiologicalSex="HKBiologicalSexFemale" '
        'HKCharacteristicTypeIdentifierBloodType="HKBloodTypeNotSet"/>',
        record(sourceName="Anna\u2019s Apple\u00a0Watch", device=device),
        record(sourceName="Anna\u2019s iPhone", inside=entry("HKExternalUUID", "anna#42")),
    )
    table, parsing = read(content)
    for secret in ("Anna", "1990-02-02", "SERIAL", "0x28a1", "anna"):
        assert secret not in str(table.to_pylist())
    assert table.column("source_app").to_pylist() == ["apple_watch", "iphone"]
    assert table.column("device_model").to_pylist() == ["Watch6,2", None]
    facts = parsing.profile
    assert (facts.birth_date, facts.sex, facts.other) == ("1990-02-02", "female", {})
    assert facts.source_names == {"Anna\u2019s Apple\u00a0Watch", "Anna\u2019s Watch", "Anna\u2019s iPhone"}


def test_what_applications_write_about_devices_gives_known_labels_only() -> None:
    device = (
        "&lt;&lt;HKDevice: 0x28a1&gt;, name:H10, manufacturer:Anna Lovelace, model:Polar H10 5DA0E61C, "
        "hardware:{}, software:Anna&gt;"
    )
    named, numbered = rows_of(
        export(record(device=device.format("Annas")), record(device=device.format("12345678")))
    )
    for row in (named, numbered):
        assert (row["device_make"], row["device_model"], row["device_sw"]) == (None, "Polar H10", None)


def test_the_pointer_of_a_device_makes_no_difference() -> None:
    device = "&lt;&lt;HKDevice: 0x{}&gt;, name:Watch, manufacturer:Apple, model:Watch&gt;"
    first, second = rows_of(export(record(device=device.format("1a")), record(device=device.format("2b"))))
    assert first == second


def test_children_of_a_correlation_are_counted_and_not_landed() -> None:
    inside = f'<Correlation type="HKCorrelationTypeIdentifierFood">{record()}{record()}</Correlation>'
    table, parsing = read(export(record(), inside))
    assert table.num_rows == 1
    assert parsing.ignored == {"Correlation": 1, "Correlation/Record": 2}


def test_metadata_of_a_correlation_does_not_touch_the_record_before() -> None:
    inside = f"<Correlation>{entry('HKWasUserEntered', '1')}</Correlation>"
    (row,) = rows_of(export(record(), inside))
    assert row["modality"] == "sensed"


def test_heart_beats_outside_of_a_variability_record_are_counted() -> None:
    beats = "".join('<InstantaneousBeatsPerMinute bpm="95" time="6:14:48.94 PM"/>' for _ in range(3))
    inside = f"<HeartRateVariabilityMetadataList>{beats}</HeartRateVariabilityMetadataList>"
    loose = record("HKQuantityTypeIdentifierHeartRateVariabilitySDNN", "44", "ms", beats)
    table, parsing = read(export(record(inside=inside), beats, loose))
    assert table.column("signal").to_pylist() == ["heart_rate", "hrv_sdnn"]
    assert parsing.ignored == {"InstantaneousBeatsPerMinute": 6, "other": 3}


def test_a_record_after_the_export_is_from_the_future() -> None:
    after = {"startDate": "2026-11-22 10:00:01 +0100", "endDate": "2026-11-22 10:00:01 +0100"}
    (row,) = rows_of(export(record(**after)))
    assert (row["problem"], row["quality_flags"]) == (None, QualityFlag.FUTURE)


def test_a_workout_keeps_its_totals_as_received() -> None:
    workout = (
        '<Workout workoutActivityType="HKWorkoutActivityTypeMixedCardio" duration="60" durationUnit="min" '
        'sourceName="Health" startDate="2026-11-03 07:30:00 +0100" endDate="2026-11-03 08:30:00 +0100">'
        '<WorkoutStatistics type="HKQuantityTypeIdentifierHeartRate" average="131" unit="count/min"/>'
        '<WorkoutRoute><Location latitude="37.77" longitude="-122.42"/><FileReference path="/r.gpx"/></WorkoutRoute>'
        "</Workout>"
    )
    table, parsing = read(export(workout))
    (row,) = table.to_pylist()
    assert (row["signal"], row["value_code"], row["problem"]) == ("workout", "mixed_cardio", None)
    assert '"duration": "60"' in row["value_raw"]
    assert '"average": "131"' in row["value_raw"]
    assert parsing.ignored == {"WorkoutRoute": 1, "WorkoutRoute/Location": 1}
    assert "37.77" not in str(row)


def test_a_workout_keeps_no_more_statistics_than_there_are_kinds() -> None:
    statistic = '<WorkoutStatistics type="HKQuantityTypeIdentifierHeartRate" average="131" unit="count/min"/>'
    times = 'startDate="2026-11-03 07:30:00 +0100" endDate="2026-11-03 08:30:00 +0100"'
    workout = f'<Workout workoutActivityType="HKWorkoutActivityTypeYoga" {times}>{statistic * 300}</Workout>'
    table, parsing = read(export(workout))
    assert str(table.column("value_raw")[0]).count('"131"') == 256
    assert parsing.ignored == {"WorkoutStatistics": 44}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (record(value="x"), "bad_number"),
        (record(value=""), "missing_value"),
        (record(value="1e999"), "bad_number"),
        (record(value="0"), "out_of_range"),
        (record(unit=""), "unknown_unit"),
        (record(unit="furlong"), "unknown_unit"),
        (record(startDate="yesterday"), "bad_time"),
        (record(startDate="2026-02-30 07:30:00 +0100"), "bad_time"),
        (record(startDate="2026-11-03 07:30:00 +9900"), "bad_time"),
        (record(startDate=""), "no_time"),
        (record(endDate="2026-11-03 07:29:00 +0100"), "end_before_start"),
        (record(SLEEP, "HKCategoryValueSleepAnalysisFloating", ""), "unknown_code"),
        ('<Record type="' + HR + '"/>', "no_time"),
        ('<Workout workoutActivityType="Anna" startDate="2026-11-03 07:30:00 +0100" endDate="2026-11-03 07:30:00 +0100"/>',
         "unknown_code"),
    ],
)  # fmt: skip
def test_bad_records_become_rows_with_a_problem_and_a_position(text: str, problem: str) -> None:
    rows = rows_of(export(record(), text))
    assert [row["problem"] for row in rows] == [None, problem]
    assert rows[1]["record_path"].endswith("#2")


def test_types_that_are_not_words_of_the_format_are_counted_as_other() -> None:
    _, parsing = read(export(record("Anna Smith"), "<Anna/>"))
    assert parsing.ignored == {"other": 2}


def test_the_zip_that_the_phone_shares() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("apple_health_export/export.xml", export(record()))
        archive.writestr("apple_health_export/workout-routes/route_Anna.gpx", "<gpx/>")
        archive.writestr("apple_health_export/export_cda.xml", "<cda/>")
    table, parsing = read(packed.getvalue(), "apple_health")
    assert table.num_rows == 1
    assert parsing.ignored == {"zip/gpx": 1, "zip/xml": 1}


def test_a_zip_without_an_export_is_refused() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("export/other.xml", b"<other/>")
        archive.writestr("export/more.xml", b"<other/>")
    with pytest.raises(SourceError, match="any part of a zip file"):
        read(packed.getvalue())
