"""Fitbit's Web API and account archive: synthetic, after the vendor's documentation and public catalogues of the archive.

The traps: times of a day without a date, days whose value is 0 or nowhere, milliseconds beside seconds, wakes that overlay
stages, ids beyond 2^53, a range where a number should be, numbers as text, the same content under several names.
"""

from __future__ import annotations

import json
from typing import Any

from tests.sources.damage import CANARY

LONG_ID = 9_223_372_036_854_775_001
"""An id that no floating-point number holds."""


def document(value: Any) -> bytes:
    return json.dumps(value, indent=1).encode()


def heart_day(
    *times: tuple[str, Any], days: tuple[str, ...] = ("2024-07-01",), resting: Any = 61, kind: str = "minute"
) -> dict[str, Any]:
    """Get Heart Rate Intraday by Date."""
    return {
        "activities-heart": [
            {"dateTime": day, "value": {"heartRateZones": [{"name": "Peak"}], "restingHeartRate": resting}}
            for day in days
        ],
        "activities-heart-intraday": {
            "dataset": [{"time": time, "value": value} for time, value in times],
            "datasetInterval": 1,
            "datasetType": kind,
        },
    }


def level(start: str, name: str, seconds: int) -> dict[str, Any]:
    return {"dateTime": start, "level": name, "seconds": seconds}


def night(**changes: Any) -> dict[str, Any]:
    """A log with stages, over the night in which New York's clocks leap from 02:00 to 03:00."""
    return {
        "logId": LONG_ID,
        "dateOfSleep": "2024-03-10",
        "startTime": "2024-03-09T23:30:00.000",
        "endTime": "2024-03-10T05:30:30.000",
        "duration": 21_600_000,
        "minutesAsleep": 340,
        "minutesAwake": 20,
        "efficiency": 94,
        "type": "stages",
        "infoCode": 0,
        "isMainSleep": True,
        "levels": {
            "summary": {"deep": {"count": 1, "minutes": 60}},
            "data": [
                level("2024-03-09T23:30:00.000", "wake", 600),
                level("2024-03-09T23:40:00.000", "light", 9_000),
                level("2024-03-10T02:10:00.000", "deep", 3_600),
                level("2024-03-10T03:10:00.000", "rem", 8_400),
            ],
            "shortData": [level("2024-03-10T01:00:00.000", "wake", 90)],
        },
        **changes,
    }


def minute_night() -> dict[str, Any]:
    """A log of version 1, over midnight."""
    return {
        "logId": 29744,
        "dateOfSleep": "2011-06-16",
        "startTime": "2011-06-15T23:58:00.000",
        "duration": 240_000,
        "minutesAsleep": 2,
        "efficiency": 50,
        "minuteData": [
            {"dateTime": "23:58:00", "value": "3"},
            {"dateTime": "23:59:00", "value": "2"},
            {"dateTime": "00:00:00", "value": "1"},
            {"dateTime": "00:01:00", "value": "1"},
        ],
    }


def activity(**changes: Any) -> dict[str, Any]:
    """An entry of Get Activity Log List, whose start has an offset and whose distance has a unit."""
    return {
        "logId": 26_013_218_219,
        "activityName": "Bike",
        "activityTypeId": 90001,
        "activeDuration": 1_500_000,
        "averageHeartRate": 131,
        "calories": 204,
        "distance": 12.4,
        "distanceUnit": "Kilometer",
        "duration": 1_800_000,
        "lastModified": "2019-01-04T18:57:16.000Z",
        "logType": "auto_detected",
        "startTime": "2019-01-03T12:08:29.000-08:00",
        "steps": 110,
        **changes,
    }


def vitals() -> dict[str, dict[str, Any] | list[Any]]:
    """Answers about nights: HRV, SpO2, breathing, temperature, cardio score."""
    day = "2021-10-25"
    hrv_minute = {
        "minute": f"{day}T04:10:00.000",
        "value": {"rmssd": 26.617, "coverage": 0.935, "hf": 126.5, "lf": 471.8},
    }
    return {
        "hrv": {"hrv": [{"value": {"dailyRmssd": 34.938, "deepRmssd": 31.567}, "dateTime": day}]},
        "hrv_minutes": {"hrv": [{"minutes": [hrv_minute], "dateTime": day}]},
        "spo2": {"dateTime": day, "value": {"avg": 97.5, "min": 94.0, "max": 100.0}},
        "spo2_range": [{"dateTime": day, "value": {"avg": 97.5, "min": 94.0, "max": 100.0}}],
        "spo2_minutes": {"dateTime": day, "minutes": [{"value": 95.3, "minute": f"{day}T04:00:00"}]},
        "breathing": {"br": [{"value": {"breathingRate": 17.8}, "dateTime": day}]},
        "breathing_stages": {
            "br": [
                {
                    "value": {
                        "deepSleepSummary": {"breathingRate": 16.8},
                        "remSleepSummary": {"breathingRate": -1},
                        "fullSleepSummary": {"breathingRate": -1},
                    },
                    "dateTime": day,
                }
            ]
        },
        "skin": {
            "tempSkin": [{"dateTime": day, "value": {"nightlyRelative": -0.46}, "logType": "dedicated"}]
        },
        "core": {"tempCore": [{"dateTime": f"{day}T10:00:00", "value": 37.5}]},
        "cardio": {
            "cardioScore": [
                {"dateTime": day, "value": {"vo2Max": "45-49"}},
                {"dateTime": "2021-10-26", "value": {"vo2Max": "46.2"}},
            ]
        },
    }


