"""Health Connect databases: synthetic, after the tables that the Android module HealthFitness creates.

Names, types and generated columns follow the record helpers of the Android Open Source Project; the values are made up.
"""

from __future__ import annotations

import io
import sqlite3
import uuid
import zipfile
from typing import TYPE_CHECKING, Any

from tests.sources.damage import CANARY

if TYPE_CHECKING:
    from collections.abc import Iterator

START_MS = 1_793_692_800_000
"""2026-11-03T08:00Z."""
MINUTE_MS = 60_000
CET_S = 3600
WATCH, PHONE = 1, 2
FITNESS, SENSOR = 1, 2

_ORIGIN = (
    "row_id INTEGER PRIMARY KEY AUTOINCREMENT, uuid BLOB NOT NULL UNIQUE, last_modified_time INTEGER, "
    "client_record_id TEXT, client_record_version TEXT, device_info_id INTEGER, app_info_id INTEGER, "
    "recording_method INTEGER, dedupe_hash BLOB UNIQUE"
)
_INSTANT = "time INTEGER, zone_offset INTEGER, local_date INTEGER"
_INTERVAL = "start_time INTEGER, start_zone_offset INTEGER, end_time INTEGER, end_zone_offset INTEGER, local_date INTEGER"
_INSTANT_END = "local_date_time INTEGER AS (time + 1000 * zone_offset)"
_INTERVAL_END = (
    "local_date_time_start_time INTEGER AS (start_time + 1000 * start_zone_offset), "
    "local_date_time_end_time INTEGER AS (end_time + 1000 * end_zone_offset)"
)
_KEYS = (
    "FOREIGN KEY (device_info_id) REFERENCES device_info_table(row_id) ON DELETE CASCADE, "
    "FOREIGN KEY (app_info_id) REFERENCES application_info_table(row_id) ON DELETE CASCADE"
)
INSTANTS = {
    "resting_heart_rate_record_table": "beats_per_minute INTEGER",
    "heart_rate_variability_rmssd_record_table": "heart_rate_variability_millis REAL NOT NULL",
    "oxygen_saturation_record_table": "percentage REAL",
    "respiratory_rate_record_table": "rate REAL",
    "vo2_max_record_table": "measurement_method INTEGER, vo2_milliliters_per_minute_kilogram REAL",
    "weight_record_table": "weight REAL",
    "body_temperature_record_table": "measurement_location INTEGER, temperature REAL",
    "blood_glucose_record_table": (
        "specimen_source TEXT NOT NULL, level REAL, relation_to_meal TEXT NOT NULL, meal_type TEXT NOT NULL"
    ),
    "blood_pressure_record_table": "systolic REAL, diastolic REAL",
    "body_fat_record_table": "percentage REAL",
}
INTERVALS = {
    "steps_record_table": "count INTEGER",
    "distance_record_table": "distance REAL",
    "active_calories_burned_record_table": "energy REAL",
    "total_calories_burned_record_table": "energy REAL",
    "sleep_session_record_table": "notes TEXT, title TEXT",
    "exercise_session_record_table": "notes TEXT, exercise_type INTEGER, title TEXT, has_route INTEGER",
    "heart_rate_record_table": "",
    "skin_temperature_record_table": "measurement_location INTEGER NOT NULL, baseline REAL",
    "future_kind_record_table": "value REAL",
}
CHILDREN = {
    "heart_rate_record_series_table": "parent_key INTEGER, beats_per_minute INTEGER, epoch_millis INTEGER",
    "skin_temperature_delta_table": (
        "parent_key INTEGER, delta REAL NOT NULL, epoch_millis INTEGER NOT NULL"
    ),
    "sleep_stages_table": (
        "parent_key INTEGER NOT NULL, stage_start_time INTEGER NOT NULL, stage_end_time INTEGER NOT NULL, "
        "stage_type INTEGER NOT NULL"
    ),
    "exercise_route_table": "parent_key INTEGER, timestamp_millis INTEGER, latitude REAL, longitude REAL",
    "change_logs_table": "row_id INTEGER PRIMARY KEY, uuids BLOB",
}


