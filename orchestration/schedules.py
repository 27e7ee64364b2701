"""When the lifecycle's jobs run by themselves. All times are UTC; every schedule is off until it is switched on."""

import dagster as dg

from orchestration import lifecycle

NIGHTLY = "0 2 * * *"


def schedules() -> list[dg.ScheduleDefinition]:
    """Return the schedules: consent at 01:00, the purge at 02:00, then what follows from it, each an hour apart."""
    return [
        _every(lifecycle.consent_withdrawals, "0 1 * * *"),
        _every(lifecycle.nightly_purge, NIGHTLY),
        _every(lifecycle.physical_erasure, "0 3 * * *"),
        _every(lifecycle.finalize_keys, "30 3 * * *"),
        _every(lifecycle.reconcile_copies, "0 4 * * *"),
        _every(lifecycle.backup_job, "0 5 * * *"),
        _every(lifecycle.verify_residue, "0 6 * * *"),
        _every(lifecycle.request_clocks, "0 7 * * *"),
    ]


def _every(job: dg.JobDefinition, cron: str) -> dg.ScheduleDefinition:
    return dg.ScheduleDefinition(job=job, cron_schedule=cron, execution_timezone="UTC")
