"""What the words of the vocabulary mean to somebody who has never seen it."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

STREAM_LABELS: Mapping[str, str] = MappingProxyType(
    {
        "heart": "Heart",
        "sleep": "Sleep",
        "glucose": "Glucose",
        "activity": "Activity",
        "body": "Body",
        "respiration": "Breathing",
    }
)

SIGNAL_LABELS: Mapping[str, str] = MappingProxyType(
    {
        "heart_rate": "Heart rate",
        "resting_heart_rate": "Resting heart rate",
        "rr_interval": "Time between heartbeats (RR interval)",
        "hrv_sdnn": "Heart rate variability (SDNN)",
        "hrv_rmssd": "Heart rate variability (RMSSD)",
        "sleep_stage": "Sleep stages",
        "sleep_episode": "Time asleep",
        "sleep_score": "Sleep score of the device's maker",
        "glucose_interstitial": "Glucose, continuous sensor",
        "glucose_capillary": "Glucose, finger stick",
        "step_count": "Steps",
        "distance": "Distance",
        "active_energy": "Active energy",
        "workout": "Workouts",
        "body_temperature": "Body temperature",
        "skin_temperature_delta": "Skin temperature, change from your usual",
        "body_weight": "Body weight",
        "vo2max": "VO\u2082 max (fitness estimate)",
        "spo2": "Blood oxygen (SpO\u2082)",
        "respiratory_rate": "Breathing rate",
    }
)

UNIT_LABELS: Mapping[str, str] = MappingProxyType(
    {
        "/min": "per minute",
        "ms": "ms",
        "min": "minutes",
        "mg/dL": "mg/dL",
        "{steps}": "steps",
        "{score}": "points",
        "m": "m",
        "kcal": "kcal",
        "Cel": "\u00b0C",
        "K": "\u00b0C difference",
        "kg": "kg",
        "mL/kg/min": "mL/kg/min",
        "%": "%",
    }
)

_PER_MINUTE = {"heart_rate": "beats per minute", "resting_heart_rate": "beats per minute"}

STAGE_LABELS: Mapping[str, str] = MappingProxyType(
    {
        "awake": "awake",
        "light": "light sleep",
        "deep": "deep sleep",
        "rem": "REM sleep",
        "asleep_unspecified": "asleep, stage not known",
        "in_bed": "in bed",
        "out_of_bed": "out of bed",
    }
)

FLAG_LABELS: Mapping[str, str] = MappingProxyType(
    {
        "FUTURE": "dated later than it arrived, so the device's clock was probably wrong",
        "OUT_OF_RANGE": "outside of what is plausible",
        "DUP_EXACT": "the same as another row",
        "DUP_CROSS_SOURCE": "also recorded by another source",
        "TZ_UNKNOWN": "the source gave no time zone; the clock time is shown as if it were UTC",
        "UNIT_ASSUMED": "the source gave no unit; the usual one was assumed",
        "LOW_CONFIDENCE": "the device itself was not sure of it",
        "TIME_ONLY": "the source gave a time of day and no date",
        "LOCAL_TIME_DOUBTFUL": "the clocks were changed then: the local time happened twice or not at all",
        "COUNTED_ELSEWHERE": "a summary of readings that are here themselves, or a part of a total that is here",
    }
)

BASIS_LABELS: Mapping[str, str] = MappingProxyType(
    {
        "sample": "the measurement itself says so",
        "device": "the device's setting",
        "export": "the file that the measurement came in",
        "account": "the account's setting",
        "assumed": "assumed",
        "unknown": "not known",
    }
)

STATISTIC_LABELS: Mapping[str, str] = MappingProxyType(
    {
        "instant": "a single reading",
        "mean": "mean over the interval",
        "min": "lowest in the interval",
        "max": "highest in the interval",
        "sum": "sum over the interval",
        "sdnn": "standard deviation of the intervals between beats",
        "rmssd": "root mean square of successive differences between beats",
    }
)

PROBLEM_LABELS: Mapping[str, str] = MappingProxyType(
    {
        "bad_record": "the record could not be read",
        "unknown_signal": "a kind of measurement that is not known here",
        "no_subject": "nobody was named",
        "no_time": "it had no time",
        "bad_time": "its time could not be true",
        "ambiguous_time": "its time can be read in more than one way",
        "end_before_start": "it ended before it began",
        "missing_value": "it had no value",
        "bad_number": "its value was no number",
        "unknown_unit": "its unit is not known",
        "unknown_code": "its code is not known",
        "value_conflict": "it had a number where a code belongs, or the reverse",
        "out_of_range": "its value could not be true",
    }
)
"""Why a row was set aside."""


_TABLE_WORDS = {
    "quarantined": "Rows that were set aside",
    "heart_daily": "Heart, figures by day",
    "hrv_recordings": "Heart rate variability, figures by recording",
    "sleep_nightly": "Sleep, figures by night",
    "glucose_daily": "Glucose, figures by day",
    "activity_daily": "Activity, figures by day",
}


def table_words(name: str) -> str:
    """Return what a table is called in a sentence."""
    return STREAM_LABELS.get(name) or readable(name, _TABLE_WORDS)


def unit_words(signal: str, unit: str | None) -> str:
    """Return a signal's unit in words."""
    if unit == "/min":
        return _PER_MINUTE.get(signal, "breaths per minute")
    return UNIT_LABELS.get(unit or "", unit or "")


def readable(name: str, labels: Mapping[str, str]) -> str:
    """Return the label of a word, or the word itself with spaces."""
    return labels.get(name, name.replace("_", " "))
