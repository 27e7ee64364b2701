"""The FHIR bundle: R4 by its own schema, codes and units of the vocabulary, times as far as they are known."""

from __future__ import annotations

import datetime as dt
import io
import json

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shelflife.rights.export.fhir import write_bundle
from shelflife.signals.sample import SAMPLE_SCHEMA, QualityFlag
from shelflife.signals.vocabulary import SIGNALS, STATISTICS, TZ_BASES
from tests.conftest import NOW

KEY = bytes(range(16))


@pytest.fixture(scope="module")
def bundle(exported) -> dict:
    return json.loads((exported.folder / "fhir/bundle.json").read_text("utf-8"))


def of(rows: list[dict], facts: dict | None = None) -> dict:
    sink = io.BytesIO()
    table = pa.Table.from_pylist(rows, schema=SAMPLE_SCHEMA)
    count = write_bundle([[table]], sink, subject_key=KEY, facts=facts or {}, made_at=NOW)
    made = json.loads(sink.getvalue())
    assert count == sum(e["resource"]["resourceType"] == "Observation" for e in made["entry"])
    return made


def observation(**more) -> dict:
    row = {
        "signal": "heart_rate",
        "value_num": 61.0,
        "unit_ucum": "/min",
        "start_utc": dt.datetime(2026, 11, 20, 8, tzinfo=dt.UTC),
        "end_utc": dt.datetime(2026, 11, 20, 8, tzinfo=dt.UTC),
        "tz_basis": "sample",
        "utc_offset_min": 60,
    }
    return of([row | more])["entry"][1]["resource"]


def check_r4(bundle: dict) -> None:
    """Validate against the FHIR R4B classes of a third party; Observation, Patient and Device are those of R4."""
    pytest.importorskip("fhir.resources", reason="fhir.resources is not installed (development only)")
    from fhir.resources.R4B.bundle import Bundle

    Bundle.model_validate(bundle)


def check_structure(bundle: dict) -> None:
    """What the bundle must be, whoever checks it."""
    assert (bundle["resourceType"], bundle["type"]) == ("Bundle", "collection")
    urls = [entry["fullUrl"] for entry in bundle["entry"]]
    assert len(set(urls)) == len(urls)
    for entry in bundle["entry"]:
        resource = entry["resource"]
        assert entry["fullUrl"] == f"urn:uuid:{resource['id']}"
        if resource["resourceType"] == "Observation":
            assert resource["status"] == "final"
            [category] = resource["category"][0]["coding"]
            assert category["code"] in ("vital-signs", "laboratory", "activity")
            assert resource["subject"]["reference"] == urls[0]
            assert resource.get("device", {}).get("reference", urls[0]) in urls
            assert ("effectiveDateTime" in resource) != ("effectivePeriod" in resource)
            assert ("valueQuantity" in resource) != ("valueCodeableConcept" in resource)


def test_the_bundle_of_a_real_export_is_r4(bundle):
    check_structure(bundle)
    # A hundred of each kind say as much as all of them, and take a tenth of the time.
    by_code: dict[str, list] = {}
    for entry in bundle["entry"]:
        code = entry["resource"].get("code", {}).get("text", entry["resource"]["resourceType"])
        by_code.setdefault(code, []).append(entry)
    assert len(by_code) >= 12
    check_r4(bundle | {"entry": [entry for entries in by_code.values() for entry in entries[:100]]})


def test_every_mapped_sample_is_an_observation_with_its_code_and_unit(exported, bundle):
    rows = [
        pl.read_parquet(exported.folder / "data" / f"{stream}.parquet").filter(pl.col("loinc").is_not_null())
        for stream in ("heart", "sleep", "glucose", "activity", "body", "respiration")
    ]
    samples = pl.concat(rows)
    expected = samples.group_by("loinc").agg(pl.len(), total=pl.col("value").sum()).sort("loinc").rows()
    found: dict[str, list[float]] = {}
    for entry in bundle["entry"]:
        resource = entry["resource"]
        if resource["resourceType"] == "Observation":
            quantity = resource.get("valueQuantity", {})
            assert quantity.get("system", "http://unitsofmeasure.org") == "http://unitsofmeasure.org"
            found.setdefault(resource["code"]["coding"][0]["code"], []).append(quantity.get("value", 0.0))
    assert [(code, len(values)) for code, values in sorted(found.items())] == [row[:2] for row in expected]
    for code, _, total in expected:
        assert sum(found[code]) == pytest.approx(total)
    units = {row[0]: row[1] for row in samples.select("signal", "unit").unique().iter_rows()}
    assert units["heart_rate"] == "/min"


