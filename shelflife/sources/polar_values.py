"""Values as AccessLink writes them, and what its answers become (Polar AccessLink API v3 documentation)."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal

from shelflife.sources.source import SourceType

_DURATION = re.compile(r"PT(?:(\d{1,5})H)?(?:(\d{1,6})M)?(?:(\d{1,8})(?:\.(\d{1,9}))?S)?")
_MODEL = re.compile(r"Polar [A-Z][A-Za-z0-9 +\-]{0,30}")

TYPES: tuple[SourceType, ...] = (
    SourceType("exercise", "workout", note="Polar's name of the sport."),
    SourceType("exercise distance", "distance", "m", "sum"),
    SourceType(
        "exercise calories",
        "active_energy",
        "kcal",
        "sum",
        "As Polar counts it, the metabolic rate included.",
    ),
    SourceType("exercise heart_rate average", "heart_rate", "bpm", "mean"),
    SourceType("exercise heart_rate maximum", "heart_rate", "bpm", "max"),
    SourceType("exercise samples, type 0", "heart_rate", "bpm", "instant"),
    SourceType(
        "exercise samples, type 11",
        "rr_interval",
        "ms",
        "instant",
        "Placed by adding intervals up from the start.",
    ),
    SourceType("exercise route", None, note="Locations are dropped and counted."),
    SourceType(
        "heart_rate_samples",
        "heart_rate",
        "bpm",
        "instant",
        "Continuous heart rate, about every five minutes.",
    ),
    SourceType("sleep", "sleep_episode", "s", "sum", "Light, deep, REM and unrecognised sleep together."),
    SourceType("sleep sleep_score", "sleep_score", "score"),
    SourceType(
        "sleep hypnogram", "sleep_stage", note="0 wake, 1 REM, 2 and 3 light, 4 deep, 5 unknown (counted)."
    ),
    SourceType("sleep heart_rate_samples", "heart_rate", "bpm", "mean", "Means of five minutes."),
    SourceType(
        "recharge heart_rate_avg",
        "heart_rate",
        "bpm",
        "mean",
        "Four hours, from half an hour after falling asleep.",
    ),
    SourceType("recharge beat_to_beat_avg", "rr_interval", "ms", "mean", "Of the same four hours."),
    SourceType("recharge heart_rate_variability_avg", "hrv_rmssd", "ms", "mean", "Of the same four hours."),
    SourceType(
        "recharge breathing_rate_avg", "respiratory_rate", "breaths/min", "mean", "Of the same four hours."
    ),
    SourceType("recharge hrv_samples", "hrv_rmssd", "ms", "rmssd", "Of five minutes each."),
    SourceType(
        "recharge breathing_samples", "respiratory_rate", "breaths/min", "mean", "Of five minutes each."
    ),
    SourceType("activity steps", "step_count", "steps", "sum", "Of a local day."),
    SourceType("activity active_calories", "active_energy", "kcal", "sum", "Of a local day."),
    SourceType("activity distance_from_steps", "distance", "m", "sum", "Of a local day."),
)


def number(value: object) -> int | float | Decimal | str | None:
    """Return a measured number; None for what stands for "none": null, 0 and texts such as `null`."""
    if isinstance(value, str):
        return None if value.strip().lower() in {"", "0", "null"} else value
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None if value is None else type(value).__name__
    return None if value == 0 else value


def is_date(text: str) -> bool:
    """Return whether a text is a calendar date, year first."""
    try:
        return dt.date.fromisoformat(text).year > 1
    except ValueError:
        return False


def day_after(day: str) -> str:
    """Return the date after a date; the last one of the calendar has none."""
    date = dt.date.fromisoformat(day)
    return (date + dt.timedelta(days=min(1, (dt.date.max - date).days))).isoformat()


def day_before(day: str) -> str:
    """Return the date before a date (`is_date`)."""
    return (dt.date.fromisoformat(day) - dt.timedelta(days=1)).isoformat()


def microseconds(duration: object) -> int | None:
    """Return the length of an ISO 8601 duration of hours, minutes and seconds (`PT2H44M45.250S`)."""
    match = _DURATION.fullmatch(duration) if isinstance(duration, str) and duration != "PT" else None
    if match is None:
        return None
    hours, minutes, seconds = (int(part or 0) for part in match.groups()[:3])
    fraction = int((match[4] or "").ljust(6, "0")[:6])
    return ((hours * 60 + minutes) * 60 + seconds) * 1_000_000 + fraction


def model(device: object) -> str | None:
    """Return the model of a device that Polar names (`Polar Vantage V3`); None for any other text."""
    return device if isinstance(device, str) and _MODEL.fullmatch(device) else None
