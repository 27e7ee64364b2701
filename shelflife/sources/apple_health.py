"""Apple Health: `export.xml`, plain, gzip, or inside the `export.zip` that the phone shares.

The offset in a date is that of the phone when it exported. The zone that a record names wins over it (`tz_basis`
`sample`), then the account's zone (`account`); without either the basis is `export`. The instant is right in all cases.
Children of a Correlation are also top-level records (the document type says so) and are counted, not landed; so are
record types without a signal, activity summaries, and routes, which hold locations. Heart beats become intervals
(`apple_beats`). Names of devices and sources, and the attributes of `Me`, go to the profile.
"""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Literal

import pyarrow as pa

from shelflife.sources.apple_elements import ExportReader
from shelflife.sources.apple_rows import apple_batches
from shelflife.sources.apple_types import TYPES
from shelflife.sources.containers import open_content, other_members
from shelflife.sources.profile_text import sex
from shelflife.sources.source import Parsing
from shelflife.sources.times import iso_times

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    from shelflife.sources.source import ByteSource, ProfileFacts

_BATCH_ROWS = 32_768
_STARTS = (b"<?xml", b"<!DOCTYPE HealthData", b"<HealthData")
_MEMBER_KINDS = frozenset({"gpx", "xml", "csv", "jpg", "pdf", "json"})
_ME = "HKCharacteristicTypeIdentifier"


class AppleHealth:
    """Reads an Apple Health export in bounded memory."""

    name = "apple_health"
    title = "Apple Health export"
    subject_scope: Literal["file", "row"] = "file"
    types = TYPES

    def recognises(self, head: bytes) -> bool:
        """Return whether this is the start of an export.xml."""
        text = head.removeprefix(codecs.BOM_UTF8).lstrip()
        return text.startswith(_STARTS) and b"HealthData" in text

    def parse(self, source: ByteSource, *, now: dt.datetime, zone: str | None = None) -> Parsing:
        """Return the parse; the rows are about the file's account."""

        def rows(parsing: Parsing) -> Iterator[pa.RecordBatch]:
            for suffix in other_members(source):
                parsing.ignore(f"zip/{suffix if suffix in _MEMBER_KINDS else 'other'}")
            reader = ExportReader(parsing)
            with open_content(source) as stream:
                for _ in reader.read(stream):
                    while reader.waiting >= _BATCH_ROWS:
                        yield from _take(reader, parsing, now, zone)
            if reader.waiting:
                yield from _take(reader, parsing, now, zone)
            _learn(parsing.profile, reader.me)

        return Parsing(rows)


def _take(
    reader: ExportReader, parsing: Parsing, now: dt.datetime, zone: str | None
) -> Iterator[pa.RecordBatch]:
    present = _present(reader.export_date, now)
    return apple_batches(reader.take(_BATCH_ROWS), parsing, now=present, zone=zone)


def _present(export_date: str | None, now: dt.datetime) -> dt.datetime:
    """Return the earlier of now and the export: nothing can have been measured after either."""
    exported = iso_times(pa.array([export_date], pa.string())).utc[0].as_py()
    return now if exported is None else min(now, exported)


def _learn(profile: ProfileFacts, me: dict[str, str]) -> None:
    facts = {key.removeprefix(_ME): value.strip() for key, value in me.items() if value.strip()}
    profile.birth_date = facts.pop("DateOfBirth", None)
    profile.sex = sex(facts.pop("BiologicalSex", ""))
    profile.other |= {key: value for key, value in facts.items() if not value.endswith("NotSet")}
