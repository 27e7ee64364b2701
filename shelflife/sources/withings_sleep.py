"""Nights of the Withings API as rows: states of the sleep with what was measured in them, and summaries.

Source: Withings API reference, "Sleep v2 - Get" and "Sleep v2 - Getsummary".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shelflife.sources.json_times import epoch_seconds
from shelflife.sources.json_values import mapping, record_id, text, whole
from shelflife.sources.source import SourceType
from shelflife.sources.vendor_json import unread
from shelflife.sources.withings_models import device_model

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from shelflife.sources.observations import Observation
    from shelflife.sources.vendor_json import Row

_STAGE_OF_STATE: Mapping[int, str] = {0: "awake", 1: "light", 2: "deep", 3: "rem"}
"""The documented states; others go to quarantine."""
_SERIES: Mapping[str, tuple[str, str, str]] = {
    "hr": ("heart_rate", "bpm", "instant"),
    "rr": ("respiratory_rate", "breaths/min", "instant"),
    "sdnn_1": ("hrv_sdnn", "ms", "sdnn"),
    "rmssd": ("hrv_rmssd", "ms", "rmssd"),
}
_SUMMARY: Mapping[str, tuple[str, str, str | None]] = {
    "sleep_score": ("sleep_score", "score", None),
    "hr_average": ("heart_rate", "bpm", "mean"),
    "hr_min": ("heart_rate", "bpm", "min"),
    "hr_max": ("heart_rate", "bpm", "max"),
    "rr_average": ("respiratory_rate", "breaths/min", "mean"),
    "rr_min": ("respiratory_rate", "breaths/min", "min"),
    "rr_max": ("respiratory_rate", "breaths/min", "max"),
}
_PHASES = ("lightsleepduration", "deepsleepduration", "remsleepduration")
_MINUTE_S = 60
SLEEP_TYPES: tuple[SourceType, ...] = (
    SourceType("sleep series state", "sleep_stage", note="0 awake, 1 light, 2 deep, 3 REM."),
    *(
        SourceType(f"sleep series {field}", signal, unit, statistic)
        for field, (signal, unit, statistic) in _SERIES.items()
    ),
    SourceType(
        "sleep summary total_sleep_time",
        "sleep_episode",
        "s",
        "sum",
        "Else the sum of its phases, else `asleepduration`.",
    ),
    *(
        SourceType(f"sleep summary {field}", signal, unit, statistic)
        for field, (signal, unit, statistic) in _SUMMARY.items()
    ),
    SourceType("sleep summary sleep_efficiency", None, note="A ratio that follows from the episode."),
)


def state_rows(record: Mapping[str, Any]) -> Iterator[Row]:
    """Yield a state of the sleep as a stage, and what was measured while it lasted.

    Args:
        record: an item of the series of "Sleep v2 - Get".
    """
    model = device_model(record.get("model"))
    state = whole(record["state"])
    stage = None if state is None else _STAGE_OF_STATE.get(state)
    row: Observation = {
        "signal": "sleep_stage",
        "value": stage,
        "value_raw": None if state is None else str(state),
        "start": epoch_seconds(record.get("startdate")),
        "end": epoch_seconds(record.get("enddate")),
        "device_model": model,
        "path": "sleep/state",
    }
    if row["end"] is None:
        row["problem"] = "no_time"
    elif stage is None:
        row["problem"] = "unknown_code"
    yield row
    for field, (signal, unit, statistic) in _SERIES.items():
        for moment, value in mapping(record.get(field)).items():
            if not value:
                yield f"sleep/{field} without value"
                continue
            measured: Observation = {"signal": signal, "value": value, "unit": unit, "statistic": statistic}
            yield {
                **measured,
                "start": epoch_seconds(moment),
                "window_s": _MINUTE_S if field == "sdnn_1" else None,
                "device_model": model,
                "path": f"sleep/{field}",
            }


def summary_rows(record: Mapping[str, Any]) -> Iterator[Row]:
    """Yield the episode of a night, its score, and its averages.

    Args:
        record: an item of the series of "Sleep v2 - Getsummary".
    """
    identity, data = record_id(record.get("id")), mapping(record["data"])
    span: Observation = {
        "start": epoch_seconds(record["startdate"]),
        "end": epoch_seconds(record.get("enddate")),
        "zone": text(record.get("timezone")),
        "modified": epoch_seconds(record.get("modified")),
        "device_model": device_model(record.get("model")),
    }
    if span["end"] is None:
        yield unread(record, "sleep summary")
        return
    yield {
        **span,
        "signal": "sleep_episode",
        "value": _asleep(data),
        "unit": "s",
        "statistic": "sum",
        "source_record_id": identity,
        "path": "sleep",
    }
    for field, (signal, unit, statistic) in _SUMMARY.items():
        if not data.get(field):
            # The service gives only the fields that were asked for; zero is a night that it could not score.
            if field in data:
                yield f"sleep/{field} without value"
            continue
        row: Observation = {
            **span,
            "signal": signal,
            "value": data[field],
            "unit": unit,
            "statistic": statistic,
        }
        yield {**row, "parent_id": identity, "path": f"sleep/{field}"}


def _asleep(data: Mapping[str, Any]) -> int | None:
    total = whole(data.get("total_sleep_time"))
    if total is not None:
        return total
    phases = [whole(data.get(name)) for name in _PHASES]
    if None not in phases:
        return sum(phase or 0 for phase in phases)
    return whole(data.get("asleepduration"))
