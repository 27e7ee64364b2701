"""Nightscout entries and treatments: synthetic, after the OpenAPI documents of its API v1 and v3.

The traps: error codes in place of readings, the same reading uploaded twice under two ids, an offset of zero that says
nothing, mmol/L in treatments, serial numbers in names of devices, MongoDB's wrapped numbers, seconds for milliseconds.
"""

from __future__ import annotations

import json
from typing import Any

from tests.sources.damage import CANARY

INSTANT = 1_711_843_200_000
"""2024-03-31T00:00Z in milliseconds."""


def sgv(value: Any = 120, **changed: Any) -> dict[str, Any]:
    """A sensor reading."""
    return {
        "_id": "55cf81bc436037528ec75fa5",
        "device": f"xDrip-DexcomG5 {CANARY}",
        "date": INSTANT,
        "dateString": "2024-03-31T00:00:00.000Z",
        "sgv": value,
        "delta": 1.5,
        "direction": "Flat",
        "type": "sgv",
        "filtered": 145000,
        "unfiltered": 146000,
        "rssi": 100,
        "noise": 1,
        "sysTime": "2024-03-31T00:00:00.000Z",
        "utcOffset": 120,
        **changed,
    }


def mbg(value: Any = 117) -> dict[str, Any]:
    """A meter reading."""
    return {
        "_id": "b",
        "device": "share2",
        "date": INSTANT,
        "dateString": "2024-03-31T00:00:00Z",
        "mbg": value,
        "type": "mbg",
    }


def cal() -> dict[str, Any]:
    """A calibration of a sensor."""
    return {
        "_id": "c",
        "device": "dexcom",
        "date": INSTANT,
        "scale": 1,
        "slope": 895.8,
        "intercept": 34281,
        "type": "cal",
    }


def treatment(**changed: Any) -> dict[str, Any]:
    """A treatment with a glucose value."""
    return {
        "_id": "t",
        "eventType": "BG Check",
        "created_at": "2024-03-31T00:00:00.000Z",
        "enteredBy": CANARY,
        "glucose": 6.1,
        "glucoseType": "Finger",
        "units": "mmol",
        "notes": CANARY,
        "utcOffset": 0,
        **changed,
    }


def entries(*records: Any) -> bytes:
    """An answer of the API v1."""
    return json.dumps(list(records)).encode()


def lines(*records: Any) -> bytes:
    """One record a line."""
    return "".join(
        f"{record if isinstance(record, str) else json.dumps(record)}\n" for record in records
    ).encode()


def seeds() -> dict[str, bytes]:
    """Small valid files, by a name."""
    wrapped = sgv(date={"$numberLong": str(INSTANT)}, _id={"$oid": "55cf81bc436037528ec75fa5"})
    return {
        "nightscout_entries": entries(sgv(), sgv(5), mbg(), cal()),
        "nightscout_treatments": entries(treatment(), treatment(glucose=None, eventType="Note")),
        "nightscout_v3": json.dumps({"status": 200, "result": [sgv(units="mg/dl")]}).encode(),
        "nightscout_lines": lines(wrapped, mbg(), cal()),
        "nightscout_line": lines(sgv()),
    }
