"""Google Fit REST API: data sets, aggregates and sessions as JSON.

A data set names its data source and has points (none is a valid file); an aggregate has buckets of data sets; a list of
sessions has what a person or an application called a workout or a sleep. Names and descriptions of sessions are people's
own words, so they are left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from shelflife.sources import google_fit_types as fit
from shelflife.sources.containers import open_content
from shelflife.sources.google_fit_points import COMMON, origin, point_rows
from shelflife.sources.json_documents import Opened, text_at
from shelflife.sources.json_stream import items, paths
from shelflife.sources.json_values import digest, mapping, text, whole
from shelflife.sources.observations import Observation, Observations
from shelflife.sources.source import Parsing, SourceType

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Mapping

    import pyarrow as pa

    from shelflife.sources.source import ByteSource

_POINTS = ("point.item", "bucket.item.dataset.item.point.item")
_SESSION = "session.item"
_DELETED = "deletedSession.item"
_SLEEP_SESSION = 72
_SIGNS: tuple[frozenset[str], ...] = (
    frozenset({"dataSourceId", "minStartTimeNs"}),
    frozenset({"dataSourceId", "point"}),
    frozenset({"bucket.item.startTimeMillis", "bucket.item.dataset"}),
    frozenset({"session.item.startTimeMillis", "session.item.activityType"}),
    frozenset({"session", "deletedSession"}),
)


class GoogleFit:
    """Reads answers of the Google Fit REST API."""

    name = "google_fit"
    title = "Google Fit REST API (JSON)"
    subject_scope: Literal["file", "row"] = "file"
    types: tuple[SourceType, ...] = (
        *fit.TYPES,
        SourceType("session", "workout"),
        SourceType(
            "session 72", "sleep_episode", "ms", "sum", "From start to end; time awake is not left out."
        ),
    )

    def recognises(self, head: bytes) -> bool:
        """Return whether this is a data set, an aggregate or a list of sessions."""
        found = paths(head)
        return any(sign <= found for sign in _SIGNS)

    def parse(self, source: ByteSource, *, now: dt.datetime, zone: str | None = None) -> Parsing:
        """Return the parse; the rows are about the file's account."""

        def rows(parsing: Parsing) -> Iterator[pa.RecordBatch]:
            found = Observations(parsing, COMMON, now=now, zone=zone)
            with open_content(source) as raw:
                opened = Opened(raw)
                stream = text_at(opened.head, ["dataSourceId"])
                for place, value in items(opened, [*_POINTS, _SESSION, _DELETED]):
                    for row in _rows_at(place, mapping(value), stream, parsing):
                        found.add(row)
                        yield from found.full()
            yield from found.rest()

        return Parsing(rows)


def _rows_at(
    place: str, item: Mapping[str, Any], stream: str | None, parsing: Parsing
) -> Iterator[Observation]:
    if not item:
        yield {"problem": "bad_record", "path": place.removesuffix(".item")}
    elif place == _DELETED:
        parsing.ignore("deletedSession")
    elif place == _SESSION:
        yield from _session(item, parsing)
    else:
        yield from point_rows(item, stream, parsing)


def _session(item: Mapping[str, Any], parsing: Parsing) -> Iterator[Observation]:
    code = whole(item.get("activityType"))
    if code is not None and code in fit.PASSIVE:
        parsing.ignore(f"session {fit.PASSIVE[code]}")
        return
    times = {name: whole(item.get(f"{name}TimeMillis")) for name in ("start", "end", "modified")}
    package = text(mapping(item.get("application")).get("packageName"))
    known: Observation = {} if package is None else {"source_app": origin(f"::{package}:").get("source_app")}
    identity = text(item.get("id"))
    yield {
        **known,
        **(_sleep(times) if code == _SLEEP_SESSION else _workout(code)),
        "start": _micros(times["start"]),
        "end": _micros(times["end"]),
        "modified": _micros(times["modified"]),
        "source_record_id": None if identity is None else digest(identity),
        "path": "session",
    }


def _workout(code: int | None) -> Observation:
    name = None if code is None else fit.activity_name(code)
    return {"signal": "workout", "value": name, "value_raw": None if code is None else str(code)}


def _sleep(times: Mapping[str, int | None]) -> Observation:
    start, end = times["start"], times["end"]
    length = None if start is None or end is None else end - start
    return {"signal": "sleep_episode", "value": length, "unit": "ms", "statistic": "sum"}


def _micros(milliseconds: int | None) -> int | None:
    return None if milliseconds is None else milliseconds * 1000
