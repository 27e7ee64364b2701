"""What a column is made of: the walk upstream from a model's column to the columns that devices filled.

The answer is a tree of plain values; `rendering.render_tree` prints it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import sqlalchemy as sa

from shelflife.control.tables import column_edge
from shelflife.errors import ConfigurationError
from shelflife.lineage.columns import DIRECT, ROWS
from shelflife.lineage.journey import Journey, Place, where_did
from shelflife.lineage.rendering import render_tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Feed", "Journey", "Place", "feeds", "render_tree", "where_did"]


@dataclass(frozen=True)
class Feed:
    """One column and what feeds it.

    Attributes:
        table: the table as the model's SQL names it.
        column: the column, or "*" for the table's rows as such.
        transformation: how it is used one step further down; empty at the root.
        branches: the columns that it is made of itself; none for a column of a landed stream.
    """

    table: str
    column: str
    transformation: str
    branches: tuple[Feed, ...] = ()

    @property
    def label(self) -> str:
        """The line that a terminal shows."""
        how = f"  {self.transformation}" if self.transformation else ""
        return f"{self.table}.{self.column}{how}"

    def direct(self) -> Feed:
        """Return the tree without what only decides which rows count (filters, joins, groups, windows)."""
        kept = [one.direct() for one in self.branches if one.transformation.split("+")[0] in DIRECT]
        return replace(self, branches=tuple(kept))

    def origins(self, *, direct_only: bool = False) -> set[tuple[str, str]]:
        """Return the (table, column) pairs at the ends of the tree.

        Args:
            direct_only: leave out what only decides which rows count (filters, joins, groups, windows).
        """
        return set(self._origins(direct_only=direct_only))

    def _origins(self, *, direct_only: bool) -> Iterator[tuple[str, str]]:
        followed = [
            one for one in self.branches if not direct_only or one.transformation.split("+")[0] in DIRECT
        ]
        if not self.branches:
            yield self.table, self.column
        for branch in followed:
            yield from branch._origins(direct_only=direct_only)  # noqa: SLF001 - the same class


def feeds(conn: sa.Connection, column: str) -> Feed:
    """Return the tree of columns that feed a model's column, down to the landed streams.

    Args:
        conn: a connection to the control database.
        column: `model.column`, such as `heart_daily.mean_bpm`.

    Raises:
        ConfigurationError: no such column was recorded.
    """
    model, _, name = column.lower().rpartition(".")
    edges = _edges(conn)
    if name not in edges.get(model, {}):
        raise ConfigurationError(
            "No lineage is recorded for this column.",
            remedy="Name it model.column; columns are recorded when their model is derived.",
        )
    return Feed(model, name, "", _sources(edges, model, name, frozenset()))


_Edges = dict[str, dict[str, list[tuple[str, str, str]]]]


def _edges(conn: sa.Connection) -> _Edges:
    """Return (source table, source column, transformation) of every edge by model and column."""
    edges: _Edges = defaultdict(lambda: defaultdict(list))
    query = sa.select(column_edge).order_by(column_edge.c.source_table, column_edge.c.source_column)
    for row in conn.execute(query):
        edges[row.model][row.column_name].append((row.source_table, row.source_column, row.transformation))
    return edges


def _sources(
    edges: Mapping[str, Mapping[str, list[tuple[str, str, str]]]],
    model: str,
    column: str,
    above: frozenset[str],
) -> tuple[Feed, ...]:
    """Return what feeds one column of a model; a model that reads itself is followed once."""
    if column == ROWS:
        tables = sorted({table for found in edges[model].values() for table, _, _ in found})
        found = [(table, ROWS, "IDENTITY") for table in tables]
    else:
        found = list(edges[model].get(column, ()))
    above |= {f"{model}.{column}"}
    feeding = []
    for table, source, transformation in found:
        inner = table.rpartition(".")[2]
        is_model = inner in edges and not table.startswith("raw.") and f"{inner}.{source}" not in above
        branches = _sources(edges, inner, source, above) if is_model else ()
        feeding.append(Feed(table, source, transformation, branches))
    return tuple(feeding)
