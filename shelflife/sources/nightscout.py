"""Nightscout entries and treatments, as its API answers and as MongoDB's export tool writes them.

The API v1 answers with an array, v3 with `{"result": [...]}`; an export of the database has one record a line.
Source: Nightscout API v1 and v3 (OpenAPI documents of cgm-remote-monitor), MongoDB Extended JSON 2.0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from shelflife.sources.containers import open_content
from shelflife.sources.json_documents import LINE, Opened, documents
from shelflife.sources.json_stream import paths
from shelflife.sources.nightscout_records import is_known, record_rows
from shelflife.sources.observations import Observations
from shelflife.sources.source import Parsing, SourceType
from shelflife.sources.vendor_json import take, unread

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Iterator

    import pyarrow as pa

    from shelflife.sources.observations import Observation
    from shelflife.sources.source import ByteSource

_COMMON: Observation = {"source_platform": "nightscout", "statistic": "instant"}
_ARRAYS = ("item", "result.item")


class Nightscout:
    """Reads entries and treatments."""

    name = "nightscout"
    title = "Nightscout"
    subject_scope: Literal["file", "row"] = "file"
    types = (
        SourceType(
            "entries sgv",
            "glucose_interstitial",
            "mg/dL",
            "instant",
            "Always mg/dL unless the record has `units`.",
        ),
        SourceType("entries mbg", "glucose_capillary", "mg/dL", "instant"),
        SourceType("entries cal", None, note="Slope and intercept of a calibration."),
        SourceType("entries sgv below 13", None, note="Error codes of Dexcom sensors."),
        SourceType("treatments glucose, Finger", "glucose_capillary", "mg/dl or mmol", "instant"),
        SourceType("treatments glucose, Sensor", "glucose_interstitial", "mg/dl or mmol", "instant"),
        SourceType(
            "treatments insulin, carbs, notes", None, note="No signal yet; notes may hold a person's words."
        ),
    )

    def recognises(self, head: bytes) -> bool:
        """Return whether the first records have the fields of entries or of treatments."""
        found = paths(head)
        return any(is_known(_fields(found, place)) for place in (*_ARRAYS, ""))

    def parse(self, source: ByteSource, *, now: dt.datetime, zone: str | None = None) -> Parsing:
        """Return the parse; the rows are about the file's account, names of devices go to `profile`."""

        def rows(parsing: Parsing) -> Iterator[pa.RecordBatch]:
            found = Observations(parsing, _COMMON, now=now, zone=zone)
            with open_content(source) as stream:
                opened = Opened(stream)
                for document in documents(opened, _places(opened.head)):
                    if document.place == LINE and document.value is None:
                        found.add({"problem": "bad_record", "path": "line", "value_raw": document.text})
                    elif not isinstance(document.value, dict):
                        found.add(unread(document.value, "record"))
                    else:
                        take(record_rows(document.value, parsing.profile), found, parsing)
                    yield from found.full()
            yield from found.rest()

        return Parsing(rows)


def _fields(found: Collection[str], place: str) -> set[str]:
    prefix = f"{place}." if place else ""
    return {name.removeprefix(prefix).partition(".")[0] for name in found if name.startswith(prefix)}


def _places(head: bytes) -> Collection[str]:
    found = paths(head)
    # A file of one line is one record by itself.
    return ("",) if is_known(_fields(found, "")) else _ARRAYS
