"""The jobs of the lifecycle: purge, erase, export, finalize, verify, reconcile, back up.

Dagster starts them and shows their counts; whether something was done, by whom it was asked and whether it may be done
stands in the estate's own register and ledger. Run config holds opaque ids only.
"""

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import dagster as dg
from pydantic import Field

from assets.metadata import facts
from assets.neutral import neutral
from assets.resource import EstateResource
from orchestration.housekeeping import forget_old_runs
from shelflife.copies.reconciling import expire_copies, reconcile
from shelflife.errors import ConfigurationError, ResidueFound, Terminal
from shelflife.identity.change import Change
from shelflife.identity.stages import Running
from shelflife.identity.stages import run as run_change
from shelflife.lake.models import Model, load_models
from shelflife.lake.rewrite import tables_about
from shelflife.policy.loading import load_policies, load_rulebook
from shelflife.policy.retention import RetentionPolicy
from shelflife.recovery.backup import backup
from shelflife.recovery.expiry import expire_backups, forget_final
from shelflife.retention.apply import Applied, apply_plan, plan_purge
from shelflife.retention.checks import oldest_rows
from shelflife.retention.plan_file import write_plan
from shelflife.retention.stages import Plan
from shelflife.rights import finality
from shelflife.rights.clocks import open_alerts
from shelflife.rights.erasure import ErasureReport, Options, due, run_erasures
from shelflife.rights.exporting import deliver, expire_exports
from shelflife.rights.verify import verify
from shelflife.rights.withdrawals import WithdrawalReport, apply_withdrawals
from shelflife.signals.vocabulary import STREAMS

LIFECYCLE_POOL = "shelflife_lifecycle"
BACKUPS = "SHELFLIFE_BACKUPS"


class RequestConfig(dg.Config):
    """Which request to carry out: its opaque id, as the register knows it."""

    request_id: str


class RequestsConfig(dg.Config):
    """Which requests to carry out; every one that is due when empty."""

    request_ids: list[str] = Field(default=[], description="Opaque ids, as the register knows them.")


class ChangeConfig(dg.Config):
    """Which identity change to run: its opaque id, as `shelflife subjects changes` shows it."""

    change_id: str


@dg.op(pool=LIFECYCLE_POOL, out=dg.Out(dg.Nothing))
def purge(context: dg.OpExecutionContext, estate: EstateResource) -> None:
    """Plan, write the plan down, and apply exactly that plan; the brake and the policies can refuse it."""

    def work() -> tuple[Plan, Applied, int, int]:
        with estate.opened() as opened:
            plan = plan_purge(opened, clock=estate.clock)
            done = apply_plan(opened, write_plan(opened.settings, plan), clock=estate.clock)
            expired = sum(expire_copies(opened, estate.clock).values())
            return plan, done, expired, expire_exports(opened, estate.clock())

    plan, done, expired, exports = neutral(work)
    gone = Counter((line.zone, line.table_name) for line in plan.remove)
    for (zone, table), partitions in sorted(gone.items()):
        context.log_event(dg.AssetObservation([zone, table], metadata=facts(partitions_purged=partitions)))
    context.add_output_metadata(
        facts(
            partitions_purged=done.partitions,
            rows_purged=done.rows,
            keys_destroyed=done.keys,
            rows_preserved=done.rows_preserved,
            copy_items_expired=done.copy_items + expired,
            exports_expired=exports,
        )
    )


@dg.op(pool=LIFECYCLE_POOL, ins={"after": dg.In(dg.Nothing)}, out=dg.Out(dg.Nothing))
def check_oldest_rows(estate: EstateResource) -> None:
    """Fail when a row is still readable past its window."""

    def work() -> None:
        with estate.opened() as opened:
            found = oldest_rows(opened, load_policies(opened.settings.policies), estate.clock())
            late = [one.table_name for one in found if not one.passed]
        if late:
            raise ResidueFound(
                f"Tables hold rows past their retention: {', '.join(sorted(late))}.",
                remedy="Run the purge again; `shelflife plan` says what keeps them.",
            )

    neutral(work)


@dg.op(ins={"after": dg.In(dg.Nothing)}, out=dg.Out(dg.Nothing))
def forget_dagster_history(context: dg.OpExecutionContext, estate: EstateResource) -> None:
    """Delete Dagster's own old runs, ticks and logs: its storage is one more store under retention."""
    gone = neutral(lambda: forget_old_runs(context.instance, _policies(estate), estate.clock()))
    context.add_output_metadata(facts(runs_deleted=gone))


