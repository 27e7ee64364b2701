"""FHIR R4: the standard's own examples, and what codes, values, times and people mean."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from shelflife.errors import SourceError
from shelflife.signals.sample import QualityFlag
from shelflife.signals.vocabulary import SIGNALS
from shelflife.sources.apple_types import SIGNAL_OF_TYPE
from shelflife.sources.fhir_codes import HEALTHKIT, SIGNAL_OF_LOINC
from tests.sources.damage import check_silence
from tests.sources.reading import problems, read
from tests.sources.synthetic.fhir_r4 import (
    CANARY,
    SERVER,
    UUID,
    bundle,
    coded,
    device,
    lines,
    observation,
    patient,
    quantity,
    sampled,
    seeds,
)

if TYPE_CHECKING:
    from pathlib import Path


def rows_of(content: bytes) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = read(content, "fhir_r4")[0].to_pylist()
    return rows


def one(loinc: str = "8867-4", **more: Any) -> dict[str, Any]:
    """Read a file of one Observation and return its only row."""
    rows = rows_of(json.dumps(observation(loinc, **more)).encode())
    assert len(rows) == 1
    return rows[0]


def utc(*parts: int) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=dt.UTC)  # type: ignore[misc,arg-type]


def test_the_examples_of_the_standard_land(samples: Path) -> None:
    heart, _ = read(samples / "fhir" / "observation-example-heart-rate.json", "fhir_r4")
    [row] = heart.to_pylist()
    assert (row["signal"], row["value_num"], row["unit_ucum"], row["problem"]) == (
        "heart_rate",
        44,
        "/min",
        None,
    )
    # The example names a day, not a time: the whole local day.
    assert (row["start_utc"], row["end_utc"], row["tz_basis"]) == (
        utc(1999, 7, 2),
        utc(1999, 7, 3),
        "unknown",
    )
    assert (row["alias_kind"], row["alias"], row["statistic"]) == ("fhir", "Patient/example", None)
    sensor, _ = read(samples / "fhir" / "cgmSensorReadingMassPerVolumeExample.json", "fhir_r4")
    [row] = sensor.to_pylist()
    assert (row["signal"], row["value_num"], row["start_utc"]) == (
        "glucose_interstitial",
        120,
        utc(2024, 5, 2, 10, 15),
    )


def test_healthkit_codes_mean_what_the_healthkit_mapping_says(samples: Path) -> None:
    mapping = json.loads((samples / "fhir" / "HKSampleMapping.json").read_text())["HKQuantitySamples"]
    judged = 0
    for record, entry in mapping.items():
        codes = [one["code"] for one in entry["codings"] if one["system"] == "http://loinc.org"]
        if record in SIGNAL_OF_TYPE and codes:
            judged += 1
            assert [SIGNAL_OF_LOINC[code][0] for code in codes] == [SIGNAL_OF_TYPE[record][0]]
            # Swimming alone has a code among the distances, so the signal has none.
            assert SIGNALS[SIGNAL_OF_TYPE[record][0]].loinc in {*codes, None}
            unit = entry["unit"]
            row = one(codes[0], valueQuantity=quantity(37, unit.get("code"), unit["unit"]))
            assert row["problem"] is None
    assert judged == 11


@pytest.mark.parametrize(
    ("code", "value", "unit", "signal", "expected", "statistic"),
    [
        ("99504-3", 120, "mg/dL", "glucose_interstitial", 120, "instant"),
        ("105272-9", 5.5, "mmol/L", "glucose_interstitial", 99.1001, "instant"),
        ("97507-8", 130, "mg/dL", "glucose_interstitial", 130, "mean"),
        ("41653-7", 99, "mg/dL", "glucose_capillary", 99, "instant"),
        ("14743-9", 5.5, "mmol/L", "glucose_capillary", 99.1001, "instant"),
        ("29463-7", 154, "[lb_av]", "body_weight", 69.85322498, "instant"),
        ("8310-5", 98.6, "[degF]", "body_temperature", 37, "instant"),
        ("2708-6", 97, "%", "spo2", 97, "instant"),
        ("80404-7", 41, "ms", "hrv_sdnn", 41, "sdnn"),
        ("55423-8", 812, "{steps}", "step_count", 812, "sum"),
        ("93832-4", 7.5, "h", "sleep_episode", 450, "sum"),
        ("9279-1", 14, "{breaths}/min", "respiratory_rate", 14, "instant"),
    ],
)
def test_codes_and_units(
    code: str, value: float, unit: str, signal: str, expected: float, statistic: str
) -> None:
    row = one(code, valueQuantity=quantity(value, unit))
    assert (row["signal"], row["statistic"], row["problem"]) == (signal, statistic, None)
    assert row["value_num"] == pytest.approx(expected)
    assert (row["unit_raw"], row["value_raw"]) == (unit, str(value))


def test_the_words_for_people_are_the_unit_where_the_code_is_none() -> None:
    assert one(valueQuantity=quantity(62, None, "bpm"))["unit_raw"] == "bpm"
    assert one(valueQuantity=quantity(62, "{odd}", "beats/min"))["unit_raw"] == "beats/min"
    assert one(valueQuantity=quantity(62, "{odd}"))["problem"] == "unknown_unit"


@pytest.mark.parametrize("code", ["2339-0", "15074-8", "2345-7", "14749-6"])
def test_glucose_of_another_specimen_is_set_aside(code: str) -> None:
    assert one(code, valueQuantity=quantity(99, "mg/dL"))["problem"] == "unknown_signal"


def test_codes_that_contradict_each_other_are_set_aside() -> None:
    both = {"coding": [*coded("8867-4")["coding"], *coded("9279-1")["coding"]]}
    assert one(code=both)["problem"] == "value_conflict"
    agreeing = {"coding": [*coded("59408-5")["coding"], *coded("2708-6")["coding"]]}
    assert one(code=agreeing, valueQuantity=quantity(97, "%"))["signal"] == "spo2"
    apple = coded("HKQuantityTypeIdentifierVO2Max", HEALTHKIT)
    assert one(code=apple, valueQuantity=quantity(44.1, "mL/kg/min"))["signal"] == "vo2max"
    table, parsing = read(json.dumps(observation("2093-3")).encode(), "fhir_r4")
    assert (table.num_rows, parsing.ignored) == (0, {"Observation/other code": 1})


@pytest.mark.parametrize(("given", "expected"), [("<", "<"), ("<=", "<"), (">", ">"), (">=", ">")])
def test_comparators(given: str, expected: str) -> None:
    row = one("99504-3", valueQuantity=quantity(40, "mg/dL", comparator=given))
    assert (row["comparator"], row["value_raw"], row["value_num"]) == (expected, f"{given}40", 40)


@pytest.mark.parametrize(
    ("effective", "start", "end", "offset", "problem"),
    [
        (
            {"effectiveDateTime": "2026-11-03T07:25:30.5-05:00"},
            utc(2026, 11, 3, 12, 25, 30, 500_000),
            None,
            -300,
            None,
        ),
        ({"effectiveInstant": "2026-11-03T07:25:30Z"}, utc(2026, 11, 3, 7, 25, 30), None, 0, None),
        ({"effectiveDateTime": "2026-11-03"}, utc(2026, 11, 3), utc(2026, 11, 4), None, None),
        ({"effectiveDateTime": "2026-11"}, None, None, None, "no_time"),
        ({"effectiveDateTime": "2026"}, None, None, None, "no_time"),
        (
            {"effectivePeriod": {"start": "2026-11-03T07:00:00Z", "end": "2026-11-03T08:00:00Z"}},
            utc(2026, 11, 3, 7),
            utc(2026, 11, 3, 8),
            0,
            None,
        ),
        (
            {"effectivePeriod": {"start": "2026-11-03", "end": "2026-11-04"}},
            utc(2026, 11, 3),
            utc(2026, 11, 5),
            None,
            None,
        ),
        ({"effectivePeriod": {"start": "2026-11-03T07:00:00Z"}}, None, None, None, "no_time"),
        ({"effectivePeriod": {"end": "2026-11-03T07:00:00Z"}}, None, None, None, "no_time"),
        ({"effectivePeriod": {"start": "2026-11", "end": "2026-12"}}, None, None, None, "no_time"),
        ({"effectiveTiming": {"event": ["2026-11-03T07:00:00Z"]}}, None, None, None, "no_time"),
    ],
)
def test_times(
    effective: dict[str, Any],
    start: dt.datetime | None,
    end: dt.datetime | None,
    offset: int | None,
    problem: str | None,
) -> None:
    row = one(**effective)
    assert (row["problem"], row["utc_offset_min"]) == (problem, offset)
    if start is not None:
        assert (row["start_utc"], row["end_utc"]) == (start, end or start)
    if end is not None:
        # FHIR does not say what one number is of a period.
        assert row["statistic"] is None


def test_what_was_withdrawn_or_has_no_value_is_no_sample() -> None:
    wrong = [observation(status=status) for status in ("entered-in-error", "cancelled")]
    table, parsing = read(lines(*wrong, observation(status="preliminary")), "fhir_r4")
    assert table.num_rows == 1
    assert parsing.ignored == {"Observation/entered-in-error": 1, "Observation/cancelled": 1}
    absent = coded("unknown", "http://terminology.hl7.org/CodeSystem/data-absent-reason")
    assert one(without=("valueQuantity",), dataAbsentReason=absent)["problem"] == "missing_value"
    assert one(valueString="62 bpm")["problem"] == "value_conflict"
    steps = one("55423-8", valueInteger=900)
    assert (steps["value_num"], steps["quality_flags"]) == (900, int(QualityFlag.UNIT_ASSUMED))
    assert one(valueInteger=62)["problem"] == "unknown_unit"


def test_components_land_by_their_own_codes() -> None:
    parts = [
        {"code": coded("8867-4"), "valueQuantity": quantity(61, "/min")},
        {"code": coded("59408-5"), "valueQuantity": quantity(97, "%")},
        {"code": coded("8480-6"), "valueQuantity": quantity(120, "mm[Hg]")},
        {"code": coded("9279-1"), "dataAbsentReason": coded("masked")},
    ]
    panel = observation("85353-1", component=parts, without=("valueQuantity",))
    table, parsing = read(json.dumps(panel).encode(), "fhir_r4")
    rows = table.to_pylist()
    assert [(row["signal"], row["value_num"]) for row in rows] == [
        ("heart_rate", 61),
        ("spo2", 97),
        ("respiratory_rate", None),
    ]
    assert {row["parent_id"] for row in rows} == {UUID}
    assert len({row["source_record_id"] for row in rows}) == 3
    assert {row["start_utc"] for row in rows} == {utc(2026, 11, 3, 6, 25)}
    assert problems(table) == {"missing_value": 1}
    assert parsing.ignored == {"Observation/component of another code": 1}


def test_sampled_data_is_a_sample_for_every_period() -> None:
    data = sampled("600 610.5 E 62e1 x", period=2500, factor=0.1, origin=quantity(1, "/min"))
    content = json.dumps(observation(valueSampledData=data)).encode()
    table, parsing = read(content, "fhir_r4")
    rows = table.to_pylist()
    assert [row["value_num"] for row in rows] == [61, 62.05, 63, None]
    assert problems(table) == {"bad_number": 1}
    first = utc(2026, 11, 3, 6, 25)
    assert [(row["start_utc"] - first).total_seconds() for row in rows] == [0, 2.5, 7.5, 10]
    assert {(row["utc_offset_min"], row["statistic"]) for row in rows} == {(60, "instant")}
    assert parsing.ignored == {"SampledData/E": 1}


def test_limits_of_detection_count_only_where_scaling_changes_nothing() -> None:
    data = sampled("L 50 U", lowerLimit=30, upperLimit=200)
    rows = rows_of(json.dumps(observation(valueSampledData=data)).encode())
    assert [(row["value_num"], row["comparator"]) for row in rows] == [(30, "<"), (50, None), (200, ">")]
    scaled = rows_of(json.dumps(observation(valueSampledData={**data, "factor": 2})).encode())
    assert [row["problem"] for row in scaled] == ["missing_value", None, "missing_value"]
    assert one(valueSampledData=sampled("1 2", dimensions=2))["problem"] == "bad_record"
    assert one(valueSampledData=sampled("1 2"), effectiveDateTime="2026-11-03")["problem"] == "no_time"


def test_a_person_is_named_by_reference_and_servers_stay_apart() -> None:
    measured = observation()
    assert [row["alias"] for row in rows_of(bundle(measured))] == ["Patient/p1"]
    assert [row["alias"] for row in rows_of(bundle(measured, server=SERVER))] == [f"{SERVER}/Patient/p1"]
    for reference, alias in [
        ("Patient/p1/_history/2", "Patient/p1"),
        (f"{SERVER}/Patient/p1", f"{SERVER}/Patient/p1"),
        (f"urn:uuid:{UUID}", f"urn:uuid:{UUID}"),
        ("#inside", None),
    ]:
        row = one(subject={"reference": reference})
        assert (row["alias_kind"], row["alias"]) == ("fhir", alias)
    logical = {"identifier": {"system": "urn:ex", "value": "77"}}
    assert one(subject=logical)["alias"] == "urn:ex|77"
    nobody = one(without=("subject",))
    assert (nobody["alias_kind"], nobody["alias"]) == (None, None)
    table, parsing = read(lines(observation(subject={"reference": "Group/g"}), observation()), "fhir_r4")
    assert (table.num_rows, parsing.ignored) == (1, {"Observation/subject is no patient": 1})


@pytest.mark.parametrize("server", [None, SERVER])
def test_a_patient_goes_to_the_profile_of_the_one_whom_observations_name(server: str | None) -> None:
    table, parsing = read(bundle(observation(), patient(), server=server), "fhir_r4")
    [row], [known] = table.to_pylist(), parsing.profiles
    assert (known.alias_kind, known.alias) == (row["alias_kind"], row["alias"])
    assert (known.given_name, known.family_name, known.birth_date, known.sex) == (
        "Ada M.",
        CANARY,
        "1980-12-10",
        "female",
    )
    assert CANARY not in str(row)
    assert parsing.ignored == {"Patient": 1}


def test_a_device_behind_its_observation_is_known_and_its_owner_is_not() -> None:
    named = observation(
        device={"reference": "Device/d1", "display": f"{CANARY}'s band"}, method={"text": "sensed"}
    )
    for server in (None, SERVER):
        table, parsing = read(bundle(named, device(), server=server), "fhir_r4")
        [row] = table.to_pylist()
        assert (row["device_make"], row["device_model"], row["device_sw"]) == ("Polar", "H10", "3.1")
        assert row["modality"] == "sensed"
        assert CANARY not in str(row)
        assert parsing.profile.source_names == {f"{CANARY}'s band"}


def test_half_a_character_in_a_name_is_text_everywhere() -> None:
    reference = "urn:uuid:x\ud800"
    told = patient(name=[{"family": "b\ud800", "given": ["c\ud800"]}])
    content = json.loads(bundle(observation(subject={"reference": reference}), told))
    content["entry"][1]["fullUrl"] = reference
    table, parsing = read(json.dumps(content).encode(), "fhir_r4")
    [known] = parsing.profiles
    assert (known.family_name, known.given_name) == ("b?", "c?")
    assert [known.alias] == table.column("alias").to_pylist() == ["urn:uuid:x?"]


def test_entries_of_other_types_are_counted() -> None:
    content = bundle({"resourceType": "Condition", "id": "c"}, {"resourceType": "Ada", "id": "x"}, total=2)
    content = content.replace(b'"entry": [', b'"entry": [{"request": {"method": "DELETE", "url": "x"}}, ')
    table, parsing = read(content, "fhir_r4")
    assert table.num_rows == 0
    assert parsing.ignored == {"Condition": 1, "other resource": 1, "entry without resource": 1}
    assert read(bundle(), "fhir_r4")[1].records == 0


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"status": "done"}, "/status"),
        ({"status": None}, "/status"),
        ({"code": "8867-4"}, "/code"),
        ({"valueQuantity": {"value": CANARY}}, "/valueQuantity/value"),
        ({"valueQuantity": {"value": 1, "comparator": "~"}}, "/valueQuantity/comparator"),
        ({"valueQuantity": {"value": 1, CANARY: 1}}, "/valueQuantity"),
        ({"effectiveDateTime": "03.11.2026"}, "/effectiveDateTime"),
        ({"effectiveDateTime": "2026-11-03T07:25:00"}, "/effectiveDateTime"),
        ({"effectiveDateTime": 1_762_000_000}, "/effectiveDateTime"),
        ({"effectivePeriod": {"start": 1_762_000_000}}, "/effectivePeriod/start"),
        ({"component": [{"code": coded("8867-4")}, {"valueInteger": 1}]}, "/component/1/code"),
        ({CANARY: True}, "the resource"),
    ],
)
def test_what_r4_refuses_is_refused_with_a_pointer(change: dict[str, Any], pointer: str) -> None:
    wrong = observation(**change)
    with pytest.raises(SourceError) as caught:
        read(json.dumps(wrong).encode(), "fhir_r4")
    assert f"Observation: {pointer} " in caught.value.what
    check_silence(caught.value)
    rows = rows_of(bundle(observation(), wrong))
    assert [row["problem"] for row in rows] == [None, "bad_record"]
    where = "" if pointer == "the resource" else pointer
    assert rows[1]["record_path"] == f"Observation{where}#2"
    assert rows[1]["alias"] == "Patient/p1"
    assert json.loads(rows[1]["value_raw"]) == wrong
    # A Bundle stays, even if that was all it held.
    assert [row["problem"] for row in rows_of(bundle(wrong))] == ["bad_record"]


def test_a_device_named_like_a_person_gives_no_label() -> None:
    own = device() | {
        "manufacturer": f"{CANARY} Lovelace",
        "deviceName": [{"name": f"{CANARY}'s H10", "type": "model-name"}],
        "modelNumber": "5DA0E61C",
        "version": [{"value": CANARY}],
    }
    table, _ = read(bundle(observation(device={"reference": "Device/d1"}), own), "fhir_r4")
    (row,) = table.to_pylist()
    assert (row["device_make"], row["device_model"], row["device_sw"]) == (None, None, None)


@pytest.mark.parametrize("name", sorted(seeds()))
def test_seeds_land_and_hold_no_name(name: str) -> None:
    table, _ = read(seeds()[name], "fhir_r4")
    assert table.num_rows
    assert not problems(table)
    assert CANARY not in str(table.to_pylist())


def test_the_definitions_are_imported_only_for_a_fhir_file() -> None:
    code = "import sys, shelflife.sources.registry; sys.exit('fhir.resources' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
