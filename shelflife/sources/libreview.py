"""LibreView CSV export of FreeStyle Libre sensors, in the languages and date orders that an account can have.

A file is read twice: first for what it proves about the order of day and month (`libreview_dates`), then for its rows. When
it proves none, every row is quarantined with `ambiguous_time`. Record types 0 (automatic) and 1 (scan) are interstitial,
2 (test strip) is capillary; ketones, insulin, food and notes are counted. Names and serial numbers go to the profile.
Source: LibreView export as public readers of it describe it; FreeStyle Libre user manuals for the limits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from shelflife.signals.sample import UTC_MICROSECONDS
from shelflife.sources.containers import open_content
from shelflife.sources.delimited import Lines, read_lines
from shelflife.sources.libreview_dates import Evidence, read_clock, series, year_first
from shelflife.sources.libreview_header import AfterMetadata, columns_of, find_header
from shelflife.sources.libreview_values import RECORD_TYPES, glucose
from shelflife.sources.rows import Column, broken_batch, in_batches, parsed_batch, with_positions
from shelflife.sources.source import Parsing, SourceType
from shelflife.sources.times import Times
from shelflife.sources.wall_clock import in_account_zone

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    from shelflife.sources.libreview_dates import Order
    from shelflife.sources.libreview_header import Columns
    from shelflife.sources.source import ByteSource, ProfileFacts

_NO_TEXT = pa.scalar(None, pa.string())
_CONSTANT: dict[str, Column] = {
    "unit_ucum": "mg/dL",
    "statistic": "instant",
    "source_platform": "libreview",
    "source_app": "libreview",
    "device_make": "Abbott",
    "modality": "sensed",
}
_MODELS = ("FreeStyle Libre 3 Plus", "FreeStyle Libre 3", "FreeStyle Libre 2 Plus", "FreeStyle Libre 2",
           "FreeStyle LibreLink", "LibreLink", "FreeStyle Libre Pro", "FreeStyle Libre", "FreeStyle Precision Neo")  # fmt: skip
_GLUCOSE = pa.array(["0", "1", "2"])
_LONGEST_NAME = 200


class LibreView:
    """Reads a LibreView export."""

    name = "libreview"
    title = "LibreView"
    subject_scope: Literal["file", "row"] = "file"
    types = (
        SourceType(
            "record type 0",
            "glucose_interstitial",
            "mg/dL or mmol/L",
            "instant",
            "`LO`, `HI` get a comparator.",
        ),
        SourceType(
            "record type 1", "glucose_interstitial", "mg/dL or mmol/L", "instant", "Scanned by the person."
        ),
        SourceType("record type 2", "glucose_capillary", "mg/dL or mmol/L", "instant", "A test strip."),
        SourceType(
            "record types 3 to 6", None, note="Ketones, insulin, food, notes and changes of the clock."
        ),
    )

    def recognises(self, head: bytes) -> bool:
        """Return whether one of the first lines is LibreView's header in a known language."""
        return find_header(head) is not None

    def parse(self, source: ByteSource, *, now: dt.datetime, zone: str | None = None) -> Parsing:
        """Return the parse; the rows are about the file's account."""

        def rows(parsing: Parsing) -> Iterator[pa.RecordBatch]:
            order = _proved_order(source)
            with open_content(source) as stream:
                table = AfterMetadata(stream)
                _learn(parsing.profile, table.metadata)
                for lines in read_lines(table, _accepts):
                    columns = _columns(lines)
                    readings = _without_other_records(lines, columns, parsing)
                    parsing.records += len(readings.positions) + len(lines.broken)
                    yield from in_batches(_samples(readings, columns, order, parsing.profile, now, zone))
                    yield from in_batches(
                        broken_batch(lines.broken, lines.broken_positions, _CONSTANT, now=now)
                    )

        return Parsing(rows)


def _accepts(header: list[str]) -> bool:
    return columns_of(header) is not None


def _columns(lines: Lines) -> Columns:
    columns = columns_of(lines.fields.column_names)
    assert columns is not None  # noqa: S101 (narrows the type: `read_lines` has accepted the header)
    return columns


def _proved_order(source: ByteSource) -> Order | None:
    evidence = Evidence()
    with open_content(source) as stream:
        for lines in read_lines(AfterMetadata(stream), _accepts):
            evidence.add(lines, _columns(lines))
    return evidence.order


