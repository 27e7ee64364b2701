"""Withings API: the JSON response of one service a file, `{"status": 0, "body": {...}}`.

Measure groups, nights (states of the sleep, and summaries), days of activity, activity within a day, workouts and the list
of electrocardiograms. Times are seconds of UTC; zones stand beside them. Source: Withings API reference,
developer.withings.com/api-reference.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from shelflife.sources.containers import open_content
from shelflife.sources.json_stream import items, paths
from shelflife.sources.json_values import mapping, text
from shelflife.sources.vendor_json import api_parsing, head_places, unread
from shelflife.sources.withings_days import DAY_TYPES, day_rows, intraday_rows, workout_rows
from shelflife.sources.withings_measures import MEASURE_TYPES, electrocardiogram_rows, group_rows
from shelflife.sources.withings_sleep import SLEEP_TYPES, state_rows, summary_rows

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Iterator

    from shelflife.sources.observations import Observation
    from shelflife.sources.source import ByteSource, Parsing
    from shelflife.sources.vendor_json import Row

_COMMON: Observation = {"source_platform": "withings", "device_make": "Withings", "modality": "sensed"}
_GROUPS, _SERIES, _DAYS = "body.measuregrps", "body.series", "body.activities"
_ZONE = "body.timezone"


class Withings:
    """Reads a response of the Withings API."""

    name = "withings"
    title = "Withings API"
    subject_scope: Literal["file", "row"] = "file"
    types = (*MEASURE_TYPES, *SLEEP_TYPES, *DAY_TYPES)

    def recognises(self, head: bytes) -> bool:
        """Return whether this is an envelope with a status and a body of one of the services."""
        found = paths(head)
        return "status" in found and any(place in found for place in (_GROUPS, _SERIES, _DAYS))

    def parse(self, source: ByteSource, *, now: dt.datetime, zone: str | None = None) -> Parsing:
        """Return the parse; the rows are about the file's account."""
        account_zone = cache(lambda: _account_zone(source))

        def rows(place: str, record: dict[str, Any], _parsing: Parsing) -> Iterator[Row]:
            if place == f"{_GROUPS}.item":
                yield from group_rows(record, account_zone())
            elif place == f"{_DAYS}.item":
                yield from day_rows(record)
            elif place == _SERIES:
                yield from intraday_rows(record)
            else:
                yield from _series_rows(record)

        return api_parsing(source, _places, rows, _COMMON, now=now, zone=zone)


def _places(source: ByteSource) -> Collection[str]:
    """Return where records stand: activity within a day is an object by time, every other series an array."""
    found = head_places(source)
    by_time = any(place.startswith(f"{_SERIES}.") for place in found) and f"{_SERIES}.item" not in found
    return {f"{_GROUPS}.item", f"{_DAYS}.item", _SERIES if by_time else f"{_SERIES}.item"}


def _account_zone(source: ByteSource) -> str | None:
    """Return the zone of the account, which may stand behind the groups that it is about."""
    with open_content(source) as stream:
        return next((text(value) for _, value in items(stream, {_ZONE})), None)


def _series_rows(record: dict[str, Any]) -> Iterator[Row]:
    if "state" in record:
        yield from state_rows(record)
    elif "timestamp" in record:
        yield from electrocardiogram_rows(record)
    elif "category" in record:
        yield from workout_rows(record)
    elif "startdate" in record and mapping(record.get("data")):
        yield from summary_rows(record)
    else:
        yield unread(record, "series")
