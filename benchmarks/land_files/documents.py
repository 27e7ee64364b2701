"""Documents of JSON: answers of vendors' interfaces and archives, as one long list each."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from benchmarks.land_files.clock import beats

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator

Item = dict[str, Any]


def _list(opening: str, item: Callable[[int, dt.datetime, int], Item], step_s: int = 5) -> Iterator[str]:
    """Yield what stands before the list, then its items for ever."""
    yield opening
    for number, time, value in beats(step_s):
        yield ("," if number else "") + json.dumps(item(number, time, value))


def _nanos(time: dt.datetime) -> int:
    return int(time.timestamp()) * 1_000_000_000


def fitbit_takeout() -> Iterator[str]:
    """Heart rates of a Takeout archive."""
    return _list(
        "[",
        lambda _, time, bpm: {
            "dateTime": f"{time:%m/%d/%y %H:%M:%S}",
            "value": {"bpm": bpm, "confidence": 3},
        },
    )


def google_fit() -> Iterator[str]:
    """Heart rates of a dataset of the REST interface."""
    source = "derived:com.google.heart_rate.bpm:com.google.android.gms:merge_heart_rate_bpm"
    return _list(
        f'{{"minStartTimeNs": "0", "maxEndTimeNs": "1999999999000000000", "dataSourceId": "{source}", "point": [',
        lambda _, time, bpm: {
            "startTimeNanos": str(_nanos(time)),
            "endTimeNanos": str(_nanos(time)),
            "dataTypeName": "com.google.heart_rate.bpm",
            "originDataSourceId": "raw:com.google.heart_rate.bpm:com.example.watch:maker:model::live",
            "value": [{"fpVal": float(bpm)}],
            "modifiedTimeMillis": str(_nanos(time) // 1_000_000),
        },
    )


def google_fit_takeout() -> Iterator[str]:
    """Heart rates of a Takeout archive."""
    return _list(
        '{"Data Source": "derived:com.google.heart_rate.bpm:com.google.android.gms:merged", "Data Points": [',
        lambda _, time, bpm: {
            "fitValue": [{"value": {"fpVal": float(bpm)}}],
            "startTimeNanos": _nanos(time),
            "endTimeNanos": _nanos(time),
            "originDataSourceId": "raw:com.google.heart_rate.bpm:com.example.watch:maker:model::live",
            "dataTypeName": "com.google.heart_rate.bpm",
        },
    )


def oura() -> Iterator[str]:
    """Heart rates of an answer of the interface."""
    return _list(
        '{"data": [', lambda _, time, bpm: {"bpm": bpm, "source": "awake", "timestamp": time.isoformat()}, 300
    )


def dexcom_api() -> Iterator[str]:
    """Sensor readings of an answer of the interface."""
    return _list(
        '{"recordType": "egv", "recordVersion": "3.0", "userId": "someone", "records": [',
        lambda number, time, value: {
            "recordId": f"{number:032x}",
            "systemTime": f"{time:%Y-%m-%dT%H:%M:%SZ}",
            "displayTime": f"{time:%Y-%m-%dT%H:%M:%S}-00:00",
            "value": value + 40,
            "status": "ok",
            "trend": "flat",
            "trendRate": 0.1,
            "unit": "mg/dL",
            "rateUnit": "mg/dL/min",
            "displayDevice": "iOS",
            "transmitterGeneration": "g7",
        },
        300,
    )


def nightscout() -> Iterator[str]:
    """Entries of a Nightscout site."""
    return _list(
        "[",
        lambda number, time, value: {
            "_id": f"{number:024x}",
            "device": "share2",
            "date": _nanos(time) // 1_000_000,
            "dateString": f"{time:%Y-%m-%dT%H:%M:%S.000Z}",
            "sgv": value + 40,
            "direction": "Flat",
            "type": "sgv",
            "utcOffset": 0,
        },
        300,
    )


def whoop() -> Iterator[str]:
    """Recoveries, each with three values."""
    return _list(
        '{"records": [',
        lambda number, time, value: {
            "cycle_id": number,
            "sleep_id": f"123e4567-e89b-12d3-a456-{number:012x}",
            "user_id": 10129,
            "created_at": f"{time:%Y-%m-%dT%H:%M:%S.000Z}",
            "updated_at": f"{time:%Y-%m-%dT%H:%M:%S.000Z}",
            "score_state": "SCORED",
            "score": {
                "user_calibrating": False,
                "recovery_score": 44,
                "resting_heart_rate": value,
                "hrv_rmssd_milli": value / 2,
                "spo2_percentage": 95.7,
                "skin_temp_celsius": 33.7,
            },
        },
        3600,
    )


def withings() -> Iterator[str]:
    """Weighings, each with its pulse."""
    return _list(
        '{"status": 0, "body": {"updatetime": 1, "timezone": "Europe/Paris", "measuregrps": [',
        lambda number, time, value: {
            "grpid": number,
            "attrib": 0,
            "date": _nanos(time) // 1_000_000_000,
            "created": _nanos(time) // 1_000_000_000,
            "category": 1,
            "measures": [
                {"value": 70_000 + value, "type": 1, "unit": -3},
                {"value": value, "type": 11, "unit": 0},
            ],
        },
        3600,
    )


def open_mhealth() -> Iterator[str]:
    """Lines of data points."""
    for number, time, bpm in beats():
        point = {
            "header": {
                "id": f"6f9619ff-8b86-4d01-b42d-{number:012x}",
                "creation_date_time": time.isoformat(),
                "schema_id": {"namespace": "omh", "name": "heart-rate", "version": "1.1"},
            },
            "body": {
                "heart_rate": {"value": bpm, "unit": "beats/min"},
                "effective_time_frame": {"date_time": time.isoformat()},
            },
        }
        yield json.dumps(point) + "\n"


def fhir_r4() -> Iterator[str]:
    """Lines of Observations, as bulk exports write them."""
    for number, time, bpm in beats():
        observation = {
            "resourceType": "Observation",
            "id": f"0a2bbf0e-9f86-4a5e-8d3c-{number:012x}",
            "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
            "effectiveDateTime": time.isoformat(),
            "valueQuantity": {"value": bpm, "system": "http://unitsofmeasure.org", "code": "/min"},
        }
        yield json.dumps(observation) + "\n"
