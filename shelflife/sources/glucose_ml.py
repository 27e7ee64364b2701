"""Harmonised CGM files of the Glucose-ML collection: one person a file, plus a table of who they are.

A data file has the header `timestamp,glucose_value_mg_dl`; times are wall-clock times, in the account's zone when it
is known. The collection's metadata table (`person_id,...`) holds quasi-identifiers: each row becomes a profile, none a
sample.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pyarrow.compute as pc

from shelflife.sources.containers import open_content
from shelflife.sources.delimited import Lines, header_fields, read_lines
from shelflife.sources.profile_text import sex
from shelflife.sources.rows import broken_batch, in_batches, parsed_batch, with_positions
from shelflife.sources.sensor_limits import sensor_glucose
from shelflife.sources.source import ACCOUNT, ByteSource, Parsing, ProfileFacts, SourceType
from shelflife.sources.times import iso_times
from shelflife.sources.wall_clock import in_account_zone

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    import pyarrow as pa

_HEADER = ["timestamp", "glucose_value_mg_dl"]
_CONSTANT = {
    "signal": "glucose_interstitial",
    "unit_ucum": "mg/dL",
    "unit_raw": "mg/dL",
    "statistic": "instant",
    "source_platform": "glucose_ml",
    "modality": "sensed",
    "record_path": "reading",
}


class GlucoseMl:
    """Reads the glucose readings of one person."""

    name = "glucose_ml"
    title = "Glucose-ML"
    subject_scope: Literal["file", "row"] = "file"
    types = (SourceType("glucose_value_mg_dl", "glucose_interstitial", "mg/dL", "instant"),)

    def recognises(self, head: bytes) -> bool:
        """Return whether the header is that of a glucose file."""
        return header_fields(head) == _HEADER

    def parse(self, source: ByteSource, *, now: dt.datetime, zone: str | None = None) -> Parsing:
        """Return the parse; the rows are about the file's account."""

        def rows(parsing: Parsing) -> Iterator[pa.RecordBatch]:
            with open_content(source) as stream:
                for lines in read_lines(stream, lambda header: header == _HEADER):
                    parsing.records += len(lines.positions) + len(lines.broken)
                    yield from in_batches(_readings(lines, now, zone))
                    yield from in_batches(
                        broken_batch(lines.broken, lines.broken_positions, _CONSTANT, now=now)
                    )

        return Parsing(rows)


class GlucoseMlMetadata:
    """Reads the table of people: profiles only."""

    name = "glucose_ml_metadata"
    title = "Glucose-ML metadata"
    subject_scope: Literal["file", "row"] = "row"
    types = (SourceType("metadata row", None, note="Quasi-identifiers: each row becomes a profile."),)

    def recognises(self, head: bytes) -> bool:
        """Return whether the header is that of a metadata table."""
        return _is_metadata(header_fields(head))

    def parse(
        self,
        source: ByteSource,
        *,
        now: dt.datetime,
        zone: str | None = None,  # noqa: ARG002 (a table of people has no times)
    ) -> Parsing:
        """Return the parse; `profiles` has one entry a person, there are no rows."""

        def rows(parsing: Parsing) -> Iterator[pa.RecordBatch]:
            with open_content(source) as stream:
                for lines in read_lines(stream, _is_metadata):
                    parsing.ignore("metadata", len(lines.positions))
                    parsing.profiles.extend(
                        _profile(row) for row in lines.fields.to_pylist() if row["person_id"]
                    )
                    parsing.records += len(lines.broken)
                    yield from in_batches(broken_batch(lines.broken, lines.broken_positions, {}, now=now))

        return Parsing(rows)


def _is_metadata(header: list[str]) -> bool:
    return header[:1] == ["person_id"] and {"age", "gender", "diabetes_type"}.issubset(header)


def _profile(row: dict[str, str | None]) -> ProfileFacts:
    other = {name: text for name, text in row.items() if text and name not in {"person_id", "gender"}}
    return ProfileFacts(alias_kind=ACCOUNT, alias=row["person_id"], sex=sex(row["gender"] or ""), other=other)


def _readings(lines: Lines, now: dt.datetime, zone: str | None) -> pa.RecordBatch:
    text = lines.column("glucose_value_mg_dl")
    times = in_account_zone(iso_times(lines.column("timestamp")), zone)
    glucose = sensor_glucose(text)
    columns = {
        **_CONSTANT,
        **times,
        **glucose,
        "value_raw": text,
        "problem": pc.coalesce(times["problem"], glucose["problem"]),
    }
    return with_positions(parsed_batch(len(text), columns, now=now), lines.positions)
