"""Google Fit's archive (Takeout): `All Data` and `All Sessions`, one JSON document a file.

`All Data` has the same points as the REST API in other words (`Data Points`, `fitValue`). A session is a workout, or a sleep
whose segments are stages; its aggregates of steps and distance are rows of their own. A session has no id, so its parts
point to a digest of its activity, start and end. A sleep session's `duration` includes the time awake in it.

Source: public readers of the archive; the documentation of the REST API for types and units.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from shelflife.sources import google_fit_types as fit
from shelflife.sources.containers import open_content
from shelflife.sources.google_fit_points import COMMON, point_rows
from shelflife.sources.json_documents import Opened, text_at
from shelflife.sources.json_stream import items, paths
from shelflife.sources.json_values import digest, mapping, sequence, text
from shelflife.sources.observations import Observation, Observations
from shelflife.sources.source import Parsing, SourceType

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Mapping

    import pyarrow as pa

    from shelflife.sources.source import ByteSource

_POINT = "Data Points.item"
_SOURCE = "Data Source"
_SESSION = frozenset({"fitnessActivity", "startTime", "endTime"})
_DATA = frozenset({_SOURCE, "Data Points"})
_AGGREGATES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "com.google.step_count.delta": ("step_count", "steps"),
        "com.google.distance.delta": ("distance", "m"),
    }
)
_SESSION_COMMON: Observation = {**COMMON, "source_app": "google_fit"}


class GoogleFitTakeout:
    """Reads the JSON files of a Google Fit archive."""

    name = "google_fit_takeout"
    title = "Google Fit archive (Takeout JSON)"
    subject_scope: Literal["file", "row"] = "file"
    types: tuple[SourceType, ...] = (
        *fit.TYPES,
        SourceType("All Sessions fitnessActivity", "workout"),
        SourceType(
            "All Sessions duration of a sleep", "sleep_episode", "s", "sum", "Time awake is not left out."
        ),
        SourceType("All Sessions segment of a sleep", "sleep_stage"),
        SourceType(
            "All Sessions aggregate step_count.delta", "step_count", "steps", "sum", "A whole session."
        ),
        SourceType("All Sessions aggregate distance.delta", "distance", "m", "sum", "A whole session."),
        SourceType("All Sessions other aggregates, other segments", None),
    )

    def recognises(self, head: bytes) -> bool:
        """Return whether this is a file of data points or a session."""
        found = paths(head)
        return found >= _DATA or found >= _SESSION

    def parse(self, source: ByteSource, *, now: dt.datetime, zone: str | None = None) -> Parsing:
        """Return the parse; the rows are about the file's account."""

        def rows(parsing: Parsing) -> Iterator[pa.RecordBatch]:
            with open_content(source) as raw:
                opened = Opened(raw)
                session = paths(opened.head) >= _SESSION
                stream = text_at(opened.head, [_SOURCE])
                common = _SESSION_COMMON if session else COMMON
                found = Observations(parsing, common, now=now, zone=zone)
                for _, value in items(opened, [""] if session else [_POINT]):
                    for row in _rows_of(mapping(value), stream, parsing, session=session):
                        found.add(row)
                        yield from found.full()
            yield from found.rest()

        return Parsing(rows)


def _rows_of(
    item: Mapping[str, Any], stream: str | None, parsing: Parsing, *, session: bool
) -> Iterator[Observation]:
    if not item:
        yield {"problem": "bad_record", "path": "Data Points"}
    elif session:
        yield from _session(item, parsing)
    else:
        yield from point_rows(item, stream, parsing)


def _session(item: Mapping[str, Any], parsing: Parsing) -> Iterator[Observation]:
    """Yield a session's rows: the workout and its aggregates, or the stages of a sleep."""
    when = _interval(item)
    activity = text(item.get("fitnessActivity")) or ""
    identity = digest(activity, text(item.get("startTime")), text(item.get("endTime")))
    segments = [mapping(segment) for segment in sequence(item.get("segment"))]
    if activity in fit.PASSIVE_NAMES:
        parsing.ignore("session passive")
        return
    if activity in fit.STAGE_OF_NAME:
        yield {**when, **_sleep(text(item.get("duration"))), "source_record_id": identity, "path": "session"}
        for segment in segments:
            yield {**_stage(segment), "parent_id": identity}
    else:
        yield {
            **when,
            "signal": "workout",
            "value": fit.known_activity(activity),
            "source_record_id": identity,
            "path": "session",
        }
        if segments:
            parsing.ignore("session/segment", len(segments))
    for entry in map(mapping, sequence(item.get("aggregate"))):
        known = _AGGREGATES.get(text(entry.get("metricName")) or "")
        if known is None:
            parsing.ignore("session/aggregate")
            continue
        yield {
            **when,
            "signal": known[0],
            "value": entry.get("intValue", entry.get("floatValue")),
            "unit": known[1],
            "statistic": "sum",
            "parent_id": identity,
            "path": "session/aggregate",
        }


def _sleep(duration: str | None) -> Observation:
    """Return the episode of a sleep session, whose length is written as `28800s`."""
    return {
        "signal": "sleep_episode",
        "value": None if duration is None else duration.removesuffix("s"),
        "value_raw": duration,
        "unit": "s",
        "statistic": "sum",
    }


def _stage(segment: Mapping[str, Any]) -> Observation:
    name = text(segment.get("fitnessActivity"))
    row: Observation = {
        **_interval(segment),
        "signal": "sleep_stage",
        "value": fit.STAGE_OF_NAME.get(name or ""),
        "value_raw": name,
        "path": "session/segment",
    }
    if name is not None and name not in fit.STAGE_OF_NAME:
        row["problem"] = "unknown_code"
    return row


def _interval(item: Mapping[str, Any]) -> Observation:
    return {"start": text(item.get("startTime")), "end": text(item.get("endTime"))}
