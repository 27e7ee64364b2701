"""What the adapters of vendors' API responses share: the loop over a response's records.

A record becomes any number of observations. A word in their place counts one record of that type as holding no sample.
"""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from shelflife.sources.containers import open_content, read_head
from shelflife.sources.json_stream import items, paths
from shelflife.sources.json_values import readable
from shelflife.sources.observations import Observation, Observations
from shelflife.sources.source import Parsing

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Collection, Iterator, Mapping

    import pyarrow as pa

    from shelflife.sources.source import ByteSource

Row: TypeAlias = Observation | str
"""An observation, or the type of a record that holds no sample; types are words of the format."""

_LONGEST_RAW = 4096
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
                    take(row, found, parsing)
                    yield from found.full()
        yield from found.rest()

    return Parsing(rows)


def take(row: Row, found: Observations, parsing: Parsing) -> None:
    """Add an observation, or count a record that holds no sample."""
    if isinstance(row, str):
        parsing.ignore(row)
    else:
        found.add(row)


def head_places(source: ByteSource) -> frozenset[str]:
    """Return the places that the first 64 KiB of a response reach, see `json_stream.paths`."""
    with open_content(source) as stream:
        return paths(read_head(stream))


def unread(value: object, path: str) -> Observation:
    """Return a record of a shape that no documentation has, for quarantine: as JSON, up to 4,096 characters."""
    return {"problem": "bad_record", "path": path, "value_raw": json.dumps(value, default=str)[:_LONGEST_RAW]}
