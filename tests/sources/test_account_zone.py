"""Tables with wall-clock times: the account's zone places them, and the days on which the clock changes are marked."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from shelflife.signals.sample import QualityFlag
from tests.sources.reading import read, rows_of
from tests.sources.synthetic.tables import clarity, parquet
from tests.sources.test_canonical import SAMPLE, ndjson

BERLIN = "Europe/Berlin"
# 2024-03-31 and 2024-10-27 are the days on which Berlin's clock leaps from 02:00 to 03:00 and back from 03:00 to 02:00.
DAYS = [
    ("2024-03-31T01:55:00", "2024-03-31T00:55:00+00:00", 60, False),
    ("2024-03-31T02:30:00", "2024-03-31T01:30:00+00:00", 60, True),
    ("2024-03-31T03:05:00", "2024-03-31T01:05:00+00:00", 120, False),
    ("2024-10-27T01:55:00", "2024-10-26T23:55:00+00:00", 120, False),
    ("2024-10-27T02:30:00", "2024-10-27T00:30:00+00:00", 120, True),
    ("2024-10-27T03:05:00", "2024-10-27T02:05:00+00:00", 60, False),
]


def told(rows: list[dict[str, Any]]) -> list[tuple[str, int, bool]]:
    return [
        (
            row["start_utc"].isoformat(),
            row["utc_offset_min"],
            bool(row["quality_flags"] & QualityFlag.LOCAL_TIME_DOUBTFUL),
        )
        for row in rows
    ]


def clarity_file(times: list[str]) -> bytes:
    return clarity(*(f"{number},{time},EGV,,,,Android G7,103,,,," for number, time in enumerate(times)))


def glucose_ml_file(times: list[str]) -> bytes:
    return "\n".join(["timestamp,glucose_value_mg_dl", *(f"{time},103" for time in times)]).encode()


def twelve_hour(time: str) -> str:
    return dt.datetime.fromisoformat(time).strftime("%m/%d/%Y %I:%M:%S %p")


def heart_file(times: list[str]) -> bytes:
    return "\n".join(["Id,Time,Value", *(f"7,{twelve_hour(time)},61" for time in times)]).encode()


def steps_file(times: list[str]) -> bytes:
    return "\n".join(["Id,ActivityMinute,Steps", *(f"7,{twelve_hour(time)},61" for time in times)]).encode()


def canonical_file(times: list[str]) -> bytes:
    return ndjson(*({**SAMPLE, "start": time} for time in times))


TABLES = [clarity_file, glucose_ml_file, heart_file, steps_file, canonical_file]


@pytest.mark.parametrize("table", TABLES)
def test_the_account_places_wall_clock_times(table) -> None:
    rows = rows_of(table([day[0] for day in DAYS]), zone=BERLIN)
    assert told(rows) == [day[1:] for day in DAYS]
    assert {(row["tz_basis"], row["iana_tz"]) for row in rows} == {("account", BERLIN)}
    assert not any(row["quality_flags"] & QualityFlag.TZ_UNKNOWN for row in rows)
    assert {row["local_date"] for row in rows} == {dt.date(2024, 3, 31), dt.date(2024, 10, 27)}


@pytest.mark.parametrize("zone", [None, "No/Where", "../../etc/localtime"])
@pytest.mark.parametrize("table", TABLES)
def test_without_a_zone_they_stay_wall_clock_times(table, zone) -> None:
    rows = rows_of(table([day[0] for day in DAYS]), zone=zone)
    assert [row["start_utc"].replace(tzinfo=None).isoformat() for row in rows] == [day[0] for day in DAYS]
    assert {(row["tz_basis"], row["iana_tz"], row["utc_offset_min"]) for row in rows} == {
        ("unknown", None, None)
    }
    assert all(row["quality_flags"] & QualityFlag.TZ_UNKNOWN for row in rows)


def test_steps_of_the_last_minute_before_a_leap_cover_one_minute() -> None:
    (row,) = rows_of(steps_file(["2024-03-31T01:59:00"]), zone=BERLIN)
    assert row["end_utc"] - row["start_utc"] == dt.timedelta(minutes=1)


def test_epochs_rest_on_their_own_assumption_whatever_the_account_says() -> None:
    (row,) = rows_of(
        b"id,epoch_s,local_naive_if_us_eastern,hr\n7,1460460060,2016-04-12 07:21:00,97\n", zone=BERLIN
    )
    assert (row["utc_offset_min"], row["iana_tz"], row["tz_basis"]) == (-240, "America/New_York", "assumed")


def test_bad_times_stay_bad() -> None:
    table, _ = read(glucose_ml_file(["2024-13-31T01:55:00", "", "2024-03-31T01:55:00"]), zone=BERLIN)
    assert table.column("problem").to_pylist() == ["bad_time", "no_time", None]


@pytest.mark.parametrize("as_file", [ndjson, lambda *rows: parquet(table_of(*rows))])
def test_a_canonical_row_is_placed_by_its_offset_then_its_zone_then_the_account(as_file) -> None:
    rows = rows_of(
        as_file(
            {**SAMPLE, "start": "2024-10-27T02:30:00+01:00", "tz": BERLIN},
            {**SAMPLE, "start": "2024-11-03T01:30:00", "tz": "America/New_York"},
            {**SAMPLE, "start": "2024-07-01T08:00:00", "tz": "Asia/Tokyo", "tz_basis": "device"},
            {**SAMPLE, "start": "2024-07-01T08:00:00", "tz": "Asia/Nowhere", "tz_basis": "device"},
            {**SAMPLE, "start": "2024-07-01T08:00:00", "tz_basis": "device"},
        ),
        zone=BERLIN,
    )
    assert told(rows) == [
        ("2024-10-27T01:30:00+00:00", 60, False),
        ("2024-11-03T05:30:00+00:00", -240, True),
        ("2024-06-30T23:00:00+00:00", 540, False),
        ("2024-07-01T06:00:00+00:00", 120, False),
        ("2024-07-01T06:00:00+00:00", 120, False),
    ]
    assert [(row["tz_basis"], row["iana_tz"]) for row in rows] == [
        ("sample", BERLIN),
        ("sample", "America/New_York"),
        ("device", "Asia/Tokyo"),
        ("account", BERLIN),
        ("account", BERLIN),
    ]


def table_of(*rows: dict[str, Any]):
    import pyarrow as pa

    names = list(dict.fromkeys(name for row in rows for name in row))
    return pa.table({name: [row.get(name) for row in rows] for name in names})


def test_both_ends_of_a_canonical_interval_are_placed() -> None:
    night = {
        "signal": "sleep_stage",
        "value": "light",
        "start": "2024-10-27T01:00:00",
        "end": "2024-10-27T02:30:00",
    }
    row, later = rows_of(
        "\n".join([json.dumps(night), json.dumps({**night, "end": "2024-10-27T04:00:00"})]).encode(),
        zone=BERLIN,
    )
    assert row["end_utc"] - row["start_utc"] == dt.timedelta(minutes=90)
    assert row["quality_flags"] & QualityFlag.LOCAL_TIME_DOUBTFUL
    assert later["end_utc"] - later["start_utc"] == dt.timedelta(hours=4)
    assert not later["quality_flags"] & QualityFlag.LOCAL_TIME_DOUBTFUL
