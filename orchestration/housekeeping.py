"""Dagster's own storage under retention: runs, their events and logs, and the ticks of schedules and sensors.

Dagster keeps runs for ever, and ticks of what was renamed or removed. Whether something was done stands in the estate's
ledger, so that nothing is lost with a run.
"""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.scheduler.instigation import TickStatus

from shelflife.errors import ConfigurationError
from shelflife.policy.retention import rule_for

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from shelflife.policy.retention import RetentionPolicy

DAGSTER_RUNS = "dagster_runs"
_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
_RUNS_AT_ONCE = 200


def forget_old_runs(instance: dg.DagsterInstance, policies: Sequence[RetentionPolicy], now: datetime) -> int:
    """Delete runs that ended before their retention, with their logs, and old ticks; return how many runs.

    Raises:
        ConfigurationError: no policy says how long Dagster's runs are kept.
    """
    before = now - timedelta(days=kept_days(policies))
    gone = 0
    while records := instance.get_run_records(
        dg.RunsFilter(statuses=_ENDED, updated_before=before), limit=_RUNS_AT_ONCE, ascending=True
    ):
        for record in records:
            instance.delete_run(record.dagster_run.run_id)
            _remove_files(instance, record.dagster_run.run_id)
            gone += 1
    for state in instance.all_instigator_state():
        instance.purge_ticks(
            state.instigator_origin_id, state.selector_id, before.timestamp(), tick_statuses=list(TickStatus)
        )
    return gone


def kept_days(policies: Sequence[RetentionPolicy]) -> float:
    """Return how many days Dagster's own runs are kept, by the policies.

    Raises:
        ConfigurationError: none has a rule for them.
    """
    for policy in policies:
        if any(DAGSTER_RUNS in rule.applies_to for rule in policy.rules):
            return rule_for(policy, DAGSTER_RUNS, "any", "any").keep.approximate_days()
    raise ConfigurationError(
        "No policy says how long Dagster's runs are kept.", remedy=f"Add a rule for {DAGSTER_RUNS}."
    )


def _remove_files(instance: dg.DagsterInstance, run_id: str) -> None:
    """Remove what a run left beside the databases; Dagster deletes rows only."""
    folder = Path(instance.storage_directory()) / run_id
    shutil.rmtree(folder, ignore_errors=True)