@dg.op(pool=LIFECYCLE_POOL, out=dg.Out(dg.Nothing))
def erase(context: dg.OpExecutionContext, config: RequestsConfig, estate: EstateResource) -> None:
    """Carry out verified erasure requests, to their certificates."""

    def work() -> tuple[ErasureReport, list[list[str]]]:
        with estate.opened() as opened:
            chosen = list(config.request_ids) or due(opened)
            report = run_erasures(opened, chosen, _options(estate)) if chosen else ErasureReport([])
            return report, _touched(report, load_models(opened.settings.models))

    report, touched = neutral(work)
    keys = sum(int(str(one.facts.get("keys_destroyed", 0))) for one in report.requests)
    done = len(report.requests) - len(report.blocked)
    for asset in touched:
        context.log_event(dg.AssetObservation(asset, metadata=facts(requests_done=done)))
    context.add_output_metadata(
        facts(requests_done=done, requests_blocked=len(report.blocked), keys_destroyed=keys)
    )


def _touched(report: ErasureReport, models: Mapping[str, Model]) -> list[list[str]]:
    """Return the assets that erasures took rows out of."""
    found: set[tuple[str, ...]] = set()
    for one in report.requests:
        streams = None if one.whole_person else one.streams
        found |= {("raw", stream) for stream in streams or STREAMS}
        found |= {("derived", name) for name in tables_about(models, streams)}
        found |= {("analytics", name) for name, model in models.items() if model.zone == "analytics"}
    return [list(asset) for asset in sorted(found)]


@dg.op(out=dg.Out(dg.Nothing))
def export(context: dg.OpExecutionContext, config: RequestConfig, estate: EstateResource) -> None:
    """Deliver one person's export, sealed to the key that the request names."""

    def work() -> int:
        with estate.opened() as opened:
            return deliver(opened, config.request_id, clock=estate.clock).bytes

    size = neutral(work)
    context.log_event(dg.AssetObservation(["identity", "attributes"], metadata=facts(export_bytes=size)))


@dg.op(pool=LIFECYCLE_POOL, out=dg.Out(dg.Nothing))
def finish_deferred(context: dg.OpExecutionContext, estate: EstateResource) -> None:
    """Do the rewrites and copies that certified erasures left for later."""

    def work() -> int:
        with estate.opened() as opened:
            return len(finality.finish_deferred(opened, _options(estate)))

    done = neutral(work)
    context.add_output_metadata(facts(requests_done=done))


@dg.op(pool=LIFECYCLE_POOL, out=dg.Out(dg.Nothing))
def finalize(context: dg.OpExecutionContext, estate: EstateResource) -> None:
    """Destroy the keys whose time is over, root keys and landing keys, and close the erasures behind them."""

    def work() -> finality.Finalized:
        with estate.opened() as opened:
            done = finality.finalize(opened, clock=estate.clock)
            forget_final(opened)
            return done

    done = neutral(work)
    context.add_output_metadata(
        facts(
            root_keys_destroyed=done.root_keys,
            landing_keys_destroyed=done.landing_keys,
            erasures_final=len(done.requests),
        )
    )


@dg.op(pool=LIFECYCLE_POOL, out=dg.Out(dg.Nothing))
def change_identity(context: dg.OpExecutionContext, config: ChangeConfig, estate: EstateResource) -> None:
    """Run a prepared merge, split or transfer, to its end."""

    def work() -> Change:
        with estate.opened() as opened:
            return run_change(opened, config.change_id, Running(clock=estate.clock))

    done = neutral(work)
    moved, known = (int(str(done.facts.get(name, 0))) for name in ("rows_moved", "rows_known_already"))
    context.add_output_metadata(facts(rows_moved=moved, rows_known_already=known))


@dg.op(out=dg.Out(dg.Nothing))
def look_for_residue(context: dg.OpExecutionContext, estate: EstateResource) -> None:
    """Fail when the verifier finds anything that must not be there, in any store, Dagster's own included."""

    def work() -> int:
        with estate.opened() as opened:
            found = verify(opened, now=estate.clock(), dagster_home=dagster_home())
        if found.findings:
            rules = Counter(one.rule for one in found.findings)
            said = ", ".join(f"{rule}: {count}" for rule, count in sorted(rules.items()))
            raise ResidueFound(
                f"The verifier found {len(found.findings)} residues ({said}).",
                remedy="Run `shelflife verify` for their places.",
            )
        return len(found.counts)

    context.add_output_metadata(facts(stores_verified=neutral(work), residues=0))


@dg.op(pool=LIFECYCLE_POOL, out=dg.Out(dg.Nothing))
def reconcile_all(context: dg.OpExecutionContext, estate: EstateResource) -> None:
    """Compare every copy with the catalog, and fail when something undeclared lies in one."""

    def work() -> int:
        with estate.opened() as opened:
            report = reconcile(opened, estate.clock)
        if report.findings:
            rules = Counter(f"{one.copy}: {one.rule}" for one in report.findings)
            raise ResidueFound(
                f"Copies hold what they must not: {', '.join(sorted(rules))}.",
                remedy="See `shelflife copy reconcile`.",
            )
        return len(report.withdrawn)

    gone = neutral(work)
    context.add_output_metadata(facts(copies_withdrawn=gone))


