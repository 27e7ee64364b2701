"""OpenLineage events for ended runs: START and COMPLETE or FAIL, with facets that hold names and counts only.

This module imports `openlineage`, which is slow to import; `openlineage.py` loads it when there is something to emit.
Events are built from the client library's classes and handed to a transport directly: `OpenLineageClient` itself would
read environment variables and configuration files that can send events elsewhere, and adds facets about the host.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import attr
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (
    DatasetFacet,
    RunFacet,
    column_lineage_dataset,
    output_statistics_output_dataset,
    schema_dataset,
)

from shelflife.lineage.columns import DIRECT, ROWS

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    from shelflife.lineage.columns import ColumnEdge
    from shelflife.lineage.pending import EndedRun, Written

PRODUCER = "urn:shelflife"
STEP_FACET = "shelflife_step"
STEP_SCHEMA = "urn:shelflife:facets:1-0-0:StepRunFacet"
_LEDGER_POSITION = "ledger_position"


@attr.define
class StepRunFacet(RunFacet):
    """What a step did, as `schemas/StepRunFacet-1-0-0.json` says."""

    kind: str
    counts: dict[str, int]
    flags: dict[str, bool]
    ids: dict[str, str]
    inputItems: dict[str, int]  # noqa: N815 - a JSON name
    ledgerPosition: int | None  # noqa: N815 - a JSON name

    @staticmethod
    def _get_schema() -> str:
        return STEP_SCHEMA


@dataclass(frozen=True)
class Catalog:
    """What is known about datasets beside the runs.

    Attributes:
        namespace: of the estate's jobs and datasets.
        edges: column edges by model.
        schemas: column types by dataset, as far as the caller knows them.
    """

    namespace: str
    edges: Mapping[str, Sequence[ColumnEdge]] = field(default_factory=dict)
    schemas: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def run_events(run: EndedRun, catalog: Catalog) -> list[RunEvent]:
    """Return the two events of an ended run; repeating them changes nothing, as they carry the same run id."""
    ending = RunState.FAIL if run.failed else RunState.COMPLETE
    return [
        _event(run, catalog, RunState.START, run.started_at, outputs=False),
        _event(run, catalog, ending, run.ended_at, outputs=not run.failed),
    ]


def _event(run: EndedRun, catalog: Catalog, state: RunState, at: dt.datetime, *, outputs: bool) -> RunEvent:
    facets: dict[str, RunFacet] = {STEP_FACET: _step(run)} if state is not RunState.START else {}
    written = run.outputs if outputs else {}
    return RunEvent(
        eventType=state,
        eventTime=at.isoformat(),
        run=Run(str(uuid.UUID(hex=run.run_id)), facets=facets),
        job=Job(catalog.namespace, run.job),
        # An input's schema stands in the event of the run that wrote it; said again, it would be most of the file.
        inputs=[InputDataset(catalog.namespace, name) for name in run.inputs],
        outputs=[_output(name, how, run, catalog) for name, how in written.items()],
        producer=PRODUCER,
    )


def _step(run: EndedRun) -> StepRunFacet:
    """Return the facts of a run sorted by type; a bool is a flag although Python counts it as a number."""
    facts = {name: fact for name, fact in run.facts.items() if name != _LEDGER_POSITION}
    position = run.facts.get(_LEDGER_POSITION)
    return StepRunFacet(
        kind=run.kind,
        counts={k: fact for k, fact in facts.items() if isinstance(fact, int) and not isinstance(fact, bool)},
        flags={k: fact for k, fact in facts.items() if isinstance(fact, bool)},
        ids={k: fact for k, fact in facts.items() if isinstance(fact, str)},
        inputItems=dict(run.inputs),
        ledgerPosition=position if isinstance(position, int) else None,
        producer=PRODUCER,
    )


def _output(name: str, written: Written, run: EndedRun, catalog: Catalog) -> OutputDataset:
    statistics = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
        rowCount=written.rows, size=written.size, producer=PRODUCER
    )
    facets = _schema(name, catalog)
    if edges := _edges(name, catalog):
        facets["columnLineage"] = _column_lineage(edges, run, catalog)
    return OutputDataset(
        catalog.namespace, name, facets=facets, outputFacets={"outputStatistics": statistics}
    )


def _edges(dataset: str, catalog: Catalog) -> Sequence[ColumnEdge]:
    zone, _, model = dataset.partition("/")
    return catalog.edges.get(model, ()) if zone in {"derived", "analytics"} else ()


def _schema(dataset: str, catalog: Catalog) -> dict[str, DatasetFacet]:
    """Return the schema facet: types where the caller knows them, else the names that lineage knows."""
    known: Mapping[str, str | None] = catalog.schemas.get(dataset) or dict.fromkeys(
        edge.column for edge in _edges(dataset, catalog)
    )
    if not known:
        return {}
    fields = [
        schema_dataset.SchemaDatasetFacetFields(name, kind, ordinal_position=place)
        for place, (name, kind) in enumerate(known.items(), start=1)
    ]
    return {"schema": schema_dataset.SchemaDatasetFacet(fields, producer=PRODUCER)}


def _column_lineage(
    edges: Sequence[ColumnEdge], run: EndedRun, catalog: Catalog
) -> column_lineage_dataset.ColumnLineageDatasetFacet:
    """Return the columnLineage facet; dependence on rows as such ("*") names no field and is left out."""
    fields: dict[str, column_lineage_dataset.Fields] = {}
    for edge in edges:
        inputs = fields.setdefault(edge.column, column_lineage_dataset.Fields([])).inputFields
        if edge.source_column == ROWS:
            continue
        kinds = [
            column_lineage_dataset.Transformation("DIRECT" if kind in DIRECT else "INDIRECT", kind)
            for kind in edge.kinds
        ]
        source = _dataset_of(edge.source_table, run, catalog)
        inputs.append(column_lineage_dataset.InputField(catalog.namespace, source, edge.source_column, kinds))
    return column_lineage_dataset.ColumnLineageDatasetFacet(fields, producer=PRODUCER)


def _dataset_of(table: str, run: EndedRun, catalog: Catalog) -> str:
    """Return the dataset that SQL reads under a name: as written, else one of the run's inputs, else by its kind."""
    if "." in table:
        return table.replace(".", "/")
    read = next((dataset for dataset in run.inputs if dataset.endswith(f"/{table}")), None)
    return read or (f"derived/{table}" if table in catalog.edges else f"raw/{table}")
