"""Records of the Oura API's endpoints as rows.

Times of a night carry the offset of where it was slept; `heartrate` is stored in UTC wherever that was. Days of
`daily_activity` begin at 4 in the morning, as their `timestamp` says. A lowest heart rate is the minimum of a night and
no resting heart rate. Source: Oura API V2 documentation, cloud.ouraring.com/v2/docs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shelflife.sources.activity_names import activity_code
from shelflife.sources.json_times import utc_instant
from shelflife.sources.json_values import day_of, mapping, record_id, text
from shelflife.sources.oura_sleep import SLEEP_TYPES, series, sleep_rows
from shelflife.sources.source import SourceType

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from shelflife.sources.observations import Observation
    from shelflife.sources.vendor_json import Row

_DAY_US = 86_400_000_000
_FIELDS: Mapping[str, frozenset[str]] = {
    "heartrate": frozenset({"bpm", "source", "timestamp"}),
    "sleep": frozenset({"bedtime_start", "bedtime_end", "type"}),
    "daily_activity": frozenset({"day", "steps", "active_calories"}),
    "daily_spo2": frozenset({"day", "spo2_percentage"}),
    "vo2_max": frozenset({"day", "vo2_max"}),
    "workout": frozenset({"activity", "intensity", "start_datetime"}),
    "session": frozenset({"motion_count", "start_datetime", "type"}),
    "daily_readiness": frozenset({"day", "temperature_deviation", "contributors"}),
    "daily_stress": frozenset({"day", "stress_high"}),
    "daily_resilience": frozenset({"day", "level", "contributors"}),
    "daily_cardiovascular_age": frozenset({"day", "vascular_age"}),
    "daily_sleep": frozenset({"day", "score", "contributors", "timestamp"}),
    "sleep_time": frozenset({"day", "optimal_bedtime"}),
    "rest_mode_period": frozenset({"start_day", "episodes"}),
    "enhanced_tag": frozenset({"start_time", "tag_type_code"}),
    "tag": frozenset({"day", "tags"}),
    "ring_configuration": frozenset({"hardware_type", "firmware_version"}),
}
"""Fields that tell the endpoints apart; the first one all of whose fields a record has is its own."""

NO_SIGNAL = frozenset(
    {
        "daily_stress",
        "daily_resilience",
        "daily_cardiovascular_age",
        "sleep_time",
        "rest_mode_period",
        "enhanced_tag",
        "tag",
        "ring_configuration",
    }
)
"""Endpoints whose records hold no signal of the vocabulary; tags may hold a person's words."""

TYPES: tuple[SourceType, ...] = (
    SourceType("heartrate bpm", "heart_rate", "bpm", "instant", "Times are stored in UTC."),
    *SLEEP_TYPES,
    SourceType("session heart_rate", "heart_rate", "bpm", "mean"),
    SourceType("session heart_rate_variability", "hrv_rmssd", "ms", "rmssd"),
    SourceType("daily_sleep score", "sleep_score", "score", None, "The vendor's score of the day's sleep."),
    SourceType("daily_activity steps", "step_count", "steps", "sum", "The day begins at 4 in the morning."),
    SourceType("daily_activity active_calories", "active_energy", "kcal", "sum"),
    SourceType("daily_activity met", None, note="Metabolic equivalents are no signal of the vocabulary."),
    SourceType("daily_spo2 spo2_percentage.average", "spo2", "%", "mean"),
    SourceType("vo2_max vo2_max", "vo2max", "mL/kg/min", "instant", "An estimate."),
    SourceType("daily_readiness temperature_deviation", "skin_temperature_delta", "K", "mean"),
    SourceType("workout activity", "workout"),
    SourceType("workout distance", "distance", "m", "sum"),
    SourceType("workout calories", "active_energy", "kcal", "sum"),
    SourceType("enhanced_tag, tag", None, note="May hold a person's own words."),
)


def endpoint_of(fields: Collection[str]) -> str | None:
    """Return the endpoint that a record with these fields comes from; None for none that is documented."""
    return next((name for name, needed in _FIELDS.items() if needed.issubset(fields)), None)


