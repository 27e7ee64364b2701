"""Responses of the Withings API: synthetic, after the vendor's documentation (developer.withings.com/api-reference).

The traps: values with a power of ten, objectives among measurements, groups that may be another person's, the account's
zone behind the groups, series by time as an object, zeros for what was not measured, states that are not documented.
"""

from __future__ import annotations

import json
from typing import Any

from tests.sources.damage import CANARY

NIGHT = 1_711_835_100
"""2024-03-30T21:45Z in seconds; 22:45 in Berlin, whose clock leaps in that night."""


def group(*measures: tuple[int, int, int], **changed: Any) -> dict[str, Any]:
    """A group of measures (type, value, exponent)."""
    return {
        "grpid": 2909477003, "attrib": 0, "date": NIGHT, "created": NIGHT + 60, "modified": NIGHT + 90, "category": 1,
        "deviceid": CANARY, "hash_deviceid": CANARY, "model": "Body Scan", "modelid": 17, "comment": CANARY,
        "measures": [{"type": kind, "value": value, "unit": unit, "algo": 0, "fm": 3} for kind, value, unit in measures],
        **changed,
    }  # fmt: skip


def measures(*groups: Any, timezone: str | None = "Europe/Berlin") -> bytes:
    """An answer of "Getmeas", its zone behind the groups."""
    body = {"updatetime": NIGHT, "measuregrps": list(groups), "more": 0, "offset": 0, "timezone": timezone}
    return json.dumps({"status": 0, "body": body}).encode()


def series(*records: Any) -> bytes:
    """An answer with a series of records."""
    return json.dumps({"status": 0, "body": {"series": list(records), "more": False}}).encode()


def state(code: Any, start: int = NIGHT, **changed: Any) -> dict[str, Any]:
    """A state of the sleep with what was measured meanwhile."""
    return {
        "startdate": start, "enddate": start + 600, "state": code, "model": "Sleep Analyzer", "hr": {str(start): 58},
        "rr": {str(start): 15}, "snoring": {str(start): 0}, "sdnn_1": {str(start): 42}, "rmssd": {str(start): 38}, **changed,
    }  # fmt: skip


def summary(**changed: Any) -> dict[str, Any]:
    """A night in short."""
    data = {
        "total_timeinbed": 30600, "total_sleep_time": 27000, "lightsleepduration": 15000, "deepsleepduration": 7000,
        "remsleepduration": 5000, "sleep_efficiency": 0.88, "sleep_score": 81, "hr_average": 56, "hr_min": 49, "hr_max": 71,
        "rr_average": 14, "rr_min": 11, "rr_max": 19, "wakeupcount": 2,
    }  # fmt: skip
    return {
        "id": 2081804182, "timezone": "Europe/Berlin", "model": 32, "model_id": 63, "hash_deviceid": CANARY,
        "startdate": NIGHT, "enddate": NIGHT + 30600, "date": "2024-03-31", "created": NIGHT, "modified": NIGHT + 31000,
        "data": {**data, **changed},
    }  # fmt: skip


def day(**changed: Any) -> dict[str, Any]:
    """A day of activity."""
    return {
        "date": "2024-03-31", "timezone": "Europe/Berlin", "deviceid": None, "brand": 18, "is_tracker": True, "steps": 8231,
        "distance": 6012.5, "elevation": 4, "soft": 2, "calories": 312.7, "totalcalories": 2312.7, "hr_average": 68,
        "hr_min": 0, "hr_max": 131, **changed,
    }  # fmt: skip


def workout(**changed: Any) -> dict[str, Any]:
    """A workout."""
    return {
        "id": 77, "category": 2, "timezone": "Europe/Berlin", "model": 32, "attrib": 0, "startdate": NIGHT,
        "enddate": NIGHT + 1800, "date": "2024-03-30", "deviceid": CANARY, "data": {"calories": 250, "distance": 5000,
        "steps": 5200, "hr_average": 141, "hr_min": 98, "hr_max": 171}, **changed,
    }  # fmt: skip


def intraday(**moments: Any) -> bytes:
    """An answer of "Getintradayactivity": measurements by the second."""
    return json.dumps({"status": 0, "body": {"series": moments}}).encode()


def days(*records: Any) -> bytes:
    """An answer of "Getactivity"."""
    return json.dumps(
        {"status": 0, "body": {"activities": list(records), "more": False, "offset": 0}}
    ).encode()


def electrocardiogram(**changed: Any) -> dict[str, Any]:
    """An item of the list of electrocardiograms."""
    heart = {
        "deviceid": CANARY,
        "model": 44,
        "ecg": {"signalid": 1, "afib": 0},
        "heart_rate": 71,
        "timestamp": NIGHT,
    }
    return {**heart, "modified": NIGHT, "timezone": "Europe/Berlin", **changed}


def seeds() -> dict[str, bytes]:
    """Small valid files, by a name."""
    return {
        "withings_measures": measures(group((1, 79300, -3), (6, 21, 0)), group((71, 3690, -2), attrib=1)),
        "withings_states": series(state(1), state(2, NIGHT + 600)),
        "withings_summary": series(summary()),
        "withings_workout": series(workout()),
        "withings_heart": series(electrocardiogram()),
        "withings_days": days(day()),
        "withings_intraday": intraday(
            **{str(NIGHT): {"steps": 60, "duration": 60}, str(NIGHT + 60): {"heart_rate": 71}}
        ),
    }
