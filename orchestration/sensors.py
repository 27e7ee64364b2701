"""The sensors: land when something lies in the inbox, derive when the control plane says that something is stale.

A run key is a digest of what the run is about. Everything else that a sensor leaves in Dagster's storage is a
date, a count or the text of one of our own errors.
"""

import datetime as dt
import hashlib
import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import dagster as dg

from assets.neutral import describe
from assets.partitions import partition_key, ranges
from assets.resource import EstateResource
from orchestration.jobs import LAND_INBOX, AssetJob, job_name
from shelflife.config import load_settings
from shelflife.errors import ShelflifeError
from shelflife.estate import Estate
from shelflife.lake.checks import unjudged
from shelflife.lake.derive import stale
from shelflife.lake.inbox import list_inbox, listing_digest
from shelflife.lake.models import Model, load_models
from shelflife.lake.staleness import Unit
from shelflife.rights.request_states import ERASING, Kind, State
from shelflife.rights.requests import Request, requests

RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
REQUESTS_PER_TICK = 8
# The job that Dagster runs whatever is materialized in its UI as.
UI_JOB = "__ASSET_JOB"
_log = logging.getLogger("shelflife.orchestration")
_ACTIVE = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


Answer = dg.SensorResult | dg.SkipReason


@dg.sensor(name="inbox_sensor", job_name=LAND_INBOX, minimum_interval_seconds=15)
def inbox_sensor(estate: EstateResource) -> Answer:
    """Land what lies in the inbox; the same listing is asked for once."""
    return _answer(lambda: _inbox(estate))


def stale_sensor(jobs: Sequence[AssetJob]) -> dg.SensorDefinition:
    """Return the sensor that derives what no longer follows from what is landed, with the given jobs."""
    names = [job.name for job in jobs]

    @dg.sensor(name="stale_sensor", jobs=jobs, minimum_interval_seconds=15)
    def sensor(context: dg.SensorEvaluationContext, estate: EstateResource) -> Answer:
        """Derive stale units: tables before the cohorts that read them, one run a range of partitions."""
        return _answer(lambda: _stale(context.instance, estate, names))

    return sensor


def request_sensor(jobs: Mapping[Kind, dg.JobDefinition]) -> dg.SensorDefinition:
    """Return the sensor that carries out verified requests, each with the job of its kind."""

    @dg.sensor(name="request_sensor", jobs=list(jobs.values()), minimum_interval_seconds=30)
    def sensor(estate: EstateResource) -> Answer:
        """Carry out verified requests; run keys and configuration hold their opaque ids only."""
        return _answer(lambda: _requests(estate, jobs))

    return sensor


def _requests(resource: EstateResource, jobs: Mapping[Kind, dg.JobDefinition]) -> Answer:
    with resource.opened() as estate, estate.database.read() as conn:
        erasing = [state for state in ERASING if state is not State.CERTIFIED]
        waiting = [
            *requests(conn, kinds=[Kind.ERASURE], states=erasing),
            *requests(conn, kinds=[Kind.EXPORT], states=[State.VERIFIED]),
        ]
        runs = [
            dg.RunRequest(
                run_key=f"{one.kind}-{one.request_id}-{_attempt(resource)}",
                job_name=jobs[one.kind].name,
                run_config=_config(one),
            )
            for one in waiting
            if one.kind in jobs
        ]
    return dg.SensorResult(runs[:REQUESTS_PER_TICK]) if runs else dg.SkipReason("No request is due.")


def _config(asked: Request) -> dict[str, object]:
    """Return the configuration of the run that carries a request out."""
    if asked.kind is Kind.ERASURE:
        return {"ops": {"erase": {"config": {"request_ids": [asked.request_id]}}}}
    return {"ops": {"export": {"config": {"request_id": asked.request_id}}}}


