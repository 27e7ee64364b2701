"""Column schemas and column lineage as Dagster shows them, from the sample's schema and the models' headers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from shelflife.lake.model_columns import model_edges
from shelflife.lake.models import ATTRIBUTES_SCHEMA, STREAM_SCHEMA
from shelflife.lineage.columns import ROWS
from shelflife.signals.vocabulary import STREAMS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shelflife.lake.models import Model

CLASS_TAG = "shelflife/class"

# Class and meaning of a sample's columns once it is unsealed. Measurements are health data (GDPR Article 9); when and
# with what device they were taken can single a person out; the rest is vocabulary.
_SAMPLE_COLUMNS: Mapping[str, tuple[str, str]] = {
    "pid": ("ordinary", "pseudonym of the raw zone; on disk a locator that differs in every partition"),
    "signal": ("ordinary", "what was measured, from the vocabulary"),
    "value_num": ("special", "the value in unit_ucum"),
    "value_code": ("special", "the value of a coded signal"),
    "unit_ucum": ("ordinary", "canonical UCUM unit"),
    "value_raw": ("special", "the value as received"),
    "unit_raw": ("ordinary", "the unit as received"),
    "comparator": ("special", "< or > where the device only says that the value lies beyond its range"),
    "start_utc": ("sensitive", "start of the measurement"),
    "end_utc": ("sensitive", "end of the measurement, exclusive; equal to the start for an instant"),
    "utc_offset_min": ("sensitive", "offset of the local time from UTC in minutes"),
    "iana_tz": ("sensitive", "time zone where the source names it"),
    "tz_basis": ("ordinary", "where the offset comes from"),
    "local_date": ("sensitive", "local day that the sample counts for"),
    "statistic": ("ordinary", "what the number says about its interval"),
    "window_s": ("ordinary", "length of the window of a statistic in seconds"),
    "stage": ("special", "sleep stage"),
    "parent_id": ("sensitive", "the source's record that this one is part of"),
    "source_platform": ("sensitive", "platform that sent it"),
    "source_app": ("sensitive", "app that recorded it"),
    "device_make": ("sensitive", "maker of the device"),
    "device_model": ("sensitive", "model of the device"),
    "device_sw": ("sensitive", "software of the device"),
    "modality": ("ordinary", "how it was measured"),
    "source_record_id": ("sensitive", "the source's own id of the record"),
    "source_modified_at": ("sensitive", "when the source last changed the record"),
    "record_path": ("ordinary", "type of the record in its source"),
    "quality_flags": ("ordinary", "bit set of what is odd about the sample"),
}


def asset_key_of(name: str, models: Mapping[str, Model]) -> dg.AssetKey:
    """Return the asset key of a relation that a model reads: a stream, a model or the attributes."""
    if name in STREAMS:
        return dg.AssetKey(["raw", name])
    if name in models:
        return dg.AssetKey([models[name].zone, name])
    return dg.AssetKey(["identity", name])


def raw_schema() -> dg.TableSchema:
    """Return the columns of a raw stream: what a sealed block holds, and whom it is about."""
    return dg.TableSchema(
        [_column(field.name, str(field.type), *_SAMPLE_COLUMNS[field.name]) for field in STREAM_SCHEMA]
    )


def model_schema(model: Model, lineage: dg.TableColumnLineage) -> dg.TableSchema:
    """Return a model's columns: type, class, what the header says, and where they come from.

    The sources stand in the text too, since only Dagster+ draws column lineage.
    """
    found = []
    for field in model.schema:
        column = model.columns[field.name]
        text = f"{column.description} ({column.unit})" if column.unit else column.description
        if column.formula:
            text += f"; {column.formula}"
        sources = [
            f"{dep.asset_key.path[-1]}.{dep.column_name}"
            for dep in lineage.deps_by_column.get(field.name, [])
        ]
        if sources:
            text += f". From {', '.join(sources)}"
        found.append(_column(field.name, str(field.type), column.sensitivity, text))
    return dg.TableSchema(found)


def model_lineage(model: Model, models: Mapping[str, Model]) -> dg.TableColumnLineage:
    """Return which columns each of a model's columns is computed from, as its SQL says.

    Columns whose values flow into the column; those that only decide which rows count are in the control plane's
    lineage and would draw a line from everything to everything here.

    Raises:
        ConfigurationError: the SQL cannot be traced.
    """
    deps: dict[str, list[dg.TableColumnDep]] = {}
    for edge in model_edges(model, models):
        if edge.direct and edge.source_column != ROWS:
            dep = dg.TableColumnDep(asset_key_of(edge.source_table, models), edge.source_column)
            deps.setdefault(edge.column, []).append(dep)
    return dg.TableColumnLineage(deps)


def attributes_schema() -> dg.TableSchema:
    """Return the columns of the attributes that cohorts are made with."""
    texts = {
        "pid": "pseudonym of the zone that asks",
        "age_band": "coarse age band on the day of use, or unknown",
        "sex": "female, male or unknown",
    }
    return dg.TableSchema(
        [_column(field.name, str(field.type), "ordinary", texts[field.name]) for field in ATTRIBUTES_SCHEMA]
    )


def _column(name: str, kind: str, sensitivity: str, description: str) -> dg.TableColumn:
    return dg.TableColumn(name, kind, description=description, tags={CLASS_TAG: sensitivity})
