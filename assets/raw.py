"""The raw streams. Materializing any of them lands everything that lies in the inbox.

Which person, stream or day a file holds is known only once it is read, so a landing cannot be cut to the
partitions that a run was started for. The run reports what it really touched: selected partitions as its own
results, every other one as a materialization event. A month stream is reported on the first day of the month, and
on each selected day of it: on which days of the month there is data stays sealed.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

import dagster as dg

from assets.counts import Landed, landed_by, samples_held
from assets.metadata import Made, definition_facts, facts
from assets.neutral import neutral
from assets.partitions import DAYS, partition_key
from assets.resource import EstateResource
from assets.schema import raw_schema
from shelflife.lake.accounting import LandingReport
from shelflife.lake.inbox import list_inbox
from shelflife.lake.landing import land
from shelflife.signals.vocabulary import PARTITION_GRAIN, STREAMS

LANDING_POOL = "shelflife_landing"
OWNER = "team:data-platform"
_CONTENT = {
    "heart": "Heart rate, beat intervals and heart rate variability.",
    "sleep": "Sleep stages and episodes.",
    "glucose": "Interstitial and capillary glucose.",
    "activity": "Steps, distance, energy and workouts.",
    "body": "Temperature, weight and VO2 max.",
    "respiration": "Blood oxygen and respiratory rate.",
}


@dataclass
class Landing:
    """What a run landed, in counts.

    Attributes:
        brought: what its batches brought, by (stream, period).
        held: the samples that the raw zone holds now, by (stream, period).
    """

    report: LandingReport
    brought: list[Landed]
    held: dict[tuple[str, str], int]


def raw_spec(stream: str) -> dg.AssetSpec:
    """Return the asset of one raw stream."""
    grain = PARTITION_GRAIN[stream]
    return dg.AssetSpec(
        ["raw", stream],
        description=f"{_CONTENT[stream]} Sealed blocks, one a person and {grain}; unreadable without two keys.",
        group_name="raw",
        kinds={"parquet", "shelflife"},
        owners=[OWNER],
        tags={"shelflife/zone": "raw", "shelflife/stream": stream},
        partitions_def=DAYS,
        metadata=definition_facts(
            raw_schema(), retention_class=f"{stream}/default", erasure="key destruction", period=grain
        ),
    )


@dg.multi_asset(
    name="land",
    specs=[raw_spec(stream) for stream in STREAMS],
    can_subset=True,
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool=LANDING_POOL,
)
def raw_streams(
    context: dg.AssetExecutionContext, estate: EstateResource
) -> Iterator[dg.MaterializeResult[None]]:
    """Land what lies in the inbox and report the partitions that it touched."""
    landing = neutral(lambda: _land(estate))
    selected = {key.path[-1] for key in context.selected_asset_keys}
    cells = _cells(landing, estate.clock().date())
    for stream in STREAMS:
        keys = set(context.partition_keys) if stream in selected else set()
        _report_partitions(context, stream, keys, cells)
        if stream in selected:
            yield dg.MaterializeResult(asset_key=["raw", stream], metadata=_run_facts(landing))


def _land(resource: EstateResource) -> Landing:
    with resource.opened() as estate:
        report = land(estate, list_inbox(estate.settings.inbox), clock=resource.clock)
        return Landing(report, landed_by(estate, report.batches), samples_held(estate))


def _cells(landing: Landing, today: dt.date) -> dict[tuple[str, str], dict[str, int]]:
    """Return counts by (stream, partition key): what was landed and what is held now."""
    cells: dict[tuple[str, str], dict[str, int]] = {}

    def add(stream: str, period: str, **counts: int) -> None:
        cell = cells.setdefault((stream, partition_key(period, "day", today)), dict.fromkeys(_CELL, 0))
        for name, count in counts.items():
            cell[name] += count

    for one in landing.brought:
        add(one.stream, one.period, landed=one.samples, bytes_landed=one.bytes)
    for (stream, period), samples in landing.held.items():
        add(stream, period, rows=samples)
    return cells


_CELL = ("landed", "bytes_landed", "rows")


def _report_partitions(
    context: dg.AssetExecutionContext,
    stream: str,
    selected: set[str],
    cells: dict[tuple[str, str], dict[str, int]],
) -> None:
    """Attach counts to the selected partitions and report the others that the landing touched."""
    for key in sorted(selected):
        home = key if PARTITION_GRAIN[stream] == "day" else f"{key[:7]}-01"
        cell = cells.get((stream, home), dict.fromkeys(_CELL, 0))
        context.add_asset_metadata(_cell_facts(stream, home, cell), ["raw", stream], key)
    for (name, key), cell in sorted(cells.items()):
        if name == stream and key not in selected and cell["landed"]:
            context.log_event(
                dg.AssetMaterialization(
                    ["raw", stream], partition=key, metadata=_cell_facts(stream, key, cell)
                )
            )


def _cell_facts(stream: str, key: str, cell: dict[str, int]) -> Made:
    return facts(period=key if PARTITION_GRAIN[stream] == "day" else key[:7], **cell)


def _run_facts(landing: Landing) -> Made:
    report = landing.report
    return facts(
        files=len(report.files),
        files_known=sum(file.state == "already_landed" for file in report.files),
        files_refused=len(report.refused_files),
        samples_in=report.total("samples_in"),
        duplicates=report.total("duplicates"),
        quarantined=report.total("quarantined"),
        refused=report.total("refused"),
        reasons=dict(report.reasons()),
        partitions_touched=len(landing.brought),
        batch_ids=list(report.batches),
        seconds=report.seconds,
    )
