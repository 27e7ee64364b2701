"""Runs that have ended and were not emitted yet, with what an event about them needs: datasets, counts, columns."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import sqlalchemy as sa

from shelflife.control.tables import column_edge, estate, lineage_input, lineage_output, lineage_run
from shelflife.lineage.columns import ColumnEdge
from shelflife.lineage.record import BYTES, FAILED, RUNNING

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True)
class Written:
    """What a run wrote into one dataset: rows in all, items, and bytes when recorded."""

    rows: int
    items: int
    size: int | None


@dataclass(frozen=True)
class EndedRun:
    """One ended run in counts; datasets only by name."""

    run_id: str
    job: str
    kind: str
    started_at: dt.datetime
    ended_at: dt.datetime
    failed: bool
    facts: Mapping[str, int | bool | str]
    inputs: Mapping[str, int] = field(default_factory=dict)
    outputs: Mapping[str, Written] = field(default_factory=dict)


def ended_runs(conn: sa.Connection, most: int) -> list[EndedRun]:
    """Return the oldest runs that have ended and were not emitted, at most so many."""
    query = (
        sa.select(lineage_run)
        .where(lineage_run.c.emitted.is_(False), lineage_run.c.state != RUNNING)
        .order_by(lineage_run.c.ended_at, lineage_run.c.run_id)
        .limit(most)
    )
    rows = conn.execute(query).all()
    ids = [row.run_id for row in rows]
    inputs, outputs = _inputs(conn, ids), _outputs(conn, ids)
    runs = []
    for row in rows:
        sizes = row.facts.get(BYTES, {})
        written = {
            dataset: Written(count, items, sizes.get(dataset))
            for dataset, (count, items) in outputs[row.run_id].items()
        }
        facts = {name: fact for name, fact in row.facts.items() if name != BYTES}
        failed = row.state == FAILED
        runs.append(
            EndedRun(
                row.run_id,
                row.job,
                row.kind,
                row.started_at,
                row.ended_at,
                failed,
                facts,
                inputs[row.run_id],
                written,
            )
        )
    return runs


def mark_emitted(conn: sa.Connection, runs: Sequence[EndedRun]) -> None:
    """Remember that the events of these runs are safely written."""
    ids = [run.run_id for run in runs]
    conn.execute(lineage_run.update().where(lineage_run.c.run_id.in_(ids)).values(emitted=True))


def model_edges(conn: sa.Connection) -> dict[str, list[ColumnEdge]]:
    """Return the recorded column edges by model."""
    edges: dict[str, list[ColumnEdge]] = defaultdict(list)
    for row in conn.execute(sa.select(column_edge).order_by(*column_edge.primary_key.columns)):
        edge = ColumnEdge(row.column_name, row.source_table, row.source_column, row.transformation)
        edges[row.model].append(edge)
    return dict(edges)


def namespace(conn: sa.Connection) -> str:
    """Return the OpenLineage namespace of the estate's jobs and datasets."""
    estate_id = conn.execute(sa.select(estate.c.estate_id)).scalar()
    return f"shelflife://{estate_id}" if estate_id else "shelflife://estate"


def _inputs(conn: sa.Connection, ids: Sequence[str]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = defaultdict(dict)
    query = (
        sa.select(lineage_input.c.run_id, lineage_input.c.dataset, sa.func.count())
        .where(lineage_input.c.run_id.in_(ids))
        .group_by(lineage_input.c.run_id, lineage_input.c.dataset)
        .order_by(lineage_input.c.dataset)
    )
    for run_id, dataset, items in conn.execute(query):
        found[run_id][dataset] = items
    return found


def _outputs(conn: sa.Connection, ids: Sequence[str]) -> dict[str, dict[str, tuple[int, int]]]:
    found: dict[str, dict[str, tuple[int, int]]] = defaultdict(dict)
    query = (
        sa.select(
            lineage_output.c.run_id,
            lineage_output.c.dataset,
            sa.func.sum(lineage_output.c.rows),
            sa.func.count(),
        )
        .where(lineage_output.c.run_id.in_(ids))
        .group_by(lineage_output.c.run_id, lineage_output.c.dataset)
        .order_by(lineage_output.c.dataset)
    )
    for run_id, dataset, rows, items in conn.execute(query):
        found[run_id][dataset] = int(rows), items
    return found
