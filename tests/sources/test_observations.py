"""Observations pulled one by one: times, zones, units and what is wrong, worked out the same way for every format."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from shelflife.signals.sample import QualityFlag
from shelflife.sources.observations import Observation, Observations
from shelflife.sources.source import Parsing
from tests.sources.reading import NOW

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

HEART: Observation = {"signal": "heart_rate", "value": 61, "unit": "bpm", "path": "beat"}


def rows_of(
    *observations: Observation, zone: str | None = None, formats: tuple[str, ...] = ()
) -> list[dict[str, Any]]:
    def rows(parsing: Parsing) -> Iterator[pa.RecordBatch]:
        found = Observations(parsing, {}, now=NOW, zone=zone, formats=formats)
        for one in observations:
            found.add(one)
        yield from found.rest()

    parsing = Parsing(rows)
    table = [row for batch in parsing for row in batch.to_pylist()]
    assert parsing.records == len(observations)
    return table


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("given", "zone", "utc", "offset", "basis"),
    [
        ({"start": "2024-07-01T08:00:00+02:00"}, None, "2024-07-01T06:00Z", 120, "sample"),
        ({"start": "2024-07-01T08:00:00"}, None, "2024-07-01T08:00Z", None, "unknown"),
        ({"start": "2024-07-01T08:00:00"}, "Europe/Berlin", "2024-07-01T06:00Z", 120, "account"),
        ({"start": "2024-07-01T08:00:00"}, "No/Where", "2024-07-01T08:00Z", None, "unknown"),
        ({"start": "2024-07-01T08:00:00", "offset_min": -300}, None, "2024-07-01T13:00Z", -300, "sample"),
        (
            {"start": "2024-07-01T08:00:00", "zone": "Asia/Tokyo"},
            "Europe/Berlin",
            "2024-06-30T23:00Z",
            540,
            "sample",
        ),
        (
            {"start": "2024-07-01T08:00:00", "zone": "Asia/Tokyo", "tz_basis": "device"},
            None,
            "2024-06-30T23:00Z",
            540,
            "device",
        ),
        ({"start": 1_719_813_600_000_000}, None, "2024-07-01T06:00Z", None, "unknown"),
        ({"start": 1_719_813_600_000_000}, "Europe/Berlin", "2024-07-01T06:00Z", 120, "account"),
        (
            {"start": 1_719_813_600_000_000, "offset_min": 60},
            "Europe/Berlin",
            "2024-07-01T06:00Z",
            60,
            "sample",
        ),
    ],
)
def test_where_a_time_gets_its_zone_from(given, zone, utc, offset, basis) -> None:
    [row] = rows_of({**HEART, **given}, zone=zone)
    assert (row["start_utc"], row["utc_offset_min"], row["tz_basis"]) == (at(utc), offset, basis)
    assert bool(row["quality_flags"] & QualityFlag.TZ_UNKNOWN) == (basis == "unknown")


def test_an_hour_that_exists_twice_is_its_first_and_one_that_does_not_exist_is_moved() -> None:
    twice, never, plain = rows_of(
        {**HEART, "start": "2024-11-03T01:30:00"},
        {**HEART, "start": "2024-03-10T02:30:00"},
        {**HEART, "start": "2024-03-10T03:30:00"},
        zone="America/New_York",
    )
    assert (twice["start_utc"], twice["utc_offset_min"]) == (at("2024-11-03T05:30Z"), -240)
    assert (never["start_utc"], never["utc_offset_min"]) == (at("2024-03-10T07:30Z"), -300)
    assert (plain["start_utc"], plain["utc_offset_min"]) == (at("2024-03-10T07:30Z"), -240)
    doubtful = [bool(row["quality_flags"] & QualityFlag.LOCAL_TIME_DOUBTFUL) for row in (twice, never, plain)]
    assert doubtful == [True, True, False]


def test_values_are_converted_and_kept_as_received() -> None:
    [row] = rows_of(
        {
            "signal": "glucose_interstitial",
            "value": Decimal("5.50"),
            "unit": "mmol/L",
            "start": "2024-01-01T00:00Z",
        }
    )
    assert row["value_num"] == pytest.approx(5.5 * 18.0182)
    assert (row["value_raw"], row["unit_raw"], row["unit_ucum"]) == ("5.50", "mmol/L", "mg/dL")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"value": None}, "missing_value"),
        ({"value": "six"}, "bad_number"),
        ({"value": True}, "bad_number"),
        ({"unit": "furlong"}, "unknown_unit"),
        ({"start": None}, "no_time"),
        ({"start": "yesterday"}, "bad_time"),
        ({"start": 10**20}, "bad_time"),
        ({"end": "2023-12-31T00:00Z"}, "end_before_start"),
        ({"end": "soon"}, "bad_time"),
        ({"signal": "mood"}, "unknown_signal"),
        ({"value": 999}, "out_of_range"),
        ({"problem": "ambiguous_time"}, "ambiguous_time"),
    ],
)
def test_what_is_wrong_is_said(given, problem) -> None:
    [row] = rows_of({**HEART, "start": "2024-01-01T00:00Z", **given})
    assert row["problem"] == problem
    assert row["record_path"] == "beat#1"


def test_a_length_stands_for_an_end_and_a_stage_is_its_code() -> None:
    [row] = rows_of(
        {
            "signal": "sleep_stage",
            "value": "deep",
            "value_raw": "40003",
            "start": "2024-01-01T23:00:00+01:00",
            "duration_us": 600_000_000,
        }
    )
    assert row["end_utc"] - row["start_utc"] == dt.timedelta(minutes=10)
    assert (row["value_code"], row["stage"], row["value_raw"], row["problem"]) == (
        "deep",
        "deep",
        "40003",
        None,
    )
    assert row["local_date"] == dt.date(2024, 1, 2)


def test_other_formats_of_times() -> None:
    [row] = rows_of(
        {**HEART, "start": "03/31/24 21:05:01"}, zone="Europe/Paris", formats=("%m/%d/%y %H:%M:%S",)
    )
    assert row["start_utc"] == at("2024-03-31T19:05:01Z")


def test_a_word_that_is_no_stage_stays_in_what_was_received() -> None:
    [row] = rows_of({"signal": "sleep_stage", "value": "Ada", "start": "2026-11-01T22:00:00Z"})
    assert (row["value_code"], row["stage"], row["value_raw"]) == (None, None, "Ada")
    assert row["problem"] == "unknown_code"


@pytest.mark.parametrize("length", [10**16 + 1, -(10**16) - 1, 10**24])
def test_a_length_that_leads_out_of_the_calendar_spoils_its_own_row(length: int) -> None:
    fine: Observation = {"signal": "step_count", "value": 1, "unit": "steps", "start": "2026-11-01T22:00:00Z"}
    rows = rows_of({**fine, "duration_us": length}, {**fine, "duration_us": 60_000_000})
    assert [row["problem"] for row in rows] == ["bad_time", None]


def test_long_texts_wait_for_no_full_batch() -> None:
    parsing = Parsing(lambda _: iter(()))
    found = Observations(parsing, {}, now=NOW)
    sizes = []
    for _ in range(40):
        found.add({"signal": None, "value_raw": "x" * 1_000_000, "problem": "bad_record"})
        sizes += [batch.num_rows for batch in found.full()]
    sizes += [batch.num_rows for batch in found.rest()]
    assert (max(sizes), sum(sizes)) == (17, 40)
