"""Fitbit activity logs, the same in the Web API and in the archive.

A log is a `workout`; its mean heart rate and its steps are rows of their own. Its distance is one too where the log names
the unit (`distanceUnit`); elsewhere the unit is the one that the request's `Accept-Language` asked for, which nobody wrote
down. Its `calories` include what the body burns at rest, so they are no active energy. The name of an activity may be one
that the person made up, so only known names become a code.

Source: Fitbit Web API, Get Daily Activity Summary and Get Activity Log List.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from shelflife.signals.sample import QualityFlag
from shelflife.sources.activity_names import activity_code
from shelflife.sources.json_values import record_id, text, whole
from shelflife.sources.source import SourceType

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from shelflife.sources.observations import Observation
    from shelflife.sources.source import Parsing

TYPES: tuple[SourceType, ...] = (
    SourceType("activities", "workout", note="`other` for names that are not common ones."),
    SourceType("activities averageHeartRate", "heart_rate", "bpm", "mean", "Over the whole activity."),
    SourceType("activities steps", "step_count", "steps", "sum", "Over the whole activity."),
    SourceType(
        "activities distance",
        "distance",
        "Kilometer or Mile",
        "sum",
        "Only with `distanceUnit`, else counted.",
    ),
    SourceType("activities calories", None, "kcal", "sum", "Energy at rest is included: no active energy."),
)

_CODES: Mapping[str, str] = MappingProxyType(
    {
        "run": "running",
        "outdoor run": "running",
        "treadmill": "treadmill_running",
        "walk": "walking",
        "outdoor walk": "walking",
        "bike": "cycling",
        "outdoor bike": "cycling",
        "mountain bike": "cycling",
        "swim": "swimming",
        "hike": "hiking",
        "weights": "strength_training",
        "aerobic workout": "aerobics",
        "stairclimber": "stair_climbing",
        "workout": "training",
        "circuit training": "cross_training",
        "interval workout": "high_intensity_interval_training",
    }
)
_UNITS: Mapping[str, str] = MappingProxyType({"Kilometer": "km", "Mile": "mi"})
_SENSED = frozenset({"auto_detected", "tracker", "mobile_run", "fitstar"})


def workout_rows(log: Mapping[str, Any], parsing: Parsing) -> Iterator[Observation]:
    """Yield the rows of one activity log: the workout and the parts of it that have a signal; count other parts."""
    when = _when(log)
    identity = record_id(log.get("logId"))
    name = text(log.get("activityParentName")) or text(log.get("activityName")) or text(log.get("name"))
    yield {
        **when,
        "signal": "workout",
        "value": None if name is None else _CODES.get(name.lower()) or activity_code(name),
        "source_record_id": identity,
        "path": "activities",
    }
    part: Observation = {**when, "parent_id": identity}
    if log.get("averageHeartRate") is not None:
        yield {
            **part,
            "signal": "heart_rate",
            "value": log["averageHeartRate"],
            "unit": "bpm",
            "statistic": "mean",
            "path": "activities/averageHeartRate",
        }
    if log.get("steps") is not None:
        yield {
            **part,
            "signal": "step_count",
            "value": log["steps"],
            "unit": "steps",
            "statistic": "sum",
            "path": "activities/steps",
        }
    if log.get("distance") is not None and _unit(log) is not None:
        yield {
            **part,
            "signal": "distance",
            "value": log["distance"],
            "unit": _unit(log),
            "statistic": "sum",
            "path": "activities/distance",
        }
    if log.get("calories") is not None:
        parsing.ignore("activities/calories")
    if log.get("distance") is not None and _unit(log) is None:
        parsing.ignore("activities/distance")


def _unit(log: Mapping[str, Any]) -> str | None:
    return _UNITS.get(text(log.get("distanceUnit")) or "")


def _when(log: Mapping[str, Any]) -> Observation:
    """Return times and provenance; a log whose start the person did not give has one that is made up."""
    start, day = text(log.get("startTime")), text(log.get("startDate"))
    milliseconds = whole(log.get("duration"))
    found: Observation = {
        "start": f"{day}T{start}" if day is not None and start is not None else start,
        "duration_us": None if milliseconds is None else milliseconds * 1000,
        "modified": text(log.get("lastModified")),
    }
    if log.get("hasStartTime") is False:
        found["flags"] = int(QualityFlag.LOW_CONFIDENCE)
    kind = text(log.get("logType"))
    if kind is not None:
        found["modality"] = "sensed" if kind in _SENSED else "self_reported" if kind == "manual" else None
    return found
