"""Fitbit's account archive (Google Takeout): its JSON files, an array of dated values each.

The vendor documents no time zone for these files, and what others found differs by file, so each kind of file has one
entry in `CLOCK_OF`: nights and days are wall-clock times of the account's zone (compared with a person's whereabouts;
the Web API documents the same), minutes and seconds are unconfirmed. Minutes of steps agreed with the same person's UTC
stamps in one published comparison; heart rates are said to be UTC by some importers and local by others. An unconfirmed time stays as it reads, whatever the account's zone.

Minute series of steps, distance, energy and others have the very same content; only the file's name says which they are
(`ByteSource.series`). Without it their values are set aside as `unknown_signal`. A resting heart rate of 0 is a day
without one, and confidence 0 of a heart rate is no confidence at all; 1 to 3 are kept as they are. The archive's unit of
distances and weights is documented nowhere, so they are set aside as `unknown_unit`.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from shelflife.signals.sample import QualityFlag
from shelflife.sources.containers import open_content
from shelflife.sources.fitbit_activities import TYPES as ACTIVITY_TYPES
from shelflife.sources.fitbit_activities import workout_rows
from shelflife.sources.fitbit_api import COMMON
from shelflife.sources.fitbit_clocks import Clock, placed_by
from shelflife.sources.fitbit_sleep import TYPES as SLEEP_TYPES
from shelflife.sources.fitbit_sleep import sleep_rows
from shelflife.sources.json_documents import Opened, text_at
from shelflife.sources.json_stream import items, paths
from shelflife.sources.json_values import day_of, mapping, record_id, text, whole
from shelflife.sources.observations import Observation, Observations
from shelflife.sources.source import Parsing, SourceType

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Mapping

    import pyarrow as pa

    from shelflife.sources.source import ByteSource

CLOCK_OF: Mapping[str, Clock] = MappingProxyType(
    {
        "heart_rate": Clock.UNCONFIRMED,
        "series": Clock.UNCONFIRMED,
        "exercise": Clock.UNCONFIRMED,
        "weight": Clock.UNCONFIRMED,
        "run_vo2_max": Clock.UNCONFIRMED,
        "resting_heart_rate": Clock.LOCAL,
        "vo2_max": Clock.LOCAL,
        "sleep": Clock.LOCAL,
        "counted": Clock.LOCAL,
    }
)
"""What the times of each kind of file are; the one place to change when it is known better."""

_UNCONFIRMED = "Time zone unconfirmed: kept as it reads."
TYPES: tuple[SourceType, ...] = (
    SourceType("heart_rate bpm", "heart_rate", "bpm", "instant", f"{_UNCONFIRMED} Confidence 0 is flagged."),
    SourceType("steps", "step_count", "steps", "sum", f"A minute each. {_UNCONFIRMED}"),
    SourceType("distance", "distance", "not given", "sum", "Set aside: the unit is documented nowhere."),
    SourceType("resting_heart_rate", "resting_heart_rate", "bpm", None, "A local day; 0 means none."),
    SourceType(
        "demographicVO2Max", "vo2max", "mL/kg/min", None, "A local day; the filtered value is counted."
    ),
    SourceType("runVO2Max", "vo2max", "mL/kg/min", "instant", _UNCONFIRMED),
    SourceType("weight", "body_weight", "not given", "instant", "Set aside: the unit is documented nowhere."),
    SourceType("calories", None, "kcal", "sum", "Energy at rest is included: no active energy."),
    SourceType("altitude, floors, active and sedentary minutes, heart-rate zones, swim lengths", None),
)
_KINDS: tuple[tuple[str, frozenset[str]], ...] = (
    ("heart_rate", frozenset({"item.dateTime", "item.value.bpm"})),
    ("resting_heart_rate", frozenset({"item.dateTime", "item.value.date", "item.value.error"})),
    ("vo2_max", frozenset({"item.dateTime", "item.value.demographicVO2Max"})),
    ("run_vo2_max", frozenset({"item.dateTime", "item.value.runVO2Max"})),
    ("counted", frozenset({"item.dateTime", "item.value.valuesInZones"})),
    ("counted", frozenset({"item.dateTime", "item.value.lapDurationSec"})),
    ("sleep", frozenset({"item.dateOfSleep", "item.startTime"})),
    ("exercise", frozenset({"item.logId", "item.activityTypeId", "item.startTime"})),
    ("weight", frozenset({"item.logId", "item.weight", "item.date"})),
    ("series", frozenset({"item.dateTime", "item.value"})),
)
_US_TIME = re.compile(r"(\d\d)/(\d\d)/(\d\d)(?: \d\d:\d\d:\d\d)?", re.ASCII)
_FORMATS = ("%m/%d/%y %H:%M:%S", "%Y-%m-%dT%H:%M:%S")
_MINUTE = 60_000_000


class FitbitTakeout:
    """Reads the JSON files of an account archive."""

    name = "fitbit_takeout"
    title = "Fitbit account archive (Takeout JSON)"
    subject_scope: Literal["file", "row"] = "file"
    types: tuple[SourceType, ...] = (*TYPES, *SLEEP_TYPES, *ACTIVITY_TYPES)

    def recognises(self, head: bytes) -> bool:
        """Return whether this is one of the archive's arrays."""
        return _kind(head) is not None

    def parse(self, source: ByteSource, *, now: dt.datetime, zone: str | None = None) -> Parsing:
        """Return the parse; the rows are about the file's account."""

        def rows(parsing: Parsing) -> Iterator[pa.RecordBatch]:
            with open_content(source) as stream:
                opened = Opened(stream)
                kind = _kind(opened.head) or "series"
                account, common = placed_by(CLOCK_OF[kind], zone)
                formats = () if kind == "sleep" else _FORMATS
                whole_common: Observation = {**COMMON, **common}
                found = Observations(parsing, whole_common, now=now, zone=account, formats=formats)
                for _, item in items(opened, ["item"]):
                    for row in _rows_of(kind, mapping(item), source.series, account, parsing):
                        found.add(row)
                        yield from found.full()
            yield from found.rest()

        return Parsing(rows)


