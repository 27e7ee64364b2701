"""One Nightscout record as a row.

`date` is in milliseconds of UTC. A server fills in `utcOffset` from the time that the uploader sent, and uploaders mostly
send UTC, so zero says nothing about where the person was. Ids are given anew at every upload; without them, what was
uploaded twice is one observation.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from shelflife.signals.sample import QualityFlag
from shelflife.sources.json_times import moment, utc_instant
from shelflife.sources.json_values import readable, text, whole
from shelflife.sources.vendor_json import unread

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from shelflife.sources.clocks import Time
    from shelflife.sources.observations import Observation
    from shelflife.sources.source import ProfileFacts
    from shelflife.sources.vendor_json import Row

_FIRST_READING = 13
"""Smaller readings are error codes of Dexcom sensors (0 none, 1 not active, ... 12 bad signal), as sensors measure no less
than 40 mg/dL."""
_NOISY = 3
"""Noise: 1 clean, 2 light, 3 medium, 4 heavy."""
_LARGEST_MS = 10**15
_FIRST_US = 315_532_800_000_000
"""1980-01-01: a date before it is one in seconds, or of a clock that was never set."""
_FURTHEST_APART = dt.timedelta(days=1)
_UNITS = {"mg/dl": "mg/dL", "mgdl": "mg/dL", "mmol": "mmol/L", "mmol/l": "mmol/L"}
_ENTRY_VALUES = ("sgv", "mbg")
_CALIBRATION = frozenset({"slope", "intercept"})
_UPLOADERS = (
    ("xdrip", "xdrip"),
    ("share2", "dexcom_share"),
    ("nightscout-connect", "nightscout_connect"),
    ("openaps", "openaps"),
    ("androidaps", "androidaps"),
    ("aaps", "androidaps"),
    ("loop", "loop"),
    ("trio", "trio"),
    ("iaps", "iaps"),
    ("spike", "spike"),
    ("dexcom", "dexcom"),
    ("libre", "libre"),
    ("medtronic", "medtronic"),
)
_GLUCOSE_TYPES = {"Finger": "glucose_capillary", "Sensor": "glucose_interstitial"}
_EVENTS = frozenset(
    {
        "BG Check",
        "Snack Bolus",
        "Meal Bolus",
        "Correction Bolus",
        "Carb Correction",
        "Combo Bolus",
        "Announcement",
        "Note",
        "Question",
        "Exercise",
        "Site Change",
        "Sensor Start",
        "Sensor Change",
        "Sensor Stop",
        "Pump Battery Change",
        "Insulin Change",
        "Temp Basal",
        "Profile Switch",
        "Temporary Target",
    }
)


def is_known(fields: Collection[str]) -> bool:
    """Return whether records with these fields are entries or treatments."""
    if "eventType" in fields:
        return "created_at" in fields
    measured = any(name in fields for name in _ENTRY_VALUES) or _CALIBRATION.issubset(fields)
    return measured and "date" in fields and any(name in fields for name in ("type", "dateString", "device"))


def record_rows(record: Mapping[str, Any], profile: ProfileFacts) -> Row:
    """Return a record's row, or the word that counts it.

    Args:
        record: an entry or a treatment.
        profile: gets the names of devices, which can hold serial numbers.
    """
    if record.get("isValid") is False:
        return "deleted"
    if "eventType" in record:
        return _treatment(record, profile)
    kind = text(record.get("type")) or next((name for name in _ENTRY_VALUES if name in record), "")
    if kind in _ENTRY_VALUES:
        return _entry(kind, record, profile)
    if kind == "cal" or record.keys() >= _CALIBRATION:
        return "cal"
    return unread(record, "record")


def _entry(kind: str, record: Mapping[str, Any], profile: ProfileFacts) -> Row:
    value, unit = _plain(record.get(kind)), _unit(record.get("units"), "mg/dL")
    number = _number(value)
    if kind == "sgv" and unit == "mg/dL" and number is not None and number < _FIRST_READING:
        return "sgv/error code"
    noise = whole(_plain(record.get("noise")))
    row: Observation = {
        **_entry_time(record),
        "signal": "glucose_interstitial" if kind == "sgv" else "glucose_capillary",
        "value": value,
        "unit": unit,
        "source_app": _uploader(record, profile),
        "flags": int(QualityFlag.LOW_CONFIDENCE) if noise is not None and noise >= _NOISY else 0,
        "path": kind,
    }
    if kind == "sgv":
        row["modality"] = "sensed"
    return row


def _treatment(record: Mapping[str, Any], profile: ProfileFacts) -> Row:
    value = _plain(record.get("glucose"))
    if value is None or value == "":
        event = text(record["eventType"])
        return f"treatment/{event if event in _EVENTS else 'other'}"
    kind = text(record.get("glucoseType")) or ""
    row: Observation = {
        "signal": _GLUCOSE_TYPES.get(kind),
        "value": value,
        "unit": _unit(record.get("units"), None),
        "start": utc_instant(record.get("created_at")),
        "offset_min": _told_offset(record),
        "source_app": _uploader(record, profile),
        "modality": "self_reported",
        "path": "treatment",
    }
    # Entered by hand without saying whether a meter or a sensor showed it: nobody can tell the two apart later.
    return row if kind in _GLUCOSE_TYPES else {**row, "problem": "unknown_signal"}


def _entry_time(record: Mapping[str, Any]) -> Observation:
    instant, written = _milliseconds(_plain(record.get("date"))), text(record.get("dateString"))
    read = moment(written)
    offset = _told_offset(record)
    if offset is None and read is not None and read.utcoffset():
        offset = round((read.utcoffset() or dt.timedelta()).total_seconds() / 60)
    if instant is None:
        date = _plain(record.get("date"))
        start: Time = utc_instant(written) if date is None else str(date)
        return {"start": start, "offset_min": offset}
    row: Observation = {"start": instant, "offset_min": offset}
    if 0 <= instant < _FIRST_US:
        row["problem"] = "bad_time"
    if read is not None and read.tzinfo is not None:
        apart = abs(read.timestamp() - instant / 1e6)
        # Seconds in place of milliseconds, or a clock that was never set: nobody knows which one is right.
        if apart > _FURTHEST_APART.total_seconds():
            row["problem"] = "bad_time"
    return row


def _told_offset(record: Mapping[str, Any]) -> int | None:
    return whole(_plain(record.get("utcOffset"))) or None


def _milliseconds(value: object) -> int | None:
    """Return microseconds for milliseconds, whole or not; None for anything else."""
    if isinstance(value, Decimal) and value.is_finite() and abs(value) < _LARGEST_MS:
        return int(value * 1000)
    milliseconds = whole(value)
    return None if milliseconds is None else milliseconds * 1000


def _plain(value: Any) -> Any:
    """Return the value that MongoDB's export wraps into its type (`{"$numberLong": "1"}`), any other as it is."""
    if isinstance(value, dict) and len(value) == 1:
        name, inner = next(iter(value.items()))
        if name.startswith("$number"):
            return inner
        if name == "$date":
            return _plain(inner)
    return value


def _number(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str) or len(str(value)) > 40:
        return None
    try:
        number = Decimal(value)
    except ArithmeticError:
        return None
    return number if number.is_finite() else None


def _unit(given: object, otherwise: str | None) -> str | None:
    word = text(given)
    return otherwise if word is None else _UNITS.get(word.lower(), word)


def _uploader(record: Mapping[str, Any], profile: ProfileFacts) -> str:
    """Return a label of what uploaded a record; its own name can hold a serial number."""
    name = text(record.get("device")) or text(record.get("enteredBy")) or text(record.get("app")) or ""
    if name:
        profile.note_source(readable(name))
    word = name.lower()
    return next((label for start, label in _UPLOADERS if word.startswith(start)), "third_party")
