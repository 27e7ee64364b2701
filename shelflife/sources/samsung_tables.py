"""What the tables of a Samsung Health download become.

Columns and units are those of Samsung's data types (Samsung Health Android SDK, `HealthConstants`, and Samsung Health
Data SDK, data type pages); tables differ in whether they put the data type before a column's name. Times are UTC, with the
offset beside them: minute data of the same download, whose times are epochs, agree with the text read as UTC. -1 stands
for "none" in numbers.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

from shelflife.signals.sample import QualityFlag
from shelflife.sources.json_times import moment, signed_minutes, since_epoch
from shelflife.sources.json_values import day_of, record_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shelflife.sources.clocks import Time
    from shelflife.sources.observations import Observation

Row: TypeAlias = "Mapping[str, str]"
"""The cells of a line by the short name of their column; empty cells are left out."""

ALL_DEVICES = "-2"
"""`source_type` of the sum over all devices, in which nothing is counted twice (`StepDailyTrend.SOURCE_TYPE_ALL`)."""
UNREADABLE = "?"
"""Stands for a time that is none, so that it is not taken for wall-clock time."""

_STAGES = {"40001": "awake", "40002": "light", "40003": "deep", "40004": "rem"}
_EXERCISES = {
    "0": "other",
    "1001": "walking",
    "1002": "running",
    "9001": "pilates",
    "9002": "yoga",
    "11007": "cycling",
    "13001": "hiking",
    "14001": "swimming",
    "15003": "stationary_biking",
}
"""Codes that real downloads confirm; another one is landed as `samsung_` and its number."""
_APPS = {
    "com.sec.android.app.shealth": "samsung_health",
    "com.samsung.android.wear.shealth": "samsung_health",
}
_EPOCH_MS = re.compile(r"\d{12,14}")
_CODE = re.compile(r"\d{1,6}")
_SECOND = 1_000_000
_GLUCOSE_UNITS = ("mmol/L", "mg/dL")


@dataclass(frozen=True)
class Quantity:
    """A column with one number.

    Attributes:
        column: its short name.
        signal: what it becomes.
        unit: its documented unit.
        statistic: what it says about a row that has a length.
    """

    column: str
    signal: str
    unit: str
    statistic: str = "mean"


def quantities(*those: Quantity) -> Callable[[Row], list[Observation]]:
    """Return a reader of rows with one or several numbers about the same time; absent numbers give nothing."""

    def read(row: Row) -> list[Observation]:
        when = times(row)
        lasting = when["end"] is not None and when["end"] != when["start"]
        return [
            {
                **when,
                "signal": one.signal,
                "value": row[one.column],
                "unit": one.unit,
                "statistic": one.statistic if lasting else "instant",
                "path": one.column,
            }
            for one in those
            # A lowest and a highest value of a moment say nothing that the value does not.
            if present(row, one.column) and (lasting or one.statistic not in {"min", "max"})
        ]

    return read


def times(row: Row) -> Observation:
    """Return start, end, offset and the other things that every table says the same way."""
    return {
        "start": instant(row.get("start_time")),
        "end": instant(row.get("end_time")),
        "offset_min": offset(row.get("time_offset")),
        "modified": instant(row.get("update_time")),
        "source_record_id": record_id(row.get("datauuid")),
        "source_app": _APPS.get(row.get("pkg_name", ""), "third_party") if "pkg_name" in row else None,
    }


def present(row: Row, column: str) -> bool:
    """Return whether a number is there: empty, -1 and (for all numbers that are landed) 0 mean none."""
    text = row.get(column, "").strip()
    return text.strip("0.") not in {"", "-1", "-"}


def instant(text: str | None) -> Time:
    """Return a UTC date-time or milliseconds since 1970 as an instant; `UNREADABLE` for anything else."""
    if text is None:
        return None
    if _EPOCH_MS.fullmatch(text):
        return int(text) * 1000
    read = moment(text)
    return UNREADABLE if read is None or read.tzinfo is not None else since_epoch(read.replace(tzinfo=dt.UTC))


def offset(text: str | None) -> int | None:
    """Return the minutes east of UTC of `UTC+0900`."""
    return signed_minutes((text or "").removeprefix("UTC"))


def _sleep(row: Row) -> list[Observation]:
    """Read a night. A row without its duration is a bedtime that somebody set as a goal."""
    when = times(row)
    if "sleep_duration" not in row or when["start"] is None:
        return []
    night: Observation = {**when, "statistic": "sum", "path": "sleep_duration"}
    found: list[Observation] = [
        {**night, "signal": "sleep_episode", "value": row["sleep_duration"], "unit": "min"}
    ]
    if present(row, "sleep_score"):
        score = row["sleep_score"]
        found.append(
            {**when, "signal": "sleep_score", "value": score, "unit": "score", "path": "sleep_score"}
        )
    return found


def _sleep_stage(row: Row) -> list[Observation]:
    code = row.get("stage")
    return [
        {
            **times(row),
            "signal": "sleep_stage",
            "value": _STAGES.get(code or "", code),
            "value_raw": code,
            "parent_id": record_id(row.get("sleep_id")),
            "path": "stage",
        }
    ]


def _glucose(row: Row) -> list[Observation]:
    stated = row.get("glucose_unit")
    unit = "mmol/L" if stated is None else stated
    found = quantities(Quantity("glucose", "glucose_capillary", unit))(row)
    return [{**one, "modality": None} for one in found]


def _respiratory_rate(row: Row) -> list[Observation]:
    flag = int(QualityFlag.LOW_CONFIDENCE) if row.get("is_outlier") == "1" else 0
    found = quantities(Quantity("average", "respiratory_rate", "/min"))(row)
    return [{**one, "flags": flag} for one in found]


def _exercise(row: Row) -> list[Observation]:
    code = row.get("exercise_type", "0")
    named = _EXERCISES.get(code) or (f"samsung_{code}" if _CODE.fullmatch(code) else None)
    when: Observation = {**times(row), "parent_id": record_id(row.get("datauuid"))}
    workout: Observation = {
        **when,
        "signal": "workout",
        "value": named,
        "value_raw": code,
        "path": "exercise_type",
    }
    found = [workout]
    for one in _EXERCISE_NUMBERS(row):
        one["parent_id"] = when["parent_id"]
        found.append(one)
    return found


def _daily_steps(row: Row) -> list[Observation]:
    """Read the steps of a calendar day, which `day_time` names by its midnight as if it were in UTC."""
    kind = row.get("source_type")
    if kind not in {None, ALL_DEVICES}:
        return []
    begin = instant(row.get("day_time"))
    when: Observation = {"start": begin}
    if isinstance(begin, int):
        when = day_of(dt.datetime.fromtimestamp(begin // _SECOND, dt.UTC).date().isoformat())
    return [
        {
            "signal": "step_count",
            "value": row.get("count"),
            "unit": "steps",
            **when,
            "statistic": "sum",
            "source_record_id": record_id(row.get("datauuid")),
            "source_app": "samsung_health",
            "path": "count",
            # Without its source the sum may be one device's part of another sum.
            "problem": "value_conflict" if kind is None else None,
        }
    ]


_EXERCISE_NUMBERS = quantities(
    Quantity("distance", "distance", "m", "sum"),
    Quantity("calorie", "active_energy", "kcal", "sum"),
    Quantity("mean_heart_rate", "heart_rate", "bpm"),
    Quantity("min_heart_rate", "heart_rate", "bpm", "min"),
    Quantity("max_heart_rate", "heart_rate", "bpm", "max"),
)
_HEART_RATE = quantities(
    Quantity("heart_rate", "heart_rate", "bpm"),
    Quantity("min", "heart_rate", "bpm", "min"),
    Quantity("max", "heart_rate", "bpm", "max"),
)
_SPO2 = quantities(
    Quantity("spo2", "spo2", "%"), Quantity("min", "spo2", "%", "min"), Quantity("max", "spo2", "%", "max")
)
_STEPS = quantities(Quantity("count", "step_count", "steps", "sum"))

READERS: Mapping[str, Callable[[Row], list[Observation]]] = MappingProxyType(
    {
        "tracker.heart_rate": _HEART_RATE,
        "heart_rate": _HEART_RATE,
        "tracker.oxygen_saturation": _SPO2,
        "oxygen_saturation": _SPO2,
        "respiratory_rate": _respiratory_rate,
        "sleep": _sleep,
        "sleep_stage": _sleep_stage,
        "weight": quantities(Quantity("weight", "body_weight", "kg")),
        "body_temperature": quantities(Quantity("temperature", "body_temperature", "degC")),
        "blood_glucose": _glucose,
        "exercise": _exercise,
        "step_daily_trend": _daily_steps,
        "tracker.pedometer_step_count": _STEPS,
        "step_count": _STEPS,
    }
)
"""Reader of the rows of each table, by its name without `com.samsung.health.` or `com.samsung.shealth.`."""