def _kind(head: bytes) -> str | None:
    """Return the kind of a file; None when it is not the archive's."""
    found = paths(head)
    kind = next((name for name, signs in _KINDS if signs <= found), None)
    if kind in {None, "sleep", "exercise", "weight"}:
        return kind
    if kind == "series" and any(place.startswith("item.value.") for place in found):
        return None
    return kind if _US_TIME.fullmatch(text_at(head, ["item.dateTime"]) or "") else None


def _rows_of(
    kind: str, item: Mapping[str, Any], series: str, zone: str | None, parsing: Parsing
) -> Iterator[Observation]:
    """Yield the rows of one element of the array; count it where it holds none."""
    if not item:
        yield {"problem": "bad_record", "path": kind}
    elif kind == "sleep":
        yield from sleep_rows(item, zone)
    elif kind == "exercise":
        yield from workout_rows(item, parsing)
    elif kind == "counted" or (kind == "series" and series not in {"", "steps", "distance"}):
        parsing.ignore(series or "other")
    elif kind == "series":
        yield _minute(item, series)
    elif kind == "resting_heart_rate":
        yield from _resting(item, parsing)
    else:
        yield from _READERS[kind](item, parsing)


def _minute(item: Mapping[str, Any], series: str) -> Observation:
    row: Observation = {
        "value": item.get("value"),
        "start": text(item.get("dateTime")),
        "duration_us": _MINUTE,
        "window_s": 60,
        "statistic": "sum",
        "path": series or "unnamed series",
    }
    if series == "steps":
        row["signal"], row["unit"] = "step_count", "steps"
    elif series == "distance":
        row["signal"] = "distance"
    return row


def _heart_rate(item: Mapping[str, Any], _: Parsing) -> Iterator[Observation]:
    value = mapping(item.get("value"))
    yield {
        "signal": "heart_rate",
        "value": value.get("bpm"),
        "unit": "bpm",
        "start": text(item.get("dateTime")),
        "statistic": "instant",
        "flags": int(QualityFlag.LOW_CONFIDENCE) if whole(value.get("confidence")) == 0 else 0,
        "path": "heart_rate",
    }


def _resting(item: Mapping[str, Any], parsing: Parsing) -> Iterator[Observation]:
    value = mapping(item.get("value"))
    if value.get("value") is None or value["value"] == 0:
        parsing.ignore("resting_heart_rate without a value")
        return
    day = day_of(_iso_day(text(value.get("date")) or text(item.get("dateTime"))))
    yield {
        **day,
        "signal": "resting_heart_rate",
        "value": value.get("value"),
        "unit": "bpm",
        "path": "resting_heart_rate",
    }


def _vo2_max(item: Mapping[str, Any], parsing: Parsing) -> Iterator[Observation]:
    value = mapping(item.get("value"))
    for name in ("filteredDemographicVO2Max", "filteredRunVO2Max"):
        if name in value:
            parsing.ignore(f"vo2_max/{name}")
    row: Observation = {"signal": "vo2max", "unit": "mL/kg/min", "path": "vo2_max"}
    if "demographicVO2Max" in value:
        day = day_of(_iso_day(text(item.get("dateTime"))))
        yield {**row, **day, "value": value["demographicVO2Max"]}
    else:
        start = text(item.get("dateTime"))
        yield {**row, "value": value.get("runVO2Max"), "start": start, "statistic": "instant"}


def _weight(item: Mapping[str, Any], _: Parsing) -> Iterator[Observation]:
    yield {
        "signal": "body_weight",
        "value": item.get("weight"),
        "start": f"{text(item.get('date'))} {text(item.get('time')) or '00:00:00'}",
        "statistic": "instant",
        "source_record_id": record_id(item.get("logId")),
        "path": "weight",
    }


def _iso_day(us_time: str | None) -> str | None:
    """Return the day of `MM/DD/YY HH:MM:SS`; the vendor sold its first tracker in 2009, so years begin with 20."""
    match = _US_TIME.fullmatch(us_time or "")
    return f"20{match[3]}-{match[1]}-{match[2]}" if match else us_time


_READERS = {"heart_rate": _heart_rate, "vo2_max": _vo2_max, "run_vo2_max": _vo2_max, "weight": _weight}
