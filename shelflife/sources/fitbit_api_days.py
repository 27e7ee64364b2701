"""What the Fitbit Web API says a day or a minute at a time: HRV, SpO2, breathing, temperature, cardio score and weight.

Daily values belong to the main sleep that ended on the day; its start and end are not in the document, so their interval is
the local day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shelflife.sources.json_values import day_of, mapping, record_id, sequence, text
from shelflife.sources.source import SourceType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from shelflife.sources.observations import Observation
    from shelflife.sources.source import Parsing

TYPES: tuple[SourceType, ...] = (
    SourceType("hrv dailyRmssd", "hrv_rmssd", "ms", "rmssd", "Main sleep; the interval is the local day."),
    SourceType(
        "hrv deepRmssd", None, "ms", "rmssd", "Deep sleep only; would stand beside the whole night's."
    ),
    SourceType("hrv minutes rmssd", "hrv_rmssd", "ms", "rmssd", "Five minutes each."),
    SourceType("spo2 avg", "spo2", "%", "mean", "Main sleep; the interval is the local day."),
    SourceType("spo2 min", "spo2", "%", "min", "Main sleep; the interval is the local day."),
    SourceType("spo2 max", "spo2", "%", "max", "Main sleep; the interval is the local day."),
    SourceType("spo2 minutes", "spo2", "%", "instant", "A moving average of five minutes (vendor)."),
    SourceType("br breathingRate", "respiratory_rate", "breaths/min", "mean", "The whole main sleep."),
    SourceType("br of a sleep stage", None, "breaths/min", "mean"),
    SourceType(
        "tempSkin nightlyRelative",
        "skin_temperature_delta",
        "not given",
        None,
        "Set aside: the unit is unknown.",
    ),
    SourceType("tempCore", "body_temperature", "not given", "instant", "Set aside: the unit is unknown."),
    SourceType("cardioScore vo2Max", "vo2max", "mL/kg/min", None, "A range is set aside: it is no number."),
    SourceType("weight", "body_weight", "not given", "instant", "Set aside: the unit is in no document."),
    SourceType("fat", None, "%"),
)

NONE_MEASURED = -1
"""Breathing rate of a sleep stage that the night did not have."""
_FIVE_MINUTES = 300
_STAGES_OF_BREATHING = ("deepSleepSummary", "remSleepSummary", "lightSleepSummary")


def day_rows(kind: str, item: Mapping[str, Any], parsing: Parsing) -> Iterator[Observation]:
    """Yield the rows of one entry.

    Args:
        kind: the list that it stands in (`hrv`, `br`, ...), or `spo2`.
        item: the entry.
        parsing: counts the parts that hold no signal, and an entry without any value.
    """
    before, rows = parsing.records, 0
    for row in _READERS[kind](item, parsing):
        rows += 1
        yield row
    if item and not rows and parsing.records == before:
        parsing.ignore(f"{kind} without values")


def _hrv(item: Mapping[str, Any], parsing: Parsing) -> Iterator[Observation]:
    value = mapping(item.get("value"))
    if "dailyRmssd" in value or "minutes" not in item:
        yield {**day_of(item.get("dateTime")), **_rmssd(value.get("dailyRmssd")), "path": "hrv"}
    if "deepRmssd" in value:
        parsing.ignore("hrv/deepRmssd")
    for entry in map(mapping, sequence(item.get("minutes"))):
        yield {
            **_rmssd(mapping(entry.get("value")).get("rmssd")),
            "start": text(entry.get("minute")),
            "duration_us": _FIVE_MINUTES * 1_000_000,
            "window_s": _FIVE_MINUTES,
            "path": "hrv/minutes",
        }


def _rmssd(value: Any) -> Observation:
    return {"signal": "hrv_rmssd", "value": value, "unit": "ms", "statistic": "rmssd"}


def _spo2(item: Mapping[str, Any], _: Parsing) -> Iterator[Observation]:
    value, day = mapping(item.get("value")), day_of(item.get("dateTime"))
    for name, statistic in (("avg", "mean"), ("min", "min"), ("max", "max")):
        if name in value:
            yield {**day, **_saturation(value[name]), "statistic": statistic, "path": "spo2"}
    for entry in map(mapping, sequence(item.get("minutes"))):
        yield {
            **_saturation(entry.get("value")),
            "start": text(entry.get("minute")),
            "statistic": "instant",
            "path": "spo2/minutes",
        }


def _saturation(value: Any) -> Observation:
    return {"signal": "spo2", "value": value, "unit": "%"}


def _breathing(item: Mapping[str, Any], parsing: Parsing) -> Iterator[Observation]:
    value = mapping(item.get("value"))
    full = value.get("breathingRate", mapping(value.get("fullSleepSummary")).get("breathingRate"))
    yield {
        **day_of(item.get("dateTime")),
        "signal": "respiratory_rate",
        "value": full,
        "unit": "breaths/min",
        "statistic": "mean",
        "path": "br",
        "problem": "missing_value" if full == NONE_MEASURED else None,
    }
    for name in _STAGES_OF_BREATHING:
        if name in value:
            parsing.ignore(f"br/{name}")


def _skin(item: Mapping[str, Any], _: Parsing) -> Iterator[Observation]:
    relative = mapping(item.get("value")).get("nightlyRelative")
    row: Observation = {"signal": "skin_temperature_delta", "value": relative, "path": "tempSkin"}
    yield {**day_of(item.get("dateTime")), **row}


def _core(item: Mapping[str, Any], _: Parsing) -> Iterator[Observation]:
    yield {
        "signal": "body_temperature",
        "value": item.get("value"),
        "start": text(item.get("dateTime")),
        "statistic": "instant",
        "modality": "self_reported",
        "path": "tempCore",
    }


def _cardio(item: Mapping[str, Any], _: Parsing) -> Iterator[Observation]:
    score = mapping(item.get("value")).get("vo2Max")
    row: Observation = {"signal": "vo2max", "value": score, "unit": "mL/kg/min", "path": "cardioScore"}
    yield {**day_of(item.get("dateTime")), **row}


def _weight(item: Mapping[str, Any], _: Parsing) -> Iterator[Observation]:
    day, clock = text(item.get("date")), text(item.get("time"))
    yield {
        "signal": "body_weight",
        "value": item.get("weight"),
        "start": None if day is None else f"{day}T{clock or '00:00:00'}",
        "statistic": "instant",
        "source_record_id": record_id(item.get("logId")),
        "path": "weight",
    }


_READERS: Mapping[str, Callable[[Mapping[str, Any], Parsing], Iterator[Observation]]] = {
    "hrv": _hrv,
    "spo2": _spo2,
    "br": _breathing,
    "tempSkin": _skin,
    "tempCore": _core,
    "cardioScore": _cardio,
    "weight": _weight,
}