def test_the_patient_is_the_person(exported, bundle):
    patient = bundle["entry"][0]["resource"]
    assert patient["resourceType"] == "Patient"
    assert patient["name"] == [{"family": exported.person.family_name, "given": [exported.person.given_name]}]
    assert (patient["gender"], patient["birthDate"]) == (
        exported.person.sex,
        exported.person.birth_date.isoformat(),
    )


def test_times_bear_the_offset_of_where_the_person_was():
    assert observation()["effectiveDateTime"] == "2026-11-20T09:00:00.000+01:00"
    assert observation(utc_offset_min=-570)["effectiveDateTime"] == "2026-11-19T22:30:00.000-09:30"
    assert observation(utc_offset_min=32_000)["effectiveDateTime"] == "2026-11-20T08:00:00.000+00:00"
    end = dt.datetime(2026, 11, 20, 8, 5, tzinfo=dt.UTC)
    assert observation(end_utc=end)["effectivePeriod"] == {
        "start": "2026-11-20T09:00:00.000+01:00",
        "end": "2026-11-20T09:05:00.000+01:00",
    }


def test_what_is_not_known_of_a_time_is_said():
    flagged = observation(utc_offset_min=None, tz_basis="unknown", quality_flags=int(QualityFlag.TZ_UNKNOWN))
    assert flagged["effectiveDateTime"] == "2026-11-20T08:00:00.000+00:00"
    assert ["no time zone" in note["text"] for note in flagged["note"]] == [True]
    assert "note" not in observation()


def test_devices_are_resources_of_their_own_and_stand_there_once():
    row = {"device_make": "Acme", "device_model": "Band", "device_sw": "1.2"}
    start = dt.datetime(2026, 11, 20, 8, tzinfo=dt.UTC)
    rows = [
        {
            "signal": "heart_rate",
            "value_num": 60.0 + place,
            "unit_ucum": "/min",
            "start_utc": start,
            "end_utc": start,
        }
        | row
        for place in range(3)
    ]
    made = of(rows)
    check_structure(made)
    [device] = [e["resource"] for e in made["entry"] if e["resource"]["resourceType"] == "Device"]
    assert device["manufacturer"] == "Acme"
    assert device["deviceName"] == [{"name": "Band", "type": "model-name"}]
    check_r4(made)


def test_signals_without_a_code_are_not_guessed_at():
    assert [
        e["resource"]["resourceType"] for e in of([{"signal": "hrv_rmssd", "value_num": 1.0}])["entry"]
    ] == ["Patient"]


def test_oxygen_saturation_has_both_codes():
    codes = [coding["code"] for coding in observation(signal="spo2", unit_ucum="%")["code"]["coding"]]
    assert codes == ["59408-5", "2708-6"]


mapped = st.sampled_from(sorted(name for name, signal in SIGNALS.items() if signal.loinc and signal.unit))
# The strategy wants bounds without a zone, and adds it.
instants = st.datetimes(
    dt.datetime(1971, 1, 1),  # noqa: DTZ001
    dt.datetime(2035, 1, 1),  # noqa: DTZ001
    timezones=st.just(dt.UTC),
)
texts = st.none() | st.text(st.characters(codec="utf-8"), min_size=1, max_size=12).filter(str.strip)
rows_of = st.fixed_dictionaries(
    {
        "signal": mapped,
        "value_num": st.floats(-1e6, 1e6),
        "comparator": st.sampled_from([None, "<", ">"]),
        "start_utc": instants,
        "utc_offset_min": st.none() | st.integers(-32_768, 32_767),
        "tz_basis": st.sampled_from(TZ_BASES),
        "statistic": st.sampled_from([None, *STATISTICS]),
        "device_make": texts,
        "device_model": texts,
        "device_sw": texts,
        "modality": st.sampled_from([None, "sensed", "self_reported"]),
        "quality_flags": st.none() | st.integers(0, 255),
    }
)
facts_of = st.fixed_dictionaries(
    {},
    optional={
        "given_name": st.text(min_size=1, max_size=10).filter(str.strip),
        "family_name": st.text(min_size=1, max_size=10).filter(str.strip),
        "birth_date": st.sampled_from(["1990-01-02", "02/03/1990", "1990-13-45", "soon"]),
        "sex": st.sampled_from(["female", "male", "other", "NotSet"]),
    },
)


@given(st.lists(rows_of, max_size=4, unique_by=lambda row: (row["start_utc"], row["value_num"])), facts_of)
@settings(max_examples=40)
def test_any_samples_give_an_r4_bundle(rows, facts):
    rows = [row | {"unit_ucum": SIGNALS[row["signal"]].unit, "end_utc": row["start_utc"]} for row in rows]
    made = of(rows, facts)
    check_structure(made)
    check_r4(made)
