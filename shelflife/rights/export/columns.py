"""The columns of the export's tables, and how stored rows become them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from shelflife.rights.export.contents import Column
from shelflife.signals.sample import QualityFlag
from shelflife.signals.vocabulary import SIGNALS

if TYPE_CHECKING:
    from collections.abc import Callable

    from shelflife.lake.models import Model

SPECIAL_STREAMS = frozenset({"glucose"})
"""Streams whose values are of the class `special`; of the others they are `sensitive`."""

PROBLEM = "problem"
_UTC, _LOCAL = "UTC (ISO 8601, ends in Z)", "the person's local calendar day"
_VALUE = "value"

_SAMPLE_COLUMNS = (
    Column("signal", "text", "what was measured; see `signals` in dictionary.json"),
    Column("loinc", "text", "LOINC code of the signal, where one is established"),
    Column("value", "number", "the measured value", unit="the column `unit`", sensitivity=_VALUE),
    Column("value_code", "text", "the value where it is a word, such as a sleep stage", sensitivity=_VALUE),
    Column("comparator", "text", "< or > where the device only says that the value lies beyond its range"),
    Column("unit", "text", "unit of `value` (UCUM)"),
    Column("received_value", "text", "the value as it was received, before conversion", sensitivity=_VALUE),
    Column("received_unit", "text", "the unit as it was received"),
    Column("start_utc", "timestamp", "when it began", time_zone=_UTC),
    Column("end_utc", "timestamp", "when it ended; equal to start_utc for a single moment", time_zone=_UTC),
    Column("utc_offset_min", "integer", "minutes east of UTC where the person was", unit="min"),
    Column("iana_tz", "text", "time zone by name, where known"),
    Column(
        "tz_basis", "text", "where the offset comes from; `unknown` means that the clock time stands as UTC"
    ),
    Column(
        "local_date", "date", "the day that it belongs to; a night belongs to the morning", time_zone=_LOCAL
    ),
    Column("statistic", "text", "what the number says about its interval"),
    Column("window_s", "integer", "length of the interval that the number is computed over", unit="s"),
    Column("stage", "text", "sleep stage", sensitivity=_VALUE),
    Column("source_platform", "text", "where it came from"),
    Column("source_app", "text", "the app that recorded it"),
    Column("device_make", "text", "maker of the device"),
    Column("device_model", "text", "model of the device"),
    Column("device_software", "text", "software version of the device"),
    Column("modality", "text", "sensed by a device or entered by a person"),
    Column("source_record_id", "text", "the source's own id of the record"),
    Column("source_modified_at", "timestamp", "when the source last changed it", time_zone=_UTC),
    Column("record_path", "text", "type of the record in its source file"),
    Column("parent_id", "text", "the record that it is a part of"),
    Column(
        "quality_flags",
        "text",
        "what is odd about it, separated by spaces; see `quality_flags` in dictionary.json",
    ),
)
_PROBLEM_COLUMN = Column(PROBLEM, "text", "why the row was set aside; see `problems` in dictionary.json")
_RENAMED = {
    "value": "value_num",
    "unit": "unit_ucum",
    "received_value": "value_raw",
    "received_unit": "unit_raw",
    "device_software": "device_sw",
}
_COMPUTED: dict[str, Callable[[pa.Table], pa.ChunkedArray]] = {
    "loinc": lambda rows: _mapped(rows.column("signal"), _loinc),
    "quality_flags": lambda rows: _mapped(rows.column("quality_flags"), _flag_names),
}
_KINDS = {"text": pa.string(), "number": pa.float64(), "date": pa.date32()}


def sample_columns(stream: str) -> tuple[Column, ...]:
    """Return the columns of a stream's samples, each with its class."""
    kind = "special" if stream in SPECIAL_STREAMS else "sensitive"
    return tuple(_classed(column, kind) for column in _SAMPLE_COLUMNS)


def quarantine_columns() -> tuple[Column, ...]:
    """Return the columns of rows that were set aside; their values may be of any class, so they count as special."""
    return (_PROBLEM_COLUMN, *(_classed(column, "special") for column in _SAMPLE_COLUMNS))


def derived_columns(model: Model) -> tuple[Column, ...]:
    """Return the columns of a derived table, as its header describes them; the pseudonym stays out."""
    return tuple(
        Column(
            name,
            _kind(model.schema.field(name).type),
            described.description
            + (f". Computed as: {described.formula} ({described.source})" if described.formula else ""),
            described.unit or "",
            _time_zone(model.schema.field(name).type),
            described.sensitivity,
        )
        for name, described in model.columns.items()
        if name != "pid"
    )


def copied_columns(schema: pa.Schema, model: Model | None) -> tuple[Column, ...]:
    """Return the columns of what a copy holds of a derived table; a table that is no longer made is not described."""
    described = {column.name: column for column in derived_columns(model)} if model else {}
    return tuple(
        described.get(field.name)
        or Column(field.name, _kind(field.type), "", time_zone=_time_zone(field.type))
        for field in schema
    )


def export_rows(rows: pa.Table) -> pa.Table:
    """Return stored samples as rows of the export.

    Args:
        rows: a table of `SAMPLE_SCHEMA`, with `problem` where the rows were set aside.

    Returns:
        The columns of `sample_columns`, or of `quarantine_columns`.
    """
    columns = [*([PROBLEM] if PROBLEM in rows.schema.names else []), *(c.name for c in _SAMPLE_COLUMNS)]
    arrays = [
        _COMPUTED[name](rows) if name in _COMPUTED else rows.column(_RENAMED.get(name, name))
        for name in columns
    ]
    return pa.table(arrays, names=columns)


def _classed(column: Column, kind: str) -> Column:
    if column.sensitivity != _VALUE:
        return column
    return Column(column.name, column.kind, column.meaning, column.unit, column.time_zone, kind)


def _kind(kind: pa.DataType) -> str:
    if pa.types.is_timestamp(kind):
        return "timestamp"
    if pa.types.is_integer(kind):
        return "integer"
    return next((name for name, known in _KINDS.items() if known == kind), "text")


def _time_zone(kind: pa.DataType) -> str:
    if pa.types.is_timestamp(kind):
        return _UTC
    return _LOCAL if pa.types.is_date(kind) else ""


def _mapped(column: pa.ChunkedArray, meaning: Callable[[object], str | None]) -> pa.ChunkedArray:
    """Replace each distinct value by its meaning."""
    distinct = pc.unique(column)
    codes = pc.index_in(column, value_set=distinct)
    return pa.array([meaning(value) for value in distinct.to_pylist()], pa.string()).take(codes)


def _loinc(signal: object) -> str | None:
    known = SIGNALS.get(str(signal))
    return known.loinc if known else None


def _flag_names(flags: object) -> str | None:
    names = [flag.name or "" for flag in QualityFlag if isinstance(flags, int) and flags & flag]
    return " ".join(names) or None
