"""What the adapters of vendors' API responses share: the loop over a response's records, and the times in them.

A record becomes any number of observations. A word in their place counts one record of that type as holding no sample.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from shelflife.sources.containers import open_content
from shelflife.sources.json_stream import items, paths
from shelflife.sources.json_values import whole
from shelflife.sources.observations import Observation, Observations
from shelflife.sources.source import HEAD_BYTES, Parsing

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    import pyarrow as pa

    from shelflife.sources.clocks import Time
    from shelflife.sources.source import ByteSource

Row: TypeAlias = Observation | str
"""An observation, or the type of a record that holds no sample; types are words of the format."""

_OFFSET = re.compile(r"([+-])(\d\d):?([0-5]\d)", re.ASCII)
_UTC = ("Z", "z", "+00:00", "+0000", "-00:00")
_SECOND = 1_000_000
_LONGEST_RAW = 4096
_LONGEST_FACT = 200
_NO_FACTS: Mapping[str, Callable[[Parsing, str], None]] = MappingProxyType({})


def api_parsing(
    source: ByteSource,
    places: Collection[str] | Callable[[ByteSource], Collection[str]],
    rows_of: Callable[[str, dict[str, Any], Parsing], Iterator[Row]],
    common: Observation,
    *,
    now: dt.datetime,
    zone: str | None,
    facts: Mapping[str, Callable[[Parsing, str], None]] = _NO_FACTS,
) -> Parsing:
    """Return the parse of a response.

    Args:
        source: the bytes.
        places: where its records stand, as `json_stream.paths` writes places; or what finds that out.
        rows_of: gives the rows of the record at a place; it may also learn about the person from it.
        common: what every observation has unless it says otherwise.
        now: what counts as the present.
        zone: the account's IANA zone.
        facts: places of single values that say something about the person, and what takes them; they are no records.
    """

    def rows(parsing: Parsing) -> Iterator[pa.RecordBatch]:
        found = Observations(parsing, common, now=now, zone=zone)
        wanted = {*(places(source) if callable(places) else places), *facts}
        with open_content(source) as stream:
            for place, value in items(stream, wanted):
                if place in facts:
                    facts[place](parsing, readable(value))
                    continue
                if not isinstance(value, dict):
                    found.add(unread(value, "record"))
                    continue
                for row in rows_of(place, value, parsing):
                    if isinstance(row, str):
                        parsing.ignore(row)
                    else:
                        found.add(row)
                    yield from found.full()
        yield from found.rest()

    return Parsing(rows)


def head_places(source: ByteSource) -> frozenset[str]:
    """Return the places that the first 64 KiB of a response reach, see `json_stream.paths`."""
    head = b""
    with open_content(source) as stream:
        while len(head) < HEAD_BYTES and (chunk := stream.read(HEAD_BYTES - len(head))):
            head += chunk
    return paths(head)


def unread(value: object, path: str) -> Observation:
    """Return a record of a shape that no documentation has, for quarantine: as JSON, up to 4,096 characters."""
    return {"problem": "bad_record", "path": path, "value_raw": json.dumps(value, default=str)[:_LONGEST_RAW]}


def readable(value: object) -> str:
    """Return a fact about a person as text of at most 200 characters; what JSON permits and text does not is replaced."""
    return str(value)[:_LONGEST_FACT].encode("utf-8", "replace").decode()


def utc_instant(value: object) -> Time:
    """Return a time whose text says UTC (`Z`) as microseconds, so that its zone can come from elsewhere.

    A vendor that stores instants writes them in UTC wherever the person was. Any other text is returned as it is.
    """
    if not isinstance(value, str):
        return None
    if not value.endswith(_UTC):
        return value
    read = moment(value)
    return value if read is None else (read - _EPOCH) // _MICROSECOND


def moment(value: object) -> dt.datetime | None:
    """Return an ISO 8601 date-time with its offset, if it has one; None for anything else."""
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        return dt.datetime.fromisoformat(value)
    except ValueError:
        return None


def later(start: dt.datetime, seconds: float) -> str:
    """Return the time so many seconds after a start, in ISO 8601 with the start's offset."""
    try:
        return (start + dt.timedelta(seconds=seconds)).isoformat()
    except OverflowError:
        return "beyond the calendar"


def offset_minutes(value: object) -> int | None:
    """Return the minutes east of UTC of `-05:00`, `+0530` or `Z`; None for anything else."""
    if not isinstance(value, str):
        return None
    if value in _UTC:
        return 0
    match = _OFFSET.fullmatch(value)
    if match is None:
        return None
    minutes = int(match[2]) * 60 + int(match[3])
    return -minutes if match[1] == "-" else minutes


def epoch_seconds(value: object) -> int | None:
    """Return the microseconds of a time in whole seconds since 1970-01-01T00:00Z; None for anything else."""
    seconds = whole(value)
    return None if seconds is None else seconds * _SECOND


_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