def _answer(work: Callable[[], Answer]) -> Answer:
    """Do a sensor's work; an error of shelflife is the reason to skip, any other fails the tick.

    Dagster masks the text of a failed tick, so what can be said goes to the daemon's own log.

    Raises:
        Failure: an unexpected error.
    """
    try:
        return work()
    except ShelflifeError as error:
        return dg.SkipReason(error.diagnostics())
    except Exception as error:  # noqa: BLE001  the text of a third party's error may quote personal data
        failure = dg.Failure(describe(error))
    _log.error("A sensor failed. %s", failure.description)
    raise failure


def _inbox(resource: EstateResource) -> Answer:
    files = list_inbox(load_settings().inbox)
    if not files:
        return dg.SkipReason("The inbox is empty.")
    today = partition_key(resource.clock().date().isoformat(), "day", resource.clock().date())
    return dg.SensorResult(
        [dg.RunRequest(run_key=f"inbox-{listing_digest(files)}-{_attempt(resource)}", partition_key=today)]
    )


def _stale(instance: dg.DagsterInstance, resource: EstateResource, jobs: Sequence[str]) -> Answer:
    running = sum(
        instance.get_runs_count(dg.RunsFilter(job_name=name, statuses=_ACTIVE))
        for name in (LAND_INBOX, UI_JOB, *jobs)
    )
    if running:
        return dg.SkipReason(f"{running} runs that change what is stale are still going.")
    with resource.opened() as estate:
        if waiting := len(unjudged(estate)):
            return dg.SkipReason(
                f"{waiting} landed batches wait for their checks: execute those of any raw stream."
            )
        requests = stale_requests(estate, resource.clock().date(), _attempt(resource))
    return dg.SensorResult(requests[:REQUESTS_PER_TICK]) if requests else dg.SkipReason("Nothing is stale.")


def _attempt(resource: EstateResource) -> str:
    """Return the current hour: what is still waiting an hour after a run that failed is asked for again."""
    return resource.clock().strftime("%Y%m%dT%H")


def stale_requests(estate: Estate, today: dt.date, attempt: str = "") -> list[dg.RunRequest]:
    """Return the runs that bring the estate up to date; those of cohorts only once every table is."""
    models = load_models(estate.settings.models)
    with estate.database.read() as conn:
        units = stale(estate, models, conn)
    tables = [unit for unit in units if models[unit.model].zone == "derived"]
    return run_requests(tables or units, models, today, attempt)


def run_requests(
    units: Sequence[Unit], models: Mapping[str, Model], today: dt.date, attempt: str = ""
) -> list[dg.RunRequest]:
    """Return one run request for each job and each range of partitions that holds stale units. Pure.

    Args:
        units: what is stale.
        models: every model.
        today: the current day, UTC.
        attempt: part of the run keys; the same units under another attempt are another run.
    """
    requests = []
    by_job: defaultdict[str, list[Unit]] = defaultdict(list)
    for unit in units:
        by_job[job_name(models[unit.model])].append(unit)
    for job, mine in sorted(by_job.items()):
        grain = models[mine[0].model].period
        keyed = [(partition_key(unit.period, grain, today), unit) for unit in mine]
        for first, last in ranges((key for key, _ in keyed), grain):
            inside = [unit for key, unit in keyed if first <= key <= last]
            requests.append(_request(job, first, last, inside, models, attempt))
    return requests


def _request(
    job: str, first: str, last: str, units: Sequence[Unit], models: Mapping[str, Model], attempt: str
) -> dg.RunRequest:
    state = hashlib.sha256(attempt.encode())
    for unit in sorted(units):
        state.update(f"{unit.model} {unit.period} {unit.bucket} ".encode() + unit.inputs_hash)
        state.update(models[unit.model].digest)
    names = sorted({unit.model for unit in units})
    return dg.RunRequest(
        run_key=f"stale-{state.hexdigest()[:32]}",
        job_name=job,
        asset_selection=[dg.AssetKey([models[name].zone, name]) for name in names],
        tags={RANGE_START: first, RANGE_END: last},
    )
