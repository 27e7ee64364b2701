"""Google Fit's REST API and archive: synthetic, after the vendor's documentation and public readers of the archive.

The traps: nanoseconds as text or as numbers, momentary values whose start means nothing, glucose of an unsaid specimen,
serial numbers and names inside the ids of data sources, places, sessions in a person's own words.
"""

from __future__ import annotations

import json
from typing import Any

from tests.sources.damage import CANARY

NOON = 1_719_835_200_000_000_000
"""2024-07-01T12:00Z in nanoseconds."""
MINUTE = 60_000_000_000
PHONE = f"derived:com.google.x:com.google.android.gms:LGE:Nexus 5:{CANARY}:live"


def document(value: Any) -> bytes:
    return json.dumps(value, indent=1).encode()


def point(kind: str, *values: Any, minutes: int = 0, origin: str = PHONE, **changes: Any) -> dict[str, Any]:
    """A data point of the API that ends at noon."""
    return {
        "startTimeNanos": str(NOON - minutes * MINUTE),
        "endTimeNanos": str(NOON),
        "dataTypeName": f"com.google.{kind}",
        "originDataSourceId": origin,
        "value": [{"intVal": value} if isinstance(value, int) else {"fpVal": value} for value in values],
        "modifiedTimeMillis": str(NOON // 1_000_000 + 5),
        **changes,
    }


def data_set(*points: dict[str, Any]) -> bytes:
    return document(
        {
            "minStartTimeNs": str(NOON - MINUTE),
            "maxEndTimeNs": str(NOON),
            "dataSourceId": "derived:com.google.heart_rate.bpm:com.google.android.gms:merge_heart_rate_bpm",
            "point": list(points),
        }
    )


def aggregate(*points: dict[str, Any]) -> bytes:
    bucket = {
        "startTimeMillis": str(NOON // 1_000_000),
        "endTimeMillis": str(NOON // 1_000_000),
        "dataset": [{"dataSourceId": "derived:com.google.heart_rate.summary:gms:agg", "point": list(points)}],
    }
    return document({"bucket": [bucket]})


def sessions(*changes: dict[str, Any]) -> bytes:
    """users.sessions.list."""
    base = {
        "id": f"{CANARY}-1",
        "name": CANARY,
        "description": CANARY,
        "startTimeMillis": "1719835200000",
        "endTimeMillis": "1719837000000",
        "modifiedTimeMillis": "1719837000001",
        "application": {"packageName": "com.strava"},
        "activityType": 8,
    }
    return document({"session": [{**base, **change} for change in changes], "deletedSession": [{"id": "x"}]})


def archive_points(*points: dict[str, Any]) -> bytes:
    """All Data/derived_com.google.*.json: the same points in other words, their nanoseconds as numbers."""
    found = []
    for one in points:
        values = [{"value": value} for value in one["value"]]
        rest = {name: value for name, value in one.items() if name not in {"value", "dataTypeName"}}
        start, end = int(one["startTimeNanos"]), int(one["endTimeNanos"])
        found.append({"fitValue": values, **rest, "startTimeNanos": start, "endTimeNanos": end})
    stream = f"derived:{points[0]['dataTypeName']}:com.google.android.gms:merged"
    return document({"Data Source": stream, "Data Points": found})


def archive_session(activity: str = "running", **changes: Any) -> bytes:
    """All Sessions/*.json."""
    session = {
        "fitnessActivity": activity,
        "startTime": "2024-07-01T12:00:00.000Z",
        "endTime": "2024-07-01T12:30:00Z",
        "duration": "1800s",
        "segment": [
            {
                "fitnessActivity": activity,
                "startTime": "2024-07-01T12:00:00Z",
                "endTime": "2024-07-01T12:30:00Z",
            }
        ],
        "aggregate": [
            {"metricName": "com.google.calories.expended", "floatValue": 210.5},
            {"metricName": "com.google.step_count.delta", "intValue": 4100},
            {"metricName": "com.google.distance.delta", "floatValue": 5012.5},
        ],
        **changes,
    }
    return document(session)


def sleep_session() -> bytes:
    stages = [
        ("sleep.light", "22:00", "22:40"),
        ("sleep.deep", "22:40", "23:10"),
        ("sleep.awake", "23:10", "23:15"),
    ]
    segments = [
        {"fitnessActivity": name, "startTime": f"2024-07-01T{start}:00Z", "endTime": f"2024-07-01T{end}:00Z"}
        for name, start, end in stages
    ]
    return archive_session(
        "sleep",
        startTime="2024-07-01T22:00:00Z",
        endTime="2024-07-01T23:15:00Z",
        duration="4500s",
        segment=segments,
        aggregate=[],
    )


DAILY = (
    "Date,Move Minutes count,Calories (kcal),Distance (m),Heart Points,Average heart rate (bpm),Max heart rate (bpm),"
    "Min heart rate (bpm),Low latitude (deg),Low longitude (deg),High latitude (deg),High longitude (deg),"
    "Average speed (m/s),Step count,Average weight (kg),Walking duration (ms)\n"
    "2024-03-31,34,1650.5,2310.25,12,71.5,128.0,52.0,51.21,-0.57,51.22,-0.56,0.9,3412,72.5,1800000\n"
    "2024-04-01,,1600.0,,,,,,,,,,,,,\n"
)
INTERVALS = (
    "Start time,End time,Move Minutes count,Calories (kcal),Distance (m),Step count\n"
    "08:00:00.000+01:00,08:15:00.000+01:00,3,19.5,210.5,312\n"
)


def seeds() -> dict[str, bytes]:
    """Small valid files of every kind."""
    beat = point("heart_rate.bpm", 61.5)
    return {
        "google_fit_set": data_set(
            beat,
            point("step_count.delta", 52, minutes=1),
            point("activity.segment", 110, minutes=30),
            point("blood_glucose", 5.5, 1, 1, 1, 2),
            point("location.sample", 51.2, -0.5),
        ),
        "google_fit_aggregate": aggregate(point("heart_rate.summary", 71.5, 128.0, 52.0, minutes=60)),
        "google_fit_sessions": sessions({}, {"activityType": 72}),
        "google_fit_takeout_points": archive_points(beat, point("heart_rate.bpm", 63.5)),
        "google_fit_takeout_session": archive_session(),
        "google_fit_takeout_sleep": sleep_session(),
        "google_fit_metrics_daily": DAILY.encode(),
        "google_fit_metrics_intervals": INTERVALS.encode(),
    }
