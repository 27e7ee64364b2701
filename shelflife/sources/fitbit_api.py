"""Fitbit Web API: the JSON documents that its endpoints answer with, one a file.

Times are wall-clock times of the account's zone, which the document does not name. (A request may ask for UTC with
`timezone=UTC`; the answer does not say so, and no zone may be given for such files.) A time series of a day (`dataset`) has
times without a date; it is that of the one day in the same document, and with several days there nobody can tell. An
empty answer is a valid file. The unit of weights, distances and temperatures is the one that the request's
`Accept-Language` asked for and is in no document, so these numbers are set aside as `unknown_unit`. A resting heart rate
of 0 and a breathing rate of -1 mean that there is none. A cardio score is a range (`42-46`) unless runs with GPS made it a
number: a range is set aside as `bad_number`, since no number in it was measured.

Source: Fitbit Web API reference (Application Design, Heart Rate, Activity Time Series, Intraday, HRV, SpO2, Breathing Rate,
Temperature, Cardio Fitness Score, Body, Get Profile).
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Literal

from shelflife.sources.containers import open_content
from shelflife.sources.fitbit_activities import TYPES as ACTIVITY_TYPES
from shelflife.sources.fitbit_activities import workout_rows
from shelflife.sources.fitbit_api_days import TYPES as DAY_TYPES
from shelflife.sources.fitbit_api_days import day_rows
from shelflife.sources.fitbit_api_series import (
    COUNTED_SERIES,
    INTRADAY_PLACES,
    SERIES_PLACES,
    Series,
)
from shelflife.sources.fitbit_api_series import TYPES as SERIES_TYPES
from shelflife.sources.fitbit_profile import learn_user
from shelflife.sources.fitbit_sleep import TYPES as SLEEP_TYPES
from shelflife.sources.fitbit_sleep import sleep_rows
from shelflife.sources.json_stream import items, paths
from shelflife.sources.json_values import mapping
from shelflife.sources.observations import Observation, Observations
from shelflife.sources.source import Parsing, SourceType

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    import pyarrow as pa

    from shelflife.sources.source import ByteSource

COMMON: Observation = {"source_platform": "fitbit", "source_app": "fitbit", "device_make": "Fitbit"}
_COUNTED = ("summary", "goals", "fat.item")
_DAYS = {
    "hrv.item": "hrv",
    "br.item": "br",
    "tempSkin.item": "tempSkin",
    "tempCore.item": "tempCore",
    "cardioScore.item": "cardioScore",
    "weight.item": "weight",
    # An answer for several days is an array of what an answer for one day is.
    "item": "spo2",
}
_ONE_DAY = ("dateTime", "value", "minutes.item")
_PLACES = (
    *("activities.item", "sleep.item", "user"),
    *(*_COUNTED, *_DAYS, *_ONE_DAY, *SERIES_PLACES, *INTRADAY_PLACES, *COUNTED_SERIES),
)
_SIGNS: tuple[frozenset[str], ...] = tuple(
    frozenset(sign.split())
    for sign in (
        "sleep.item.dateOfSleep",
        "activities.item.logId activities.item.activityParentId",
        "activities.item.logId activities.item.activityTypeId",
        "activities summary.activeScore",
        "activities pagination.afterDate",
        "weight.item.logId weight.item.weight",
        "fat.item.logId fat.item.fat",
        "hrv.item.dateTime",
        "br.item.dateTime",
        "tempSkin.item.dateTime",
        "tempCore.item.dateTime",
        "cardioScore.item.dateTime",
        "dateTime value.avg",
        "dateTime minutes.item.minute",
        "item.dateTime item.value.avg",
        "item.dateTime item.minutes.item.minute",
        "user.encodedId",
    )
)
_MAY_BE_EMPTY = frozenset({"sleep", "weight", "fat", "hrv", "br", "tempSkin", "tempCore", "cardioScore"})


class FitbitApi:
    """Reads answers of the Fitbit Web API."""

    name = "fitbit_api"
    title = "Fitbit Web API (JSON)"
    subject_scope: Literal["file", "row"] = "file"
    types: tuple[SourceType, ...] = (*SERIES_TYPES, *DAY_TYPES, *SLEEP_TYPES, *ACTIVITY_TYPES)

    def recognises(self, head: bytes) -> bool:
        """Return whether this is an answer of an endpoint that is read, the empty ones included."""
        found = paths(head)
        series = any(f"activities-{name}" in found for name in (*Series.names(), *_counted_names()))
        return series or any(sign <= found for sign in _SIGNS) or _is_empty(found)

    def parse(self, source: ByteSource, *, now: dt.datetime, zone: str | None = None) -> Parsing:
        """Return the parse; the rows are about the file's account."""

        def rows(parsing: Parsing) -> Iterator[pa.RecordBatch]:
            found = Observations(parsing, COMMON, now=now, zone=zone)
            series, whole_day = Series(), dict[str, object]()
            with open_content(source) as stream:
                for place, value in items(stream, _PLACES):
                    for row in _rows_at(place, value, parsing, series, whole_day, zone):
                        found.add(row)
                        yield from found.full()
            for row in chain(series.rest(), day_rows("spo2", whole_day, parsing)):
                found.add(row)
                yield from found.full()
            yield from found.rest()

        return Parsing(rows)


def _rows_at(
    place: str,
    value: object,
    parsing: Parsing,
    series: Series,
    whole_day: dict[str, object],
    zone: str | None,
) -> Iterator[Observation]:
    """Yield the rows of the value at one place; count it where it holds none."""
    item = mapping(value)
    if place in {"dateTime", "value"}:
        whole_day[place] = value
    elif place == "minutes.item":
        yield from day_rows("spo2", {"minutes": [value]}, parsing)
    elif place == "user":
        learn_user(parsing, item)
    elif place in _COUNTED or place in COUNTED_SERIES:
        parsing.ignore(place.removesuffix(".item").removesuffix(".dataset"))
    elif not item:
        yield {"problem": "bad_record", "path": place.removesuffix(".item")}
    elif place == "sleep.item":
        yield from sleep_rows(item, zone)
    elif place == "activities.item":
        yield from workout_rows(item, parsing)
    elif place in _DAYS:
        yield from day_rows(_DAYS[place], item, parsing)
    else:
        yield from series.take(place, item, parsing)


def _counted_names() -> set[str]:
    return {place.removeprefix("activities-").removesuffix(".item") for place in COUNTED_SERIES}


def _is_empty(found: frozenset[str]) -> bool:
    """Return whether an answer has a list of its own and nothing in it."""
    top = {place for place in found if place and "." not in place}
    lists = top & _MAY_BE_EMPTY
    others = top - lists - {"summary", "pagination"}
    return len(lists) == 1 and not others and f"{next(iter(lists))}.item" not in found
