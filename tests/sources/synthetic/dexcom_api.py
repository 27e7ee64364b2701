"""Responses of the Dexcom API v3: synthetic, after the vendor's documentation (developer.dexcom.com).

The traps: offsets in records of phones and none in those of receivers, a unit that is `unknown`, readings beyond the
sensor's range, newest first, deleted events, a user's id in the envelope.
"""

from __future__ import annotations

import json
from typing import Any

from tests.sources.damage import CANARY


def phone(**changed: Any) -> dict[str, Any]:
    """A reading that a phone application sent."""
    return {
        "recordId": "2cab70ee-d3b4-5a34-9aa9-767513ab72bd",
        "systemTime": "2025-01-30T23:49:55Z",
        "displayTime": "2025-01-30T15:49:55-08:00",
        "transmitterId": CANARY,
        "transmitterTicks": 85273,
        "value": 101,
        "status": "ok",
        "trend": "flat",
        "trendRate": 0.1,
        "unit": "mg/dL",
        "rateUnit": "mg/dL/min",
        "displayDevice": "iOS",
        "transmitterGeneration": "g7",
        "displayApp": "G7",
        **changed,
    }


def receiver(**changed: Any) -> dict[str, Any]:
    """A reading that a receiver sent, whose clock its owner had set."""
    times = {"systemTime": "2025-01-30T23:49:55", "displayTime": "2025-01-31T00:50:10"}
    return phone(**{**times, "displayDevice": "receiver", "transmitterGeneration": "g6", **changed})


def event(kind: str, **changed: Any) -> dict[str, Any]:
    """An event that the person entered."""
    return {
        "recordId": "3cab70ee-d3b4-5a34-9aa9-767513ab72bd",
        "systemTime": "2025-01-30T23:49:55Z",
        "displayTime": "2025-01-30T15:49:55-08:00",
        "recordedSystemTime": "2025-01-30T23:50:55Z",
        "eventStatus": "created",
        "eventType": kind,
        "eventSubType": None,
        "value": "5.75",
        "unit": "units",
        "displayDevice": "iOS",
        "transmitterGeneration": "g7",
        **changed,
    }


def response(kind: str, *records: Any) -> bytes:
    """A response of an endpoint."""
    envelope = {"recordType": kind, "recordVersion": "3.0", "userId": CANARY, "records": list(records)}
    return json.dumps(envelope).encode()


def seeds() -> dict[str, bytes]:
    """Small valid files, by a name."""
    calibration = {name: value for name, value in phone(value=117).items() if name not in {"status", "trend"}}
    return {
        "dexcom_egv": response("egv", phone(), receiver(), phone(value=39, status="low")),
        "dexcom_calibration": response("calibration", calibration),
        "dexcom_event": response("event", event("insulin"), event("bloodGlucose", value="117", unit="mg/dL")),
        "dexcom_alert": response("alert", {"recordId": "a", "alertName": "low"}),
    }
