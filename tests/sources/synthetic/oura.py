"""Responses of the Oura API v2: synthetic, after the vendor's documentation (cloud.ouraring.com/v2/docs).

The traps: heart rate in UTC beside nights with a local offset, nulls and zeros in series, a lowest heart rate that is no
resting one, a night that the person deleted, a day that begins at 4 in the morning, tags in a person's own words.
"""

from __future__ import annotations

import json
from typing import Any

from tests.sources.damage import CANARY

NIGHT: dict[str, Any] = {
    "id": "8f9a5221-639e-4a85-81cb-4065ef23f979",
    "average_breath": 12.625,
    "average_heart_rate": 54.25,
    "average_hrv": 62,
    "awake_time": 600,
    "bedtime_end": "2024-03-31T07:03:00+02:00",
    "bedtime_start": "2024-03-30T23:45:30+01:00",
    "day": "2024-03-31",
    "deep_sleep_duration": 300,
    "efficiency": 84,
    "heart_rate": {
        "interval": 300.0,
        "items": [None, 58.0, 56.5, 0],
        "timestamp": "2024-03-30T23:45:30.000+01:00",
    },
    "hrv": {"interval": 300.0, "items": [None, 40, 55], "timestamp": "2024-03-30T23:45:30.000+01:00"},
    "latency": 540,
    "light_sleep_duration": 300,
    "low_battery_alert": False,
    "lowest_heart_rate": 48,
    "movement_30_sec": "1143",
    "period": 0,
    "rem_sleep_duration": 300,
    "sleep_phase_5_min": "4213",
    "time_in_bed": 26250,
    "total_sleep_duration": 20000,
    "type": "long_sleep",
}
ACTIVITY: dict[str, Any] = {
    "id": "d1", "class_5_min": "0112", "score": 82, "active_calories": 1222, "average_met_minutes": 1.9,
    "contributors": {"stay_active": 60}, "equivalent_walking_distance": 20122, "met": {"interval": 60.0, "items": [0.1],
    "timestamp": "2024-03-30T04:00:00.000+01:00"}, "steps": 18430, "target_calories": 350, "total_calories": 3446,
    "day": "2024-03-30", "timestamp": "2024-03-30T04:00:00+01:00",
}  # fmt: skip
WORKOUT: dict[str, Any] = {
    "id": "w-1", "activity": "cycling", "calories": 212.5, "day": "2024-03-30", "distance": 9412.0,
    "end_datetime": "2024-03-30T12:01:00+01:00", "intensity": "moderate", "label": CANARY, "source": "manual",
    "start_datetime": "2024-03-30T11:15:30+01:00",
}  # fmt: skip
SESSION: dict[str, Any] = {
    "id": "s-1", "day": "2024-03-30", "start_datetime": "2024-03-30T12:32:09+01:00",
    "end_datetime": "2024-03-30T12:40:49+01:00", "type": "meditation", "mood": "same", "motion_count": {"interval": 5.0,
    "items": [0], "timestamp": "2024-03-30T12:32:09.000+01:00"}, "heart_rate": {"interval": 5.0, "items": [61, None, 60],
    "timestamp": "2024-03-30T12:32:09.000+01:00"}, "heart_rate_variability": {"interval": 5.0, "items": [31.0],
    "timestamp": "2024-03-30T12:32:09.000+01:00"},
}  # fmt: skip
PERSON: dict[str, Any] = {
    "id": "p-1", "age": 31, "weight": 74.8, "height": 1.8, "biological_sex": "male", "email": f"{CANARY}@example.com",
}  # fmt: skip


def beat(time: str, bpm: Any = 60, source: str = "awake") -> dict[str, Any]:
    """A record of the `heartrate` endpoint."""
    return {"bpm": bpm, "source": source, "timestamp": time}


def response(*records: Any) -> bytes:
    """A page of an endpoint."""
    return json.dumps({"data": list(records), "next_token": None}).encode()


def seeds() -> dict[str, bytes]:
    """Small valid files, by a name."""
    tag = {
        "id": "t",
        "tag_type_code": "tag_generic",
        "start_time": "2024-03-30T12:00:00+01:00",
        "comment": CANARY,
    }
    return {
        "oura_heartrate": response(beat("2024-03-30T10:00:00+00:00"), beat("2024-03-30T10:05:00+00:00", 61)),
        "oura_sleep": response(NIGHT),
        "oura_activity": response(ACTIVITY),
        "oura_workout": response(WORKOUT),
        "oura_session": response(SESSION),
        "oura_tag": response(tag),
        "oura_person": json.dumps(PERSON).encode(),
    }