def _heartrate(record: Mapping[str, Any]) -> Iterator[Row]:
    yield {
        "signal": "heart_rate",
        "value": record["bpm"],
        "unit": "bpm",
        "statistic": "instant",
        "start": utc_instant(record["timestamp"]),
        "path": "heartrate/bpm",
    }


def _session(record: Mapping[str, Any]) -> Iterator[Row]:
    identity = record_id(record.get("id"))
    yield from series(record.get("heart_rate"), "heart_rate", "session/heart_rate", identity)
    variability = record.get("heart_rate_variability")
    yield from series(variability, "hrv_rmssd", "session/heart_rate_variability", identity)
    yield "session"


def _day(record: Mapping[str, Any]) -> Observation:
    """Return the interval of a day: 24 hours from its `timestamp`, else from one midnight to the next."""
    start = text(record.get("timestamp"))
    return day_of(record["day"]) if start is None else {"start": start, "duration_us": _DAY_US}


def _daily_sleep(record: Mapping[str, Any]) -> Iterator[Row]:
    yield _measured(
        {**day_of(record["day"]), "signal": "sleep_score"}, record["score"], "score", "daily_sleep/score"
    )


def _daily_activity(record: Mapping[str, Any]) -> Iterator[Row]:
    day: Observation = {**_day(record), "statistic": "sum"}
    yield _measured({**day, "signal": "step_count"}, record["steps"], "steps", "daily_activity/steps")
    energy = record["active_calories"]
    yield _measured({**day, "signal": "active_energy"}, energy, "kcal", "daily_activity/active_calories")


def _daily_spo2(record: Mapping[str, Any]) -> Iterator[Row]:
    average = mapping(record["spo2_percentage"]).get("average")
    # Oura writes zero for a night in which it measured nothing.
    if not average:
        yield "daily_spo2 without value"
        return
    day: Observation = {**day_of(record["day"]), "signal": "spo2", "statistic": "mean"}
    yield _measured(day, average, "%", "daily_spo2/average")


def _vo2_max(record: Mapping[str, Any]) -> Iterator[Row]:
    start = text(record.get("timestamp"))
    when: Observation = day_of(record["day"]) if start is None else {"start": start}
    yield _measured(
        {**when, "signal": "vo2max", "statistic": "instant"}, record["vo2_max"], "mL/kg/min", "vo2_max"
    )


def _daily_readiness(record: Mapping[str, Any]) -> Iterator[Row]:
    deviation = record["temperature_deviation"]
    if deviation is None:
        yield "daily_readiness without temperature"
        return
    day: Observation = {**day_of(record["day"]), "signal": "skin_temperature_delta", "statistic": "mean"}
    yield _measured(day, deviation, "K", "daily_readiness/temperature_deviation")


def _workout(record: Mapping[str, Any]) -> Iterator[Row]:
    identity = record_id(record.get("id"))
    span: Observation = {"start": text(record["start_datetime"]), "end": text(record.get("end_datetime"))}
    if record.get("source") == "manual":
        span["modality"] = "self_reported"
    activity = text(record["activity"]) or ""
    yield {
        **span,
        "signal": "workout",
        "value": activity_code(activity),
        "source_record_id": identity,
        "path": "workout",
    }
    part: Observation = {**span, "parent_id": identity, "statistic": "sum"}
    for field, signal, unit in (("distance", "distance", "m"), ("calories", "active_energy", "kcal")):
        if record.get(field) is not None:
            yield _measured({**part, "signal": signal}, record[field], unit, f"workout/{field}")


def _measured(row: Observation, value: Any, unit: str, path: str) -> Observation:
    return {**row, "value": value, "unit": unit, "path": path}


ENDPOINTS: Mapping[str, Callable[[Mapping[str, Any]], Iterator[Row]]] = {
    "heartrate": _heartrate,
    "sleep": sleep_rows,
    "session": _session,
    "daily_sleep": _daily_sleep,
    "daily_activity": _daily_activity,
    "daily_spo2": _daily_spo2,
    "vo2_max": _vo2_max,
    "daily_readiness": _daily_readiness,
    "workout": _workout,
}
"""What turns a record of each endpoint into rows."""
