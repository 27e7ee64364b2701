"""Responses of the WHOOP API v1 and v2: synthetic, after the vendor's documentation (developer.whoop.com/api).

The traps: records without numbers (`PENDING_SCORE`, `UNSCORABLE`), UTC times with the offset beside them, a recovery
without an interval, a cycle that still runs, a band that is still calibrating, stages as totals only.
"""

from __future__ import annotations

import json
from typing import Any

from tests.sources.damage import CANARY

SLEEP: dict[str, Any] = {
    "id": "ecfc6a15-4661-442f-a9a4-f160dd7afae8", "cycle_id": 93845, "v1_id": 93845, "user_id": 10129,
    "created_at": "2024-03-31T13:25:44.774Z", "updated_at": "2024-03-31T14:25:44.774Z",
    "start": "2024-03-31T04:25:44.774Z", "end": "2024-03-31T12:25:44.774Z", "timezone_offset": "-05:00", "nap": False,
    "score_state": "SCORED",
    "score": {
        "stage_summary": {
            "total_in_bed_time_milli": 28800000, "total_awake_time_milli": 1400000, "total_no_data_time_milli": 0,
            "total_light_sleep_time_milli": 14000000, "total_slow_wave_sleep_time_milli": 6600000,
            "total_rem_sleep_time_milli": 5800000, "sleep_cycle_count": 3, "disturbance_count": 12,
        },
        "sleep_needed": {"baseline_milli": 27395716}, "respiratory_rate": 16.11328125,
        "sleep_performance_percentage": 91, "sleep_consistency_percentage": 90, "sleep_efficiency_percentage": 91,
    },
}  # fmt: skip
RECOVERY: dict[str, Any] = {
    "cycle_id": 93845, "sleep_id": "123e4567-e89b-12d3-a456-426614174000", "user_id": 10129,
    "created_at": "2024-03-31T12:25:44.774Z", "updated_at": "2024-03-31T14:25:44.774Z", "score_state": "SCORED",
    "score": {
        "user_calibrating": False, "recovery_score": 44, "resting_heart_rate": 64, "hrv_rmssd_milli": 31.813562,
        "spo2_percentage": 95.6875, "skin_temp_celsius": 33.7,
    },
}  # fmt: skip
WORKOUT: dict[str, Any] = {
    "id": 1043, "user_id": 9012, "created_at": "2024-03-31T20:00:00.000Z", "updated_at": "2024-03-31T20:00:00.000Z",
    "start": "2024-03-31T18:00:00.000Z", "end": "2024-03-31T19:00:00.000Z", "timezone_offset": "+05:30",
    "sport_id": 1, "sport_name": "cycling", "score_state": "SCORED",
    "score": {
        "strain": 8.2463, "average_heart_rate": 123, "max_heart_rate": 146, "kilojoule": 1569.34033203125,
        "percent_recorded": 100, "distance_meter": 1772.77035916, "altitude_gain_meter": 46.6, "zone_durations": {},
    },
}  # fmt: skip
CYCLE: dict[str, Any] = {
    "id": 93845, "user_id": 10129, "created_at": "2024-03-31T11:25:44.774Z", "updated_at": "2024-03-31T14:25:44.774Z",
    "start": "2024-03-30T04:25:44.774Z", "end": "2024-03-31T04:25:44.774Z", "timezone_offset": "-05:00",
    "score_state": "SCORED",
    "score": {"strain": 5.29, "kilojoule": 8288.297, "average_heart_rate": 68, "max_heart_rate": 141},
}  # fmt: skip
PERSON = {"user_id": 10129, "email": f"{CANARY}@example.com", "first_name": CANARY, "last_name": "Doe"}
BODY = {"height_meter": 1.8288, "weight_kilogram": 90.7185, "max_heart_rate": 200}


def unscored(record: dict[str, Any], state: str) -> dict[str, Any]:
    """The record before, or without, its score."""
    return {**{name: value for name, value in record.items() if name != "score"}, "score_state": state}


def response(*records: Any) -> bytes:
    """A page of an endpoint."""
    return json.dumps({"records": list(records), "next_token": "MTIzOjEyMzEyMw"}).encode()


def seeds() -> dict[str, bytes]:
    """Small valid files, by a name."""
    return {
        "whoop_sleep": response(SLEEP, unscored(SLEEP, "PENDING_SCORE")),
        "whoop_recovery": response(RECOVERY),
        "whoop_workout": response(WORKOUT),
        "whoop_cycle": response(CYCLE),
        "whoop_one": json.dumps(SLEEP).encode(),
        "whoop_person": json.dumps(PERSON).encode(),
        "whoop_body": json.dumps(BODY).encode(),
    }
