"""FHIR R4: our own export read back, and what it does not keep."""

from __future__ import annotations

import datetime as dt
import io
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from shelflife.rights.export.fhir import write_bundle
from shelflife.signals.sample import SAMPLE_SCHEMA, QualityFlag
from shelflife.signals.vocabulary import SIGNALS
from tests.sources.reading import NOW, read
from tests.sources.synthetic.fhir_r4 import (
    CANARY,
)

if TYPE_CHECKING:
    from shelflife.sources.source import Parsing


def utc(*parts: int) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=dt.UTC)  # type: ignore[misc,arg-type]


def exported(**more: Any) -> dict[str, Any]:
    start = utc(2026, 11, 20, 8)
    return {
        "signal": "heart_rate",
        "value_num": 61.0,
        "start_utc": start,
        "end_utc": start,
        "tz_basis": "sample",
        "utc_offset_min": 60,
        "unit_ucum": SIGNALS[more.get("signal", "heart_rate")].unit,
        "quality_flags": 0,
        **more,
    }


@st.composite
def samples_to_export(draw: st.DrawFn) -> dict[str, Any]:
    name = draw(st.sampled_from([signal.name for signal in SIGNALS.values() if signal.loinc]))
    signal = SIGNALS[name]
    # The export writes milliseconds.
    start = utc(2026, 1, 1) + dt.timedelta(milliseconds=draw(st.integers(0, 27_000_000_000)))
    length = dt.timedelta(milliseconds=draw(st.integers(0, 86_400_000)))
    low, high = signal.possible or (0, 0)
    value = {"value_code": "running"} if signal.kind == "coded" else {"value_num": draw(st.floats(low, high))}
    return exported(
        **{"value_num": None, **value},
        signal=name,
        start_utc=start,
        end_utc=start + length,
        utc_offset_min=draw(st.integers(-14 * 60, 14 * 60)),
        comparator=draw(st.sampled_from([None, "<", ">"])) if signal.kind != "coded" else None,
        modality=draw(st.sampled_from([None, "sensed", "self_reported"])),
        device_make=draw(st.sampled_from([None, "Polar", "Apple Inc."])),
        device_model=draw(st.sampled_from([None, "H10", "Watch6,2"])),
        device_sw=draw(st.sampled_from([None, "3.1", "11"])),
    )


KEPT = (
    "signal",
    "value_num",
    "value_code",
    "unit_ucum",
    "start_utc",
    "end_utc",
    "utc_offset_min",
    "comparator",
)


KEPT += ("modality", "device_make", "device_model", "device_sw")


def landed_again(rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], Parsing]:
    sink = io.BytesIO()
    table = pa.Table.from_pylist(rows, schema=SAMPLE_SCHEMA)
    facts = {"given_name": "Ada", "family_name": CANARY, "birth_date": "1980-12-10", "sex": "female"}
    write_bundle([[table]], sink, subject_key=bytes(16), facts=facts, made_at=NOW)
    read_back, parsing = read(sink.getvalue(), "fhir_r4")
    return read_back.to_pylist(), parsing


@settings(max_examples=80, deadline=None)
@given(st.lists(samples_to_export(), min_size=1, max_size=5))
def test_our_own_export_lands_again(rows: list[dict[str, Any]]) -> None:
    back, parsing = landed_again(rows)
    assert [row["problem"] for row in back] == [None] * len(rows)
    assert [[row[name] for name in KEPT] for row in back] == [
        [row.get(name) for name in KEPT] for row in rows
    ]
    assert [known.family_name for known in parsing.profiles] == [CANARY]
    assert {row["alias"] for row in back} == {parsing.profiles[0].alias}


def test_what_the_export_does_not_keep() -> None:
    unzoned = exported(tz_basis="unknown", utc_offset_min=None, quality_flags=int(QualityFlag.TZ_UNKNOWN))
    mean = exported(statistic="mean", end_utc=utc(2026, 11, 20, 9), value_code=None)
    exact = exported(
        start_utc=utc(2026, 11, 20, 8, 0, 0, 123_456), end_utc=utc(2026, 11, 20, 8, 0, 0, 123_456)
    )
    first, second, third = landed_again([unzoned, mean, exact])[0]
    # A wall-clock time has to be written as UTC; a statistic and microseconds have no place in it.
    assert (first["utc_offset_min"], first["tz_basis"]) == (0, "sample")
    assert second["statistic"] is None
    assert third["start_utc"] == utc(2026, 11, 20, 8, 0, 0, 123_000)
