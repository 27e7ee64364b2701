"""Column lineage computed from a model's SQL: which columns of which tables each output column is made of.

Kinds follow OpenLineage's columnLineage facet 1-2-0. Direct: IDENTITY (the value as it is), TRANSFORMATION (computed
from it), AGGREGATION (over many rows). Indirect, when a column decides which rows or branches count without being in the
result: JOIN, FILTER, GROUP_BY, SORT, WINDOW, CONDITIONAL. A source that is used in several ways has its kinds joined by
"+", the direct one first. A source column "*" means the table's rows as such, as `count(*)` reads them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from shelflife.control.tables import column_edge
from shelflife.lineage.statement import read_statement
from shelflife.lineage.tracer import DIRECT, INDIRECT, ROWS, trace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shelflife.control.database import Transaction

__all__ = [
    "DIRECT",
    "INDIRECT",
    "ROWS",
    "ColumnEdge",
    "columns",
    "output_columns",
    "record_columns",
    "source_tables",
]


@dataclass(frozen=True, order=True)
class ColumnEdge:
    """One output column's dependence on one source column."""

    column: str
    source_table: str
    source_column: str
    transformation: str

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of dependence, the direct one first."""
        return tuple(self.transformation.split("+"))

    @property
    def direct(self) -> bool:
        """Whether the source's values flow into the column, rather than only deciding what counts."""
        return self.kinds[0] in DIRECT


def columns(sql: str, schema: Mapping[str, Mapping[str, str]]) -> list[ColumnEdge]:
    """Return what every output column of a SELECT is made of, one edge for each column and source column.

    Args:
        sql: one SELECT in DuckDB's dialect.
        schema: columns (name to SQL type) of every table that may be read, by the name that SQL reads it under.

    Raises:
        ConfigurationError: something in the statement cannot be traced; see `statement.read_statement`.
    """
    outputs = trace(read_statement(sql, schema))
    return sorted(
        ColumnEdge(column, table, source, "+".join(_ordered(kinds)))
        for column, sources in outputs.items()
        for (table, source), kinds in sources.items()
    )


def output_columns(sql: str, schema: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Return the names of a SELECT's output columns, in order; also of those that are made of constants."""
    return list(read_statement(sql, schema).query.named_selects)


def source_tables(sql: str, schema: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Return the tables that a SELECT reads, as the schema names them; also those that no column is taken from."""
    return sorted(read_statement(sql, schema).tables.values())


def record_columns(tx: Transaction, model: str, edges: Sequence[ColumnEdge]) -> None:
    """Make these the edges of a model, in place of those recorded before."""
    tx.conn.execute(column_edge.delete().where(column_edge.c.model == model))
    rows = [
        {
            "model": model,
            "column_name": edge.column,
            "source_table": edge.source_table,
            "source_column": edge.source_column,
            "transformation": edge.transformation,
        }
        for edge in edges
    ]
    if rows:
        tx.conn.execute(sa.insert(column_edge), rows)


def _ordered(kinds: set[str]) -> list[str]:
    """Return the strongest direct kind, then the indirect ones by name."""
    direct = [kind for kind in DIRECT if kind in kinds]
    return [*direct[-1:], *sorted(kinds - set(DIRECT))]
