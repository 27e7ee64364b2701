"""Days of activity, activity within a day, and workouts of the Withings API as rows.

Source: Withings API reference, "Measure v2 - Getactivity", "Measure v2 - Getintradayactivity" and "Measure v2 - Getworkouts".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shelflife.sources.json_times import epoch_seconds
from shelflife.sources.json_values import day_of, mapping, record_id, text, whole
from shelflife.sources.source import SourceType
from shelflife.sources.vendor_json import unread
from shelflife.sources.withings_models import device_model

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from shelflife.sources.observations import Observation
    from shelflife.sources.vendor_json import Row

_Field = tuple[str, str, str]
_SUMS: Mapping[str, _Field] = {
    "steps": ("step_count", "steps", "sum"),
    "distance": ("distance", "m", "sum"),
    "calories": ("active_energy", "kcal", "sum"),
}
_RATES: Mapping[str, _Field] = {
    "hr_average": ("heart_rate", "bpm", "mean"),
    "hr_min": ("heart_rate", "bpm", "min"),
    "hr_max": ("heart_rate", "bpm", "max"),
}
_MOMENTS: Mapping[str, _Field] = {
    "heart_rate": ("heart_rate", "bpm", "instant"),
    "spo2_auto": ("spo2", "%", "instant"),
    "rmssd": ("hrv_rmssd", "ms", "rmssd"),
    "sdnn1": ("hrv_sdnn", "ms", "sdnn"),
    "core_body_temperature": ("body_temperature", "Cel", "instant"),
}
_ACTIVITIES: Mapping[int, str] = {
    1: "walking", 2: "running", 3: "hiking", 4: "skating", 6: "cycling", 7: "swimming", 8: "surfing", 12: "tennis",
    13: "table_tennis", 14: "squash", 15: "badminton", 16: "weight_lifting", 18: "elliptical", 19: "pilates",
    20: "basketball", 21: "soccer", 22: "american_football", 23: "rugby", 24: "volleyball", 25: "water_polo", 26: "horseback_riding",
    27: "golf", 28: "yoga", 29: "dancing", 30: "boxing", 31: "fencing", 32: "wrestling", 33: "martial_arts", 34: "skiing",
    35: "snowboarding", 36: "other", 187: "rowing", 191: "baseball", 192: "handball", 193: "hockey", 194: "hockey",
    195: "climbing", 196: "skating", 272: "multisport", 306: "walking", 307: "running", 308: "cycling",
}  # fmt: skip
_LARGEST_CATEGORY = 9_999
_BY_HAND = frozenset({2, 4})
DAY_TYPES: tuple[SourceType, ...] = (
    *(SourceType(f"activity {field}", *known) for field, known in {**_SUMS, **_RATES}.items()),
    *(SourceType(f"intraday {field}", *known) for field, known in {**_SUMS, **_MOMENTS}.items()),
    SourceType("workout category", "workout"),
    *(SourceType(f"workout {field}", *known) for field, known in {**_SUMS, **_RATES}.items()),
    SourceType("activity totalcalories", None, note="All energy, the resting part included."),
)


def day_rows(record: Mapping[str, Any]) -> Iterator[Row]:
    """Yield the totals and heart rates of a day.

    Args:
        record: an item of `activities`.
    """
    day: Observation = {
        **day_of(record.get("date")),
        "zone": text(record.get("timezone")),
        "device_model": device_model(record.get("model")),
    }
    yield from _fields(record, {**_SUMS, **_RATES}, day, "activity")


def intraday_rows(series: Mapping[str, Any]) -> Iterator[Row]:
    """Yield what was measured within a day.

    Args:
        series: the response's series: measurements by the second in which they begin.
    """
    for moment, value in series.items():
        measured, start = mapping(value), epoch_seconds(moment)
        if start is None or not measured:
            yield unread({moment: value}, "intraday")
            continue
        at: Observation = {"start": start, "device_model": device_model(measured.get("model"))}
        yield from _fields(measured, _MOMENTS, at, "intraday")
        duration = whole(measured.get("duration"))
        lasting: Observation = {**at, "duration_us": (duration or 0) * 1_000_000}
        yield from _fields(measured, _SUMS, lasting, "intraday")


def workout_rows(record: Mapping[str, Any]) -> Iterator[Row]:
    """Yield a workout and its totals.

    Args:
        record: an item of the series of "Measure v2 - Getworkouts".
    """
    category = whole(record["category"])
    identity = record_id(record.get("id"))
    span: Observation = {
        "start": epoch_seconds(record.get("startdate")),
        "end": epoch_seconds(record.get("enddate")),
        "zone": text(record.get("timezone")),
        "modified": epoch_seconds(record.get("modified")),
        "device_model": device_model(record.get("model")),
        "modality": "self_reported" if whole(record.get("attrib")) in _BY_HAND else "sensed",
    }
    if category is None or not 0 <= category <= _LARGEST_CATEGORY:
        yield unread(record, "workout")
        return
    yield {
        **span,
        "signal": "workout",
        "value": _ACTIVITIES.get(category, f"withings_category_{category}"),
        "value_raw": str(category),
        "source_record_id": identity,
        "path": "workout",
    }
    yield from _fields(
        mapping(record.get("data")), {**_SUMS, **_RATES}, {**span, "parent_id": identity}, "workout"
    )


def _fields(
    record: Mapping[str, Any], known: Mapping[str, _Field], common: Observation, path: str
) -> Iterator[Row]:
    for field, (signal, unit, statistic) in known.items():
        value = record.get(field)
        if value is None:
            continue
        # No heart beats zero times a minute: what was not measured comes as zero. A day without a step is one.
        if value == 0 and statistic != "sum":
            yield f"{path}/{field} without value"
            continue
        row: Observation = {**common, "signal": signal, "value": value, "unit": unit, "statistic": statistic}
        yield {**row, "path": f"{path}/{field}"}
