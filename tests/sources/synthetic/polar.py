"""Synthetic answers of Polar AccessLink, after the examples of its API documentation (v3).

The traps: hyphens in names of older answers, wall-clock times without an offset, clock times that pass midnight, 0 for "no
heart rate", lists of samples as one text with holes, device ids beside models.
"""

from __future__ import annotations

import json
from typing import Any

from tests.sources.damage import CANARY

USER = "https://www.polaraccesslink/v3/users/8675309"


def exercise(**changes: Any) -> dict[str, Any]:
    """A run with samples of heart rate (0), speed (1) and beats (11)."""
    return {
        "id": "2AC312F",
        "upload_time": "2024-11-01T11:43:05.000Z",
        "polar_user": USER,
        "device": "Polar Vantage V3",
        "device_id": "1111AAAA",
        "start_time": "2024-11-01T12:40:02",
        "start_time_utc_offset": 120,
        "duration": "PT1H2M3.5S",
        "calories": 530,
        "distance": 10500.5,
        "heart_rate": {"average": 129, "maximum": 147},
        "sport": "RUNNING",
        "detailed_sport_info": "TRAIL_RUNNING",
        "samples": [
            {"recording-rate": 5, "sample-type": "0", "data": "100,null,104,0"},
            {"recording-rate": 5, "sample-type": "1", "data": "0,10.5"},
            {"recording-rate": 0, "sample-type": "11", "data": "800,750,NULL,700"},
        ],
        "route": [{"latitude": 60.21, "longitude": 25.13, "time": "PT1S"}],
        **changes,
    }


def heart_rate() -> dict[str, Any]:
    """Continuous heart rate of a day."""
    samples = [("00:02:08", 63), ("00:07:08", 0), ("23:59:00", 78)]
    return {
        "polar_user": USER,
        "date": "2024-11-01",
        "heart_rate_samples": [{"heart_rate": rate, "sample_time": clock} for clock, rate in samples],
    }


def sleep(**changes: Any) -> dict[str, Any]:
    """A night from 23:40 on."""
    return {
        "polar_user": USER,
        "date": "2024-11-02",
        "sleep_start_time": "2024-11-01T23:40:30+02:00",
        "sleep_end_time": "2024-11-02T07:12:30+02:00",
        "device_id": "1111AAAA",
        "continuity": 2.1,
        "light_sleep": 14_000,
        "deep_sleep": 6_000,
        "rem_sleep": 5_000,
        "unrecognized_sleep_stage": 300,
        "sleep_score": 80,
        "hypnogram": {"00:50": 3, "23:40": 2, "23:50": 0, "01:23": 5, "02:00": 4, "03:00": 1, "04:00": 6},
        "heart_rate_samples": {"23:41": 76, "00:46": 0, "00:51": 71},
        **changes,
    }


def recharge(**changes: Any) -> dict[str, Any]:
    """The night before 2 November."""
    return {
        "polar_user": USER,
        "date": "2024-11-02",
        "heart_rate_avg": 57,
        "beat_to_beat_avg": 1052,
        "heart_rate_variability_avg": 41,
        "breathing_rate_avg": 14.1,
        "nightly_recharge_status": 3,
        "ans_charge": 0.5,
        "hrv_samples": {"00:41": 38, "23:56": 44},
        "breathing_samples": {"00:39": 13.4},
        **changes,
    }


def activity() -> dict[str, Any]:
    """A day, as newer answers have it."""
    return {
        "start_time": "2024-11-01T00:00:00",
        "end_time": "2024-11-01T23:59:59",
        "active_duration": "PT3H11M",
        "calories": 2500,
        "active_calories": 900,
        "steps": 8823,
        "distance_from_steps": 6590.5,
    }


def old_activity() -> dict[str, Any]:
    """A day, as older answers have it."""
    return {
        "id": 1234,
        "polar-user": USER,
        "date": "2024-11-01",
        "calories": 2329,
        "active-calories": 428,
        "active-steps": 250,
    }


def hyphens(one: dict[str, Any]) -> dict[str, Any]:
    """The same object as older answers write it."""
    return {name.replace("_", "-"): value for name, value in one.items()}


def answer(document: Any) -> bytes:
    """A document as bytes."""
    return json.dumps(document).encode()


def seeds() -> dict[str, bytes]:
    """Small valid answers."""
    return {
        "polar_exercise": answer(exercise()),
        "polar_exercises": answer([exercise(), hyphens(exercise(id="B", device=f"{CANARY}'s watch"))]),
        "polar_heart_rate": answer(heart_rate()),
        "polar_sleep": answer({"nights": [sleep()]}),
        "polar_recharge": answer({"recharges": [recharge()]}),
        "polar_activity": answer([activity()]),
        "polar_old_activity": answer(old_activity()),
    }
