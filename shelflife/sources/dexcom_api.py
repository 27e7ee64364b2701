"""Dexcom API v3: `{"recordType": "egv", "recordVersion": "3.0", "userId": ..., "records": [...]}`.

Records of phone applications have UTC offsets; those of receivers have none, and then `systemTime` is UTC and
`displayTime` is what the receiver showed. A reading below or above the sensor's range comes as a `status` beside a number
just outside it. A unit can be `unknown`, and such a reading is quarantined. The user's id stays out of samples.
Source: Dexcom developer documentation, "egvs", "calibrations" and "events" of API v3, developer.dexcom.com.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from shelflife.sources.containers import open_content
from shelflife.sources.json_stream import items, paths
from shelflife.sources.json_times import moment, utc_instant
from shelflife.sources.json_values import digest, text
from shelflife.sources.source import SourceType
from shelflife.sources.vendor_json import api_parsing, unread

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from shelflife.sources.observations import Observation
    from shelflife.sources.source import ByteSource, Parsing
    from shelflife.sources.vendor_json import Row

_COMMON: Observation = {
    "source_platform": "dexcom",
    "source_app": "dexcom_api",
    "device_make": "Dexcom",
    "statistic": "instant",
}
_ENVELOPE = frozenset({"recordType", "recordVersion"})
_LIMITS = {
    ("low", "mg/dL"): ("<", "40"),
    ("high", "mg/dL"): (">", "400"),
    ("low", "mmol/L"): ("<", "2.2"),
    ("high", "mmol/L"): (">", "22.2"),
}
"""What the sensors measure: 40 to 400 mg/dL, 2.2 to 22.2 mmol/L (user guides of G5, G6 and G7)."""
_GENERATIONS = frozenset({"g4", "g5", "g6", "g6+", "dexcomPro", "g7"})
_EVENTS = frozenset({"insulin", "carbs", "exercise", "health", "notes", "note"})
_NO_SIGNAL = frozenset({"device", "alert", "dataRange"})


class DexcomApi:
    """Reads a response of the Dexcom API."""

    name = "dexcom_api"
    title = "Dexcom API v3"
    subject_scope: Literal["file", "row"] = "file"
    types = (
        SourceType(
            "egv",
            "glucose_interstitial",
            "mg/dL, mmol/L or unknown",
            "instant",
            "`low`, `high` get a comparator.",
        ),
        SourceType(
            "calibration", "glucose_capillary", "mg/dL, mmol/L or unknown", "instant", "From a finger-stick."
        ),
        SourceType("event bloodGlucose", "glucose_capillary", "mg/dL or mmol/L", "instant"),
        SourceType(
            "event insulin, carbs, exercise, health, notes", None, note="Entered by hand; no signal yet."
        ),
        SourceType("device, alert, dataRange", None),
    )

    def recognises(self, head: bytes) -> bool:
        """Return whether this is an envelope with a record type and version."""
        return paths(head) >= _ENVELOPE

    def parse(self, source: ByteSource, *, now: dt.datetime, zone: str | None = None) -> Parsing:
        """Return the parse; the rows are about the file's account."""
        kind = cache(lambda: _record_type(source))

        def rows(_place: str, record: dict[str, Any], _parsing: Parsing) -> Iterator[Row]:
            yield _row(kind(), record)

        return api_parsing(source, {"records.item"}, rows, _COMMON, now=now, zone=zone)


def _record_type(source: ByteSource) -> str | None:
    """Return the type of a response's records; it stands before them, and JSON does not promise that."""
    with open_content(source) as stream:
        return next((text(value) for _, value in items(stream, {"recordType"})), None)


def _row(kind: str | None, record: Mapping[str, Any]) -> Row:
    if kind == "egv":
        return _reading(record)
    if kind == "calibration":
        return {**_finger_stick(record), "path": "calibration"}
    if kind == "event":
        return _event(record)
    return kind if kind in _NO_SIGNAL else unread(record, "record")


def _event(record: Mapping[str, Any]) -> Row:
    name = text(record.get("eventType")) or ""
    if record.get("eventStatus") == "deleted":
        return "event/deleted"
    if name == "bloodGlucose":
        return {**_finger_stick(record), "path": "event/bloodGlucose"}
    return f"event/{name if name in _EVENTS else 'other'}"


def _reading(record: Mapping[str, Any]) -> Observation:
    row: Observation = {
        **_when(record),
        "signal": "glucose_interstitial",
        "value": record.get("value"),
        "unit": text(record.get("unit")),
        "modality": "sensed",
        "path": "egv",
    }
    status = record.get("status")
    limit = _LIMITS.get((str(status), row["unit"] or ""))
    if limit is None:
        return row
    sign, bound = limit
    given = row["value"]
    if given is None or _beyond(given, sign, bound):
        written = str(status) if given is None else str(given)
        return {**row, "comparator": sign, "value": bound, "value_raw": written}
    # A number within the range that is called low or high contradicts itself.
    return {**row, "problem": "value_conflict"}


def _beyond(value: object, sign: str, bound: str) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return False
    return value <= Decimal(bound) if sign == "<" else value >= Decimal(bound)


def _finger_stick(record: Mapping[str, Any]) -> Observation:
    return {
        **_when(record),
        "signal": "glucose_capillary",
        "value": record.get("value"),
        "unit": text(record.get("unit")),
        "modality": "self_reported",
    }


def _when(record: Mapping[str, Any]) -> Observation:
    """Return instant, offset and device of a record."""
    generation, own = record.get("transmitterGeneration"), text(record.get("recordId"))
    given = text(record.get("systemTime"))
    system, shown = moment(given), moment(record.get("displayTime"))
    # Without an offset it is a receiver's, whose system time is UTC.
    naive = system is not None and system.tzinfo is None
    offset, basis = _offset(system.replace(tzinfo=dt.UTC) if system and naive else system, shown)
    return {
        "start": utc_instant(f"{given}Z") if naive else utc_instant(given),
        "offset_min": offset,
        "tz_basis": basis,
        "device_model": generation if isinstance(generation, str) and generation in _GENERATIONS else None,
        "source_record_id": None if own is None else digest(own),
    }


def _offset(system: dt.datetime | None, shown: dt.datetime | None) -> tuple[int | None, str | None]:
    """Return the minutes east of UTC, and where they come from.

    A receiver has no zone: what its clock showed is the offset, whatever it had been set to.
    """
    if system is None or shown is None:
        return None, None
    difference = shown.utcoffset()
    if difference is not None:
        return round(difference.total_seconds() / 60), None
    wall = shown.replace(tzinfo=dt.UTC)
    return round((wall - system).total_seconds() / 60), "device"
