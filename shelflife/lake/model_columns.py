"""Column lineage of the models, computed from their SQL and recorded with the first derivation of each text."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

import sqlalchemy as sa

from shelflife.control.tables import derivation
from shelflife.lake.models import ATTRIBUTES_SCHEMA, STREAM_SCHEMA
from shelflife.lineage.columns import ColumnEdge, columns, record_columns
from shelflife.signals.vocabulary import STREAMS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shelflife.control.database import Transaction
    from shelflife.lake.models import Model

_ZONES_OF_MODELS = frozenset({"derived", "analytics"})
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


def model_edges(model: Model, models: Mapping[str, Model]) -> list[ColumnEdge]:
    """Return which columns each of a model's columns is made of, as its SQL says.

    Raises:
        ConfigurationError: the SQL cannot be traced.
    """
    return columns(model.sql, {name: _sql_columns(name, models) for name in model.reads})


def record_model(tx: Transaction, model: Model, models: Mapping[str, Model]) -> None:
    """Record a model's column lineage, unless this very text of it was derived before."""
    same = (derivation.c.model == model.name) & (derivation.c.model_hash == model.digest)
    if tx.conn.execute(sa.select(derivation.c.period).where(same).limit(1)).scalar() is None:
        record_columns(tx, model.name, model_edges(model, models))


class DatasetColumns(Mapping[str, Mapping[str, str]]):
    """The columns of every dataset that lineage names (`raw/heart`), with their SQL types.

    Models are read when a dataset that is no raw stream is asked for: checking their SQL takes a while, and a landing
    names none of them.

    Args:
        models: gives the models by name.
    """

    def __init__(self, models: Callable[[], Mapping[str, Model]]) -> None:
        self._models = models
        self._raw = {f"raw/{stream}": _sql_columns(stream, {}) for stream in STREAMS}

    def __getitem__(self, dataset: str) -> Mapping[str, str]:
        """Return the columns of a dataset.

        Raises:
            KeyError: it is neither a raw stream nor a model.
        """
        of_model = dataset.partition("/")[0] in _ZONES_OF_MODELS
        return self._derived[dataset] if of_model else self._raw[dataset]

    def __iter__(self) -> Iterator[str]:
        """Yield the name of every dataset."""
        return iter(self._raw | self._derived)

    def __len__(self) -> int:
        """Return how many datasets there are."""
        return len(self._raw) + len(self._derived)

    @cached_property
    def _derived(self) -> dict[str, dict[str, str]]:
        models = self._models()
        return {f"{model.zone}/{name}": _sql_columns(name, models) for name, model in models.items()}


def _sql_columns(name: str, models: Mapping[str, Model]) -> dict[str, str]:
    """Return the columns of a relation that a model reads, with their SQL types."""
    if name in models:
        schema = models[name].schema
    else:
        schema = STREAM_SCHEMA if name in STREAMS else ATTRIBUTES_SCHEMA
    return {field.name: _SQL_TYPES.get(str(field.type), "VARCHAR") for field in schema}