class Phone:
    """A Health Connect database that is being filled."""

    def __init__(self, *, old: bool = False) -> None:
        self.database = sqlite3.connect(":memory:")
        for statement in _schema(old=old):
            self.database.execute(statement)
        self.add(
            "application_info_table",
            row_id=FITNESS,
            package_name="com.google.android.apps.fitness",
            app_name="Ada's Fit",
        )
        self.add("application_info_table", row_id=SENSOR, package_name="com.dexcom.g7", app_name="G7")
        self.add(
            "device_info_table", row_id=WATCH, manufacturer="Google", model="Pixel Watch 2", device_type=1
        )
        self.add(
            "device_info_table", row_id=PHONE, manufacturer="Google", model="Ada\u2019s Pixel", device_type=2
        )

    def add(self, table: str, **columns: Any) -> int:
        """Insert a row and return its number."""
        names = ", ".join(f'"{name}"' for name in columns)
        places = ", ".join("?" * len(columns))
        cursor = self.database.execute(
            f"INSERT INTO {table} ({names}) VALUES ({places})", tuple(columns.values())
        )
        return cursor.lastrowid or 0

    def instant(self, table: str, **columns: Any) -> int:
        """Insert an instant record at 09:00 in Paris unless the columns say otherwise."""
        return self.add(
            table, **{**_origin(), "time": START_MS, "zone_offset": CET_S, "local_date": 20760} | columns
        )

    def interval(self, table: str, minutes: int = 60, **columns: Any) -> int:
        """Insert an interval record from 09:00 in Paris unless the columns say otherwise."""
        when = {
            "start_time": START_MS,
            "start_zone_offset": CET_S,
            "end_time": START_MS + minutes * MINUTE_MS,
            "end_zone_offset": CET_S,
            "local_date": 20760,
        }
        return self.add(table, **{**_origin(), **when} | columns)

    def night(self, stages: list[tuple[int, int, int]], **columns: Any) -> int:
        """Insert a sleep session with stages: code, and minutes from its start."""
        parent = self.interval(
            "sleep_session_record_table", max([480, *(end for _, _, end in stages)]), **columns
        )
        for code, start, end in stages:
            self.add(
                "sleep_stages_table",
                parent_key=parent,
                stage_start_time=START_MS + start * MINUTE_MS,
                stage_end_time=START_MS + end * MINUTE_MS,
                stage_type=code,
            )
        return parent

    def beats(self, rates: list[int], **columns: Any) -> int:
        """Insert a heart rate record with a sample a second."""
        parent = self.interval("heart_rate_record_table", **columns)
        for second, rate in enumerate(rates):
            self.add(
                "heart_rate_record_series_table",
                parent_key=parent,
                beats_per_minute=rate,
                epoch_millis=START_MS + second * 1000,
            )
        return parent

    def content(self, *, write_ahead: bool = False) -> bytes:
        """Return the database file."""
        self.database.commit()
        content = bytearray(self.database.serialize())
        if write_ahead:
            content[18:20] = b"\2\2"
        return bytes(content)

    def packed(self) -> bytes:
        """Return the zip file that the phone writes."""
        return packed(self.content())


def packed(content: bytes) -> bytes:
    """Return a zip file with a database."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("health_connect_export.db", content)
    return out.getvalue()


def _origin() -> dict[str, Any]:
    return {
        "uuid": uuid.uuid4().bytes,
        "last_modified_time": START_MS + 5000,
        "client_record_id": "ada@example.org/1",
        "client_record_version": "0",
        "device_info_id": WATCH,
        "app_info_id": FITNESS,
        "recording_method": 2,
    }


def _schema(*, old: bool) -> Iterator[str]:
    origin = _ORIGIN.replace(" recording_method INTEGER,", "") if old else _ORIGIN
    yield "CREATE TABLE application_info_table (row_id INTEGER PRIMARY KEY, package_name TEXT NOT NULL UNIQUE, app_name TEXT, app_icon BLOB)"
    yield "CREATE TABLE device_info_table (row_id INTEGER PRIMARY KEY, manufacturer TEXT, model TEXT, device_type INTEGER)"
    for name, own in INSTANTS.items():
        yield f"CREATE TABLE {name} ({origin}, {_INSTANT}, {own}, {_INSTANT_END}, {_KEYS})"
    for name, own in INTERVALS.items():
        yield f"CREATE TABLE {name} ({origin}, {_INTERVAL}, {own}{', ' * bool(own)}{_INTERVAL_END}, {_KEYS})"
    for name, own in CHILDREN.items():
        yield f"CREATE TABLE {name} ({own})"


def full() -> Phone:
    """Return a database with rows of every kind that is read, and of some that are not."""
    phone = Phone()
    phone.interval("steps_record_table", count=412)
    phone.interval("distance_record_table", distance=310.5)
    phone.interval("active_calories_burned_record_table", energy=21_500.0)
    phone.interval("total_calories_burned_record_table", energy=95_000.0)
    phone.instant("resting_heart_rate_record_table", beats_per_minute=52)
    phone.instant("heart_rate_variability_rmssd_record_table", heart_rate_variability_millis=40.9)
    phone.instant("oxygen_saturation_record_table", percentage=97.0)
    phone.instant("respiratory_rate_record_table", rate=14.6)
    phone.instant("vo2_max_record_table", measurement_method=0, vo2_milliliters_per_minute_kilogram=47.3)
    phone.instant("weight_record_table", weight=64_000.0, recording_method=3)
    phone.instant("body_temperature_record_table", measurement_location=1, temperature=36.6)
    meal = {"relation_to_meal": 0, "meal_type": 0}
    phone.instant("blood_glucose_record_table", specimen_source=1, level=5.5, app_info_id=SENSOR, **meal)
    phone.instant("blood_glucose_record_table", specimen_source=2, level=6.1, **meal)
    phone.instant("blood_pressure_record_table", systolic=120.0, diastolic=80.0)
    phone.night(
        [(1, 0, 20), (4, 20, 200), (5, 200, 260), (6, 260, 330), (3, 330, 340), (2, 340, 470), (7, 470, 480)]
    )
    run = phone.interval(
        "exercise_session_record_table", exercise_type=33, title=f"With {CANARY}", has_route=1
    )
    phone.add(
        "exercise_route_table", parent_key=run, timestamp_millis=START_MS, latitude=37.77, longitude=-122.4
    )
    phone.beats([61, 62, 64])
    skin = phone.interval("skin_temperature_record_table", measurement_location=3, baseline=35.1)
    phone.add("skin_temperature_delta_table", parent_key=skin, delta=-0.3, epoch_millis=START_MS)
    phone.interval("future_kind_record_table", value=1.0)
    return phone


def seeds() -> dict[str, bytes]:
    """Return small valid exports."""
    return {"health_connect_db": full().content(write_ahead=True), "health_connect_zip": full().packed()}