@dg.op(pool=LIFECYCLE_POOL, out=dg.Out(dg.Nothing))
def act_on_withdrawals(context: dg.OpExecutionContext, estate: EstateResource) -> None:
    """Do what the policy says about consent that was taken back or ran out."""

    def work() -> WithdrawalReport:
        with estate.opened() as opened:
            return apply_withdrawals(opened, clock=estate.clock)

    done = neutral(work)
    context.add_output_metadata(
        facts(consents_ended=done.actions.total(), requests_registered=len(done.requests))
    )


@dg.op(pool=LIFECYCLE_POOL, out=dg.Out(dg.Nothing))
def back_up(estate: EstateResource) -> None:
    """Back up the estate into the folder that SHELFLIFE_BACKUPS names."""

    def work() -> None:
        target = os.environ.get(BACKUPS)
        if not target:
            raise ConfigurationError(
                "Nothing says where backups go.",
                remedy=f"Set the environment variable {BACKUPS} to a folder.",
            )
        with estate.opened() as opened:
            backup(opened, Path(target), clock=estate.clock)
            expire_backups(opened, Path(target), estate.clock())

    neutral(work)


@dg.op(out=dg.Out(dg.Nothing))
def watch_clocks(context: dg.OpExecutionContext, estate: EstateResource) -> None:
    """Fail when an answer to somebody's request is overdue; say how many are due soon."""

    def work() -> int:
        with estate.opened() as opened, opened.database.read() as conn:
            found = open_alerts(conn, load_rulebook(opened.settings.policies), estate.clock().date())
        late = [one for one in found if one.state == "overdue"]
        if late:
            raise Terminal(
                f"{len(late)} obligations towards people are overdue.",
                remedy="Run `shelflife request due`, then carry the requests out.",
            )
        return len(found)

    soon = neutral(work)
    context.add_output_metadata(facts(obligations_soon=soon))


@dg.job(
    description="Purge what expired by policy, check that nothing is left past its window, forget Dagster's old runs."
)
def nightly_purge() -> None:
    """Purge, then check, then keep Dagster's own storage small."""
    forget_dagster_history(check_oldest_rows(purge()))


@dg.job(description="Carry out verified erasure requests, to their certificates.")
def dsar_erase() -> None:
    """Erase."""
    erase()


@dg.job(description="Deliver one person's export.")
def dsar_export() -> None:
    """Export."""
    export()


@dg.job(description="Do the rewrites and copies that erasures left for later.")
def physical_erasure() -> None:
    """Finish what was deferred."""
    finish_deferred()


@dg.job(description="Destroy root keys past the finality window; erasures become final.")
def finalize_keys() -> None:
    """Finalize."""
    finalize()


@dg.job(description="Run a prepared merge, split or transfer of subjects.")
def identity_change() -> None:
    """Change."""
    change_identity()


@dg.job(description="Look for residue in every store, with code that shares nothing with the eraser.")
def verify_residue() -> None:
    """Verify."""
    look_for_residue()


@dg.job(description="Compare every copy with what is declared and registered.")
def reconcile_copies() -> None:
    """Reconcile."""
    reconcile_all()


@dg.job(
    name="backup",
    description="Back up the estate, and remove backups past their retention; root keys are never part of one.",
)
def backup_job() -> None:
    """Back up."""
    back_up()


@dg.job(
    description="Act on consent that was taken back or ran out: note it, and register the erasures of the policy."
)
def consent_withdrawals() -> None:
    """Act on withdrawals."""
    act_on_withdrawals()


@dg.job(description="Alert when an answer to somebody's request is overdue.")
def request_clocks() -> None:
    """Watch the clocks."""
    watch_clocks()


JOBS = (
    nightly_purge,
    dsar_erase,
    dsar_export,
    physical_erasure,
    finalize_keys,
    identity_change,
    verify_residue,
    reconcile_copies,
    backup_job,
    consent_withdrawals,
    request_clocks,
)


def dagster_home() -> Path | None:
    """Return Dagster's own storage, which is verified like every other store."""
    named = os.environ.get("DAGSTER_HOME")
    return Path(named) if named else None


def _options(estate: EstateResource) -> Options:
    return Options(clock=estate.clock, dagster_home=dagster_home())


def _policies(estate: EstateResource) -> list[RetentionPolicy]:
    with estate.opened() as opened:
        return load_policies(opened.settings.policies)
