"""Fitbit sleep logs, the same in the Web API (version 1 and 1.2) and in the archive.

A log is a `sleep_episode` whose value is `minutesAsleep`, with the vendor's `efficiency` as a `sleep_score` and its levels
as stages. `duration` is in milliseconds, the length of a level in seconds. `shortData` holds wakes of up to three minutes
that overlay the levels of `levels.data`: both are kept, and of records that overlap the derived night counts the wake. Fitbit
counts restless minutes of a classic log as awake (`minutesAwake`), and so do the stages here. `dateOfSleep` is the day of
waking up, which is what the local date of an episode is.

Source: Fitbit Web API, Get Sleep Log by Date and Sleep Logs Version 1. That all times of a night have the offset that holds
at its start, even when the clocks change in it, is what an importer saw in real nights (fitbit-googlefit, pull request 86).
"""

from __future__ import annotations

import datetime as dt
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from shelflife.signals.sample import QualityFlag
from shelflife.sources.json_values import mapping, record_id, sequence, text, whole
from shelflife.sources.source import SourceType
from shelflife.sources.times import iso_times
from shelflife.sources.zones import is_zone, place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from shelflife.sources.observations import Observation

STAGE_OF_LEVEL: Mapping[str, str] = MappingProxyType(
    {
        "asleep": "asleep_unspecified",
        "restless": "awake",
        "awake": "awake",
        "wake": "awake",
        "light": "light",
        "deep": "deep",
        "rem": "rem",
    }
)
"""Stage of each level of classic logs (the first three) and of logs with stages."""

STAGE_OF_MINUTE: Mapping[str, str] = MappingProxyType({"1": "asleep_unspecified", "2": "awake", "3": "awake"})
"""Stage of each value of `minuteData`: asleep, restless, awake."""

TYPES: tuple[SourceType, ...] = (
    SourceType("sleep minutesAsleep", "sleep_episode", "min", "sum", "The interval is the time in bed."),
    SourceType(
        "sleep efficiency",
        "sleep_score",
        "score",
        None,
        "A vendor's score, not the ratio of the derived night.",
    ),
    SourceType("sleep levels.data", "sleep_stage", note="Restless counts as awake, as in `minutesAwake`."),
    SourceType("sleep levels.shortData", "sleep_stage", note="Short wakes that overlay the other levels."),
    SourceType("sleep minutes 1, 2, 3", "sleep_stage", note="`minuteData` of version 1, a minute each."),
)

_MANUAL = "manual"


def sleep_rows(log: Mapping[str, Any], zone: str | None) -> Iterator[Observation]:
    """Yield the rows of one sleep log: the episode, its score, and its stages.

    Args:
        log: the log as received.
        zone: the account's IANA zone, None when it is not known.
    """
    night = _night(log, zone)
    identity = record_id(log.get("logId"))
    part: Observation = {**night, "parent_id": identity}
    length = _length(log)
    yield {**night, **length, **_value("minutesAsleep", log), "source_record_id": identity}
    if log.get("efficiency") is not None:
        yield {
            **part,
            **length,
            "signal": "sleep_score",
            "value": log["efficiency"],
            "unit": "score",
            "path": "sleep/efficiency",
        }
    levels = mapping(log.get("levels"))
    for name in ("data", "shortData"):
        for entry in sequence(levels.get(name)):
            yield {**part, **_level(mapping(entry)), "path": f"sleep/levels/{name}"}
    for minute in _minutes(text(log.get("startTime")), sequence(log.get("minuteData"))):
        yield {**part, **minute, "path": "sleep/minuteData"}


def _value(name: str, log: Mapping[str, Any]) -> Observation:
    return {
        "signal": "sleep_episode",
        "value": log.get(name),
        "unit": "min",
        "statistic": "sum",
        "path": "sleep",
    }


def _night(log: Mapping[str, Any], zone: str | None) -> Observation:
    """Return what all rows of a log share: its start, and the offset that holds there when the zone is known."""
    start = text(log.get("startTime"))
    found: Observation = {"start": start}
    if log.get("logType") == _MANUAL:
        found["modality"] = "self_reported"
    if start is None or zone is None or not is_zone(zone):
        return found
    read = iso_times(pa.array([start]))
    if read.problem[0].is_valid or read.offset_min[0].is_valid:
        return found
    placed = place(zone, read.utc)
    found["offset_min"] = placed.offset_min[0].as_py()
    found["zone"], found["tz_basis"] = zone, "account"
    if placed.doubtful[0].as_py():
        found["flags"] = int(QualityFlag.LOCAL_TIME_DOUBTFUL)
    return found


def _length(log: Mapping[str, Any]) -> Observation:
    """Return the length of the night; `endTime` is rounded to half a minute, so `duration` goes before it."""
    milliseconds = whole(log.get("duration"))
    if milliseconds is not None:
        return {"duration_us": milliseconds * 1000}
    return {"end": text(log.get("endTime"))}


def _level(entry: Mapping[str, Any]) -> Observation:
    level, seconds = text(entry.get("level")), whole(entry.get("seconds"))
    row: Observation = {
        "signal": "sleep_stage",
        "value": STAGE_OF_LEVEL.get(level or "", level),
        "value_raw": level,
        "start": text(entry.get("dateTime")),
        "duration_us": None if seconds is None else seconds * 1_000_000,
    }
    if level is not None and level not in STAGE_OF_LEVEL:
        row["problem"] = "unknown_code"
    elif seconds is None:
        row["problem"] = "missing_value"
    return row


def _minutes(start: str | None, entries: list[Any]) -> Iterator[Observation]:
    """Yield a row a minute; the entries say the time of day only, and the day changes where it falls back."""
    try:
        first = dt.datetime.fromisoformat(start or "").replace(tzinfo=None)
    except ValueError:
        first = None
    day, previous = dt.timedelta(), ""
    for entry in map(mapping, entries):
        clock, code = text(entry.get("dateTime")) or "", str(entry.get("value"))
        if clock < previous:
            day += dt.timedelta(days=1)
        previous = clock
        known = first is not None and day.days < 2
        yield {
            "signal": "sleep_stage",
            "value": STAGE_OF_MINUTE.get(code),
            "value_raw": code,
            "start": f"{first.date() + day}T{clock}" if first is not None and known else None,
            "duration_us": 60_000_000,
            "problem": None if code in STAGE_OF_MINUTE else "unknown_code",
        }
