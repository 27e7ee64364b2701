"""One asset a model: running it derives the stale units of the selected partitions."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import dagster as dg

from assets.counts import rows_held
from assets.metadata import definition_facts, facts
from assets.neutral import neutral
from assets.partitions import GRAINS, OVERLAP, partition_key
from assets.resource import EstateResource
from assets.schema import asset_key_of, attributes_schema, model_lineage, model_schema
from shelflife.lake.derive import DeriveReport, derive, stale
from shelflife.lake.models import Model, load_models

DERIVING_POOL = "shelflife_deriving"
_OWNER_PREFIX = "team:"


@dataclass
class Derivation:
    """What a run derived of one model.

    Attributes:
        held: rows that the table holds now, by period.
    """

    report: DeriveReport
    held: dict[str, int]


def model_assets(models: Mapping[str, Model]) -> list[dg.AssetsDefinition]:
    """Return an asset for each model."""
    return [model_asset(model, models) for model in models.values()]


def attributes_spec() -> dg.AssetSpec:
    """Return the attributes that cohorts read: coarse, computed for each use, stored nowhere."""
    return dg.AssetSpec(
        ["identity", "attributes"],
        description="Age band and sex of each person, computed from sealed profiles for each use and stored nowhere.",
        group_name="identity",
        kinds={"shelflife"},
        owners=["team:privacy"],
        metadata=definition_facts(attributes_schema()),
    )


def model_asset(model: Model, models: Mapping[str, Model]) -> dg.AssetsDefinition:
    """Return the asset of one model."""
    lineage = model_lineage(model, models)
    header = {"grain": model.grain, "retention_class": model.retention_class, "erasure": model.erasure}
    disclosure = (
        {} if model.disclosure is None else {"disclosure": "small cells and their complements are suppressed"}
    )

    @dg.asset(
        key=[model.zone, model.name],
        deps=[_dep(name, models) for name in model.reads],
        description=f"{model.grain[:1].upper()}{model.grain[1:]}. Encrypted Parquet, derived by SQL.",
        partitions_def=GRAINS[model.period],
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name=model.zone,
        kinds={"sql", "duckdb", "parquet"},
        owners=[f"{_OWNER_PREFIX}{model.owner}"],
        tags={"shelflife/zone": model.zone, "shelflife/erasure": model.erasure},
        metadata=definition_facts(
            model_schema(model, lineage),
            lineage,
            period=model.period,
            **header,
            **disclosure,
        ),
        pool=DERIVING_POOL,
    )
    def derive_model(context: dg.AssetExecutionContext, estate: EstateResource) -> dg.MaterializeResult[None]:
        selected = set(context.partition_keys)
        done = neutral(lambda: _derive(estate, model.name, selected))
        _report_partitions(context, model, done, selected, estate)
        return dg.MaterializeResult(
            metadata=facts(
                units_derived=len(done.report.units),
                rows_derived=done.report.rows,
                seconds=done.report.seconds,
            )
        )

    return derive_model


def _dep(name: str, models: Mapping[str, Model]) -> dg.AssetDep:
    key = asset_key_of(name, models)
    return dg.AssetDep(key) if key.path[0] == "identity" else dg.AssetDep(key, partition_mapping=OVERLAP)


def _derive(resource: EstateResource, name: str, selected: Collection[str]) -> Derivation:
    today = resource.clock().date()
    with resource.opened() as estate:
        models = load_models(estate.settings.models)
        grain = models[name].period
        with estate.database.read() as conn:
            waiting = {unit.period for unit in stale(estate, models, conn, names=[name])}
        periods = {period for period in waiting if partition_key(period, grain, today) in selected}
        report = (
            derive(estate, clock=resource.clock, names=[name], periods=periods) if periods else DeriveReport()
        )
        return Derivation(report, rows_held(estate, name))


def _report_partitions(
    context: dg.AssetExecutionContext,
    model: Model,
    done: Derivation,
    selected: Collection[str],
    estate: EstateResource,
) -> None:
    today = estate.clock().date()
    held: Counter[str] = Counter()
    units: Counter[str] = Counter()
    for period, rows in done.held.items():
        held[partition_key(period, model.period, today)] += rows
    for unit in done.report.units:
        units[partition_key(unit.period, model.period, today)] += 1
    for key in sorted(selected):
        context.add_asset_metadata(facts(rows=held[key], units_derived=units[key]), partition_key=key)