def user() -> dict[str, Any]:
    """Get Profile."""
    return {
        "user": {
            "encodedId": "4ABCDE",
            "firstName": CANARY,
            "lastName": "Byron",
            "dateOfBirth": "1985-12-10",
            "gender": "FEMALE",
            "timezone": "Europe/London",
            "weightUnit": "en_GB",
        }
    }


def beats(*beats: tuple[str, Any, Any]) -> list[dict[str, Any]]:
    """heart_rate-YYYY-MM-DD.json."""
    return [{"dateTime": at, "value": {"bpm": bpm, "confidence": how}} for at, bpm, how in beats]


def minutes(*values: tuple[str, str]) -> list[dict[str, Any]]:
    """steps-YYYY-MM-DD.json, and distance, calories, altitude: the content says nothing of which."""
    return [{"dateTime": at, "value": value} for at, value in values]


RESTING: list[dict[str, Any]] = [
    {"dateTime": "02/22/24 00:00:00", "value": {"date": "02/22/24", "value": 57.25, "error": 6.8}},
    {"dateTime": "02/23/24 00:00:00", "value": {"date": None, "value": 0.0, "error": 0.0}},
]
VO2_MAX: list[dict[str, Any]] = [
    {
        "dateTime": "02/22/24 00:00:00",
        "value": {
            "demographicVO2Max": 41.25,
            "demographicVO2MaxError": 3.0,
            "filteredDemographicVO2Max": 40.5,
            "filteredDemographicVO2MaxError": 2.0,
        },
    }
]
WEIGHT: list[dict[str, Any]] = [
    {
        "logId": 1_431_993_599_000,
        "weight": 191.8,
        "bmi": 27.77,
        "date": "05/18/15",
        "time": "23:59:59",
        "source": "API",
    }
]
ZONES: list[dict[str, Any]] = [
    {"dateTime": "02/22/24 00:00:00", "value": {"valuesInZones": {"IN_DEFAULT_ZONE_1": 30.0}}}
]


def exercise() -> list[dict[str, Any]]:
    """exercise-0.json."""
    changed = {"startTime": "02/22/24 17:05:00", "lastModified": "02/22/24 18:00:00", "activityName": CANARY}
    return [activity(**changed, distanceUnit=None)]


PROFILE = (
    "id,full_name,first_name,last_name,display_name_setting,username,email_address,date_of_birth,child,country,state,"
    "city,timezone,locale,member_since,about_me,start_of_week,gender,height,weight\n"
    f'4ABCDE,"{CANARY}, Ada",Ada,{CANARY},name,null,ada@example.org,1985-12-10,false,GB,null,London,Europe/London,'
    'en_GB,2014-05-15,"likes maths, poems",MONDAY,FEMALE,165.0,59.0\n'
)
TABLES: dict[str, str] = {
    "hrv_details": "timestamp,rmssd,coverage,low_frequency,high_frequency\n2024-02-22T03:00:00,40.5,0.93,512.1,301.2\n",
    "hrv_daily": "timestamp,rmssd,nremhr,entropy\n2024-02-22T00:00:00,39.875,56.1,2.9\n2024-02-23T00:00:00,,55,3\n",
    "minute_spo2": "timestamp,value\n2024-02-22T07:00:00Z,95.2\n2024-02-22T07:01:00Z,50.0\n",
    "spo2_daily": "timestamp,average_value,lower_bound,upper_bound\n2024-02-22T07:00:00Z,96.5,94.0,98.0\n",
    "respiratory_daily": "timestamp,daily_respiratory_rate\n2024-02-22T02:00:00,15.25\n",
    "respiratory_night": "timestamp,full_sleep_breathing_rate,deep_sleep_breathing_rate\n2024-02-22T06:30:00,15.5,-1.0\n",
    "sleep_score": (
        "sleep_log_entry_id,timestamp,overall_score,composition_score,revitalization_score,duration_score,"
        f"deep_sleep_in_minutes,resting_heart_rate,restlessness\n{LONG_ID},2024-02-22T07:44:30Z,82,,83,,93,58,0.14\n"
    ),
    "computed_temperature": (
        "type,sleep_start,sleep_end,temperature_samples,nightly_temperature,baseline_relative_sample_sum\n"
        "IDT,2024-01-10T23:15,2024-01-11T07:05,530,31.42,-456.5\n"
    ),
    "device_temperature": "recorded_time,temperature,sensor_type\n2024-01-10T23:15:00,-0.5,DEVICE\n",
    "profile": PROFILE,
}


def seeds() -> dict[str, bytes]:
    """Small valid files of every kind."""
    answers = {
        "heart": heart_day(("00:01:00", 64), ("23:59:30", 65)),
        "steps": {"activities-steps": [{"dateTime": "2024-07-01", "value": "2937"}]},
        "sleep": {"sleep": [night(), minute_night()], "summary": {"totalSleepRecords": 2}},
        "no_sleep": {"sleep": []},
        "activities": {"activities": [activity(), activity(activityName=CANARY)], "pagination": {"limit": 2}},
        "weight": {"weight": [{"logId": 1, "weight": 56.7, "date": "2015-05-13", "time": "18:28:59"}]},
        "user": user(),
        **vitals(),
    }
    archive = {
        "beats": beats(("02/22/24 08:00:05", 58, 3), ("02/22/24 08:00:10", 70, 0)),
        "minutes": minutes(("02/22/24 08:00:00", "12")),
        "resting": RESTING,
        "vo2": VO2_MAX,
        "weights": WEIGHT,
        "zones": ZONES,
        "nights": [night()],
        "exercise": exercise(),
    }
    return {
        **{f"fitbit_api_{name}": document(value) for name, value in answers.items()},
        **{f"fitbit_takeout_{name}": document(value) for name, value in archive.items()},
        **{f"fitbit_table_{name}": table.encode() for name, table in TABLES.items()},
    }
