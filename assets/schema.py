"""Column schemas and column lineage as Dagster shows them, from the sample's schema and the models' headers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from shelflife.lake.models import ATTRIBUTES_SCHEMA, STREAM_SCHEMA
from shelflife.lineage.columns import ROWS, columns
from shelflife.signals.sample import SAMPLE_SCHEMA
from shelflife.signals.vocabulary import STREAMS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shelflife.lake.models import Model

CLASS_TAG = "shelflife/class"

# Classes of a sample's columns once it is unsealed. Measurements are health data (GDPR Article 9); when and with
# what device they were taken can single a person out; the rest is vocabulary.
_SPECIAL = frozenset({"value_num", "value_code", "value_raw", "stage", "comparator"})
_ORDINARY = frozenset(
    {
        "pid",
        "signal",
        "unit_ucum",
        "unit_raw",
        "statistic",
        "window_s",
        "modality",
        "tz_basis",
        "quality_flags",
    }
)


def asset_key_of(name: str, models: Mapping[str, Model]) -> dg.AssetKey:
    """Return the asset key of a relation that a model reads: a stream, a model or the attributes."""
    if name in STREAMS:
        return dg.AssetKey(["raw", name])
    if name in models:
        return dg.AssetKey([models[name].zone, name])
    return dg.AssetKey(["identity", name])


def raw_schema() -> dg.TableSchema:
    """Return the columns of a raw stream: what a sealed block holds, and whom it is about."""
    found = [
        _column("pid", "fixed_size_binary[16]", "ordinary", "pseudonym of the raw zone, sealed as a locator")
    ]
    found += [_column(field.name, str(field.type), raw_class(field.name)) for field in SAMPLE_SCHEMA]
    return dg.TableSchema(found)


def raw_class(column: str) -> str:
    """Return the sensitivity class of a sample's column."""
    if column in _SPECIAL:
        return "special"
    return "ordinary" if column in _ORDINARY else "sensitive"


def model_schema(model: Model) -> dg.TableSchema:
    """Return a model's columns with their types, classes and what the header says about them."""
    found = []
    for field in model.schema:
        column = model.columns[field.name]
        unit = f" ({column.unit})" if column.unit else ""
        found.append(_column(field.name, str(field.type), column.sensitivity, f"{column.description}{unit}"))
    return dg.TableSchema(found)


def model_lineage(model: Model, models: Mapping[str, Model]) -> dg.TableColumnLineage:
    """Return which columns each of a model's columns is computed from, as its SQL says.

    Columns whose values flow into the column; those that only decide which rows count are in the control plane's
    lineage and would draw a line from everything to everything here.

    Raises:
        ConfigurationError: the SQL cannot be traced.
    """
    deps: dict[str, list[dg.TableColumnDep]] = {}
    for edge in columns(model.sql, {name: _sql_columns(name, models) for name in model.reads}):
        if edge.direct and edge.source_column != ROWS:
            dep = dg.TableColumnDep(asset_key_of(edge.source_table, models), edge.source_column)
            deps.setdefault(edge.column, []).append(dep)
    return dg.TableColumnLineage(deps)


def _sql_columns(name: str, models: Mapping[str, Model]) -> dict[str, str]:
    """Return the columns of a relation with their SQL types."""
    if name in models:
        schema = models[name].schema
    else:
        schema = STREAM_SCHEMA if name in STREAMS else ATTRIBUTES_SCHEMA
    return {field.name: _SQL_TYPES.get(str(field.type), "VARCHAR") for field in schema}


_SQL_TYPES = {
    "binary": "BLOB",
    "bool": "BOOLEAN",
    "date32[day]": "DATE",
    "double": "DOUBLE",
    "int16": "SMALLINT",
    "int32": "INTEGER",
    "int64": "BIGINT",
    "timestamp[us, tz=UTC]": "TIMESTAMPTZ",
}


def attributes_schema() -> dg.TableSchema:
    """Return the columns of the attributes that cohorts are made with."""
    return dg.TableSchema([_column(field.name, str(field.type), "ordinary") for field in ATTRIBUTES_SCHEMA])


def _column(name: str, kind: str, sensitivity: str, description: str | None = None) -> dg.TableColumn:
    return dg.TableColumn(name, kind, description=description, tags={CLASS_TAG: sensitivity})
