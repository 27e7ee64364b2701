"""The jobs. Partitions of one job have one grain, so tables of a month have a job of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import dagster as dg

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dagster import AssetSelection

    from shelflife.lake.models import Model

# Dagster exports no name for what `define_asset_job` returns.
AssetJob: TypeAlias = Any

LAND_INBOX = "land_inbox"
PUBLISH_COPIES = "publish_copies"
_NAMES = {
    ("derived", "day"): "derive_tables",
    ("derived", "month"): "derive_monthly_tables",
    ("analytics", "week"): "derive_cohorts",
}
_TEXT = {
    "derive_tables": "Derive the stale units of the tables of a day.",
    "derive_monthly_tables": "Derive the stale units of the tables of a month.",
    "derive_cohorts": "Derive the stale weeks of the cohorts, small cells suppressed.",
}


def job_name(model: Model) -> str:
    """Return the name of the job that derives a model."""
    return _NAMES.get((model.zone, model.period), f"derive_{model.zone}_by_{model.period}")


def land_job() -> AssetJob:
    """Return the job that lands what lies in the inbox and judges it."""
    return dg.define_asset_job(
        LAND_INBOX,
        dg.AssetSelection.groups("raw"),
        description="Land everything that lies in the inbox, then check the new batches.",
    )


def publish_job() -> AssetJob:
    """Return the job that publishes every declared copy."""
    return dg.define_asset_job(
        PUBLISH_COPIES,
        dg.AssetSelection.groups("copies"),
        description="Publish every declared copy whose inputs moved or whose time is over.",
    )


def derive_jobs(models: Iterable[Model]) -> list[AssetJob]:
    """Return a job for each zone and period that there are models of."""
    selections: dict[str, AssetSelection] = {}
    for model in models:
        mine = dg.AssetSelection.assets([model.zone, model.name])
        name = job_name(model)
        selections[name] = selections[name] | mine if name in selections else mine
    return [
        dg.define_asset_job(name, selection, description=_TEXT.get(name))
        for name, selection in selections.items()
    ]