def _learn(profile: ProfileFacts, metadata: list[list[str]]) -> None:
    """Keep the lines above the header, which name the patient, in the profile."""
    for number, fields in enumerate(metadata, 1):
        named = [field for field in fields if field]
        if named:
            profile.other[f"export_heading_{number}"] = ", ".join(named)[:_LONGEST_NAME]


def _without_other_records(lines: Lines, columns: Columns, parsing: Parsing) -> Lines:
    """Count the records that are no glucose, and return the others."""
    kind = pc.utf8_trim_whitespace(lines.column(columns.kind))
    other = pc.is_in(kind, value_set=pa.array(list(RECORD_TYPES)))
    for entry in pc.drop_null(pc.if_else(other, kind, _NO_TEXT)).value_counts().to_pylist():
        parsing.ignore(RECORD_TYPES[entry["values"]], entry["counts"])
    keep = np.flatnonzero(~np.asarray(pc.fill_null(other, fill_value=False)))
    positions = [lines.positions[row] for row in keep.tolist()]
    return Lines(lines.fields.take(pa.array(keep)), positions, lines.broken, lines.broken_positions)


def _samples(
    lines: Lines,
    columns: Columns,
    order: Order | None,
    profile: ProfileFacts,
    now: dt.datetime,
    zone: str | None,
) -> pa.RecordBatch:
    kind = pc.utf8_trim_whitespace(lines.column(columns.kind))
    written = lines.column(columns.time)
    times = in_account_zone(_times(written, order), zone)
    value = glucose(lines, columns, kind)
    known = pc.fill_null(pc.is_in(kind, value_set=_GLUCOSE), fill_value=False)
    unread = pc.is_valid(times["problem"])
    rows = {
        **_CONSTANT,
        **times,
        **value,
        "unit_raw": columns.unit,
        "device_model": _models(lines.column(columns.device), profile),
        # What cannot be dated keeps its time as it was written, so that nothing is lost with the file.
        "value_raw": pc.if_else(
            unread,
            pc.binary_join_element_wise(written, value["value_raw"], " ", null_handling="skip"),
            value["value_raw"],
        ),
        "record_path": pc.if_else(known, pc.binary_join_element_wise("record", kind, "_"), "record"),
        "problem": pc.coalesce(
            pc.if_else(known, _NO_TEXT, "unknown_signal"), times["problem"], value["problem"]
        ),
    }
    _note_serials(lines.column(columns.serial), profile)
    return with_positions(parsed_batch(len(kind), rows, now=now), lines.positions)


def _times(written: pa.Array, order: Order | None) -> Times:
    """Read times in the order that was proved; without one, those that begin with the year only."""
    texts = series(written)
    clock = read_clock(texts, order or "day")
    either = clock.is_not_null() | read_clock(texts, "month").is_not_null()
    ambiguous = (
        either & ~year_first(texts) if order is None else pl.repeat(value=False, n=len(texts), eager=True)
    )
    blank = pc.fill_null(pc.equal(pc.utf8_trim_whitespace(written), ""), fill_value=True)
    micros = clock.set(ambiguous, None)
    problem = pc.if_else(
        blank,
        "no_time",
        pc.if_else(
            _arrow(ambiguous), "ambiguous_time", pc.if_else(_arrow(micros.is_null()), "bad_time", _NO_TEXT)
        ),
    )
    return Times(_arrow(micros).cast(UTC_MICROSECONDS), pa.nulls(len(texts), pa.int16()), problem)


def _arrow(column: pl.Series) -> pa.Array:
    array = column.to_arrow()
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _models(device: pa.Array, profile: ProfileFacts) -> pa.Array:
    """Return the device's model where its name begins with a known one; other names go to the profile."""
    encoded = device.dictionary_encode()
    models: list[str | None] = []
    for name in encoded.dictionary.to_pylist():
        model = next((known for known in _MODELS if name.lower().startswith(known.lower())), None)
        if model is None or len(model) != len(name.strip()):
            profile.note_source(name)
        models.append(model)
    return pa.array(models, pa.string()).take(encoded.indices)


def _note_serials(serial: pa.Array, profile: ProfileFacts) -> None:
    for text in serial.unique().drop_null().to_pylist():
        profile.note_source(text)
