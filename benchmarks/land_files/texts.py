"""Text formats: XML, CSV and lines of JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from benchmarks.land_files.clock import beats

if TYPE_CHECKING:
    from collections.abc import Iterator

_DEVICE = "&lt;&lt;HKDevice: 0x2812f3a20&gt;, name:Apple Watch, manufacturer:Apple Inc., model:Watch, hardware:Watch6,2, software:9.1&gt;"


def apple_health() -> Iterator[str]:
    """Heart rates of a watch as an Apple Health export writes them; the last piece closes the document."""
    yield '<?xml version="1.0" encoding="UTF-8"?>\n<HealthData locale="en_US">\n <ExportDate value="2026-11-01 12:00:00 +0100"/>\n'
    for _, time, bpm in beats():
        at = time.strftime("%Y-%m-%d %H:%M:%S +0100")
        yield (
            ' <Record type="HKQuantityTypeIdentifierHeartRate" sourceName="Apple Watch" sourceVersion="9.1" '
            f'device="{_DEVICE}" unit="count/min" creationDate="{at}" startDate="{at}" endDate="{at}" value="{bpm}"/>\n'
        )


def canonical_ndjson() -> Iterator[str]:
    """Lines of the canonical exchange format."""
    for _, time, bpm in beats():
        row = {"signal": "heart_rate", "value": bpm, "unit": "/min", "start": time.isoformat()}
        yield json.dumps(row) + "\n"


def dexcom_clarity() -> Iterator[str]:
    """Sensor readings as Clarity exports them, every five minutes."""
    yield (
        "Index,Timestamp (YYYY-MM-DDThh:mm:ss),Event Type,Event Subtype,Patient Info,Device Info,Source Device ID,"
        "Glucose Value (mg/dL),Insulin Value (u),Carb Value (grams),Duration (hh:mm:ss),"
        "Glucose Rate of Change (mg/dL/min),Transmitter Time (Long Integer)\n"
    )
    for number, time, value in beats(300):
        yield f"{number},{time:%Y-%m-%dT%H:%M:%S},EGV,,,,iPhone G6,{value + 40},,,,,{number}\n"


def glucose_ml() -> Iterator[str]:
    """Readings of the Glucose-ML collection."""
    yield "timestamp,glucose_value_mg_dl\n"
    for _, time, value in beats(300):
        yield f"{time:%Y-%m-%d %H:%M:%S},{value + 40}\n"


def fitbit_fitabase() -> Iterator[str]:
    """Heart rates as Fitabase exports them."""
    yield "Id,Time,Value\n"
    for _, time, bpm in beats():
        yield f"2022484408,{time.month}/{time.day}/{time.year} {time:%I:%M:%S %p},{bpm}\n"
