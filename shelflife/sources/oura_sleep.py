"""A sleep period of the Oura API as rows: the episode, its stages, its series and its averages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shelflife.sources.json_times import later, moment
from shelflife.sources.json_values import mapping, record_id, sequence, text, whole
from shelflife.sources.source import SourceType
from shelflife.sources.vendor_json import unread

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from shelflife.sources.observations import Observation
    from shelflife.sources.vendor_json import Row

SLEEP_TYPES: tuple[SourceType, ...] = (
    SourceType("sleep total_sleep_duration", "sleep_episode", "s", "sum", "The interval is the time in bed."),
    SourceType(
        "sleep sleep_phase_5_min", "sleep_stage", note="One digit for each 5 minutes from `bedtime_start` on."
    ),
    SourceType("sleep sleep_phase_30_sec", None, note="The same stages again; the 5-minute ones are read."),
    SourceType("sleep efficiency", "sleep_score", "%"),
    SourceType("sleep heart_rate.items", "heart_rate", "bpm", "mean", "The mean of each interval, 300 s."),
    SourceType("sleep hrv.items", "hrv_rmssd", "ms", "rmssd", "Of each interval, 300 s."),
    SourceType("sleep average_heart_rate", "heart_rate", "bpm", "mean"),
    SourceType("sleep lowest_heart_rate", "heart_rate", "bpm", "min", "No resting heart rate."),
    SourceType("sleep average_hrv", "hrv_rmssd", "ms", "mean"),
    SourceType("sleep average_breath", "respiratory_rate", "breaths/min", "mean"),
)
_STAGE_OF_DIGIT = {"1": "deep", "2": "light", "3": "rem", "4": "awake"}
_BLOCK_S = 300
_UNITS = {"heart_rate": ("bpm", "mean"), "hrv_rmssd": ("ms", "rmssd")}
_AVERAGES = (
    ("average_heart_rate", "heart_rate", "bpm", "mean"),
    ("lowest_heart_rate", "heart_rate", "bpm", "min"),
    ("average_hrv", "hrv_rmssd", "ms", "mean"),
    ("average_breath", "respiratory_rate", "breaths/min", "mean"),
)
_LONGEST_INTERVAL_S = 86_400


def sleep_rows(record: Mapping[str, Any]) -> Iterator[Row]:
    """Yield the rows of one sleep period; one that the person deleted is counted, `rest` is no sleep.

    Args:
        record: an item of the `sleep` endpoint.
    """
    kind, identity = record["type"], record_id(record.get("id"))
    if kind == "deleted":
        yield "sleep/deleted"
        return
    span: Observation = {"start": text(record["bedtime_start"]), "end": text(record["bedtime_end"])}
    part: Observation = {**span, "parent_id": identity}
    if kind == "rest":
        yield "sleep/rest"
    else:
        yield {
            **span,
            "signal": "sleep_episode",
            "value": record.get("total_sleep_duration"),
            "unit": "s",
            "statistic": "sum",
            "source_record_id": identity,
            "path": "sleep",
        }
        yield from _stages(record, identity)
        if record.get("efficiency") is not None:
            yield {
                **part,
                "signal": "sleep_score",
                "value": record["efficiency"],
                "unit": "%",
                "path": "sleep/efficiency",
            }
    for field, signal, unit, statistic in _AVERAGES:
        # Zero is what Oura writes where nothing was measured.
        if record.get(field):
            row: Observation = {**part, "signal": signal, "value": record[field], "unit": unit}
            yield {**row, "statistic": statistic, "path": f"sleep/{field}"}
    yield from series(record.get("heart_rate"), "heart_rate", "sleep/heart_rate", identity)
    yield from series(record.get("hrv"), "hrv_rmssd", "sleep/hrv", identity)


def series(given: object, signal: str, path: str, parent: str | None) -> Iterator[Row]:
    """Yield the rows of a series `{"interval": s, "items": [...], "timestamp": ...}`; nulls are counted.

    Args:
        given: the series as received; None for none.
        signal: `heart_rate` (a mean of each interval) or `hrv_rmssd`.
        path: what the rows are called in their source.
        parent: id of the night or session.
    """
    if given is None:
        return
    found = mapping(given)
    interval, start = whole(found.get("interval")), moment(found.get("timestamp"))
    values = sequence(found.get("items"))
    if interval is None or not 0 < interval <= _LONGEST_INTERVAL_S or start is None:
        yield unread(given, path)
        return
    unit, statistic = _UNITS[signal]
    for number, value in enumerate(values):
        if value is None or value == 0:
            yield f"{path} without value"
            continue
        yield {
            "signal": signal,
            "value": value,
            "unit": unit,
            "statistic": statistic,
            "start": later(start, number * interval),
            "duration_us": interval * 1_000_000,
            "window_s": interval,
            "parent_id": parent,
            "path": path,
        }


def _stages(record: Mapping[str, Any], parent: str | None) -> Iterator[Row]:
    digits = record.get("sleep_phase_5_min")
    if digits is None:
        return
    start, end = moment(record["bedtime_start"]), moment(record["bedtime_end"])
    if (
        not isinstance(digits, str)
        or start is None
        or end is None
        or (start.tzinfo is None) != (end.tzinfo is None)
    ):
        yield unread(digits, "sleep/sleep_phase_5_min")
        return
    length = (end - start).total_seconds()
    for number, digit in enumerate(digits):
        begun = number * _BLOCK_S
        # The last block is cut where the person got up.
        until = min(begun + _BLOCK_S, length) if begun < length else begun + _BLOCK_S
        row: Observation = {
            "signal": "sleep_stage",
            "value": _STAGE_OF_DIGIT.get(digit),
            "value_raw": digit,
            "start": later(start, begun),
            "end": later(start, until),
            "parent_id": parent,
            "path": "sleep/sleep_phase_5_min",
        }
        yield row if digit in _STAGE_OF_DIGIT else {**row, "problem": "unknown_code"}
