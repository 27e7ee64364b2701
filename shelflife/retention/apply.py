"""Applying a plan: its stages in their order, each of which can be killed and repeated.

Held rows are preserved first. Then one commit destroys every key of the plan; it is refused when anything that the
plan was made from has moved. What follows only frees space: copies, rewrites, files.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING

import sqlalchemy as sa

from shelflife.control.crashpoints import reached
from shelflife.control.tables import purge_plan
from shelflife.errors import CopyUnreachable, PlanRefused
from shelflife.lake.batches import give_up_dead
from shelflife.lake.record import publish
from shelflife.policy.changes import adoption
from shelflife.policy.loading import load_policies
from shelflife.retention.adoption import adopted_policies
from shelflife.retention.expiring import expire, outdated
from shelflife.retention.follow_up import collect_files, expire_copy_items, refresh_copies, rewrite_erased
from shelflife.retention.holds import active_holds, scope_digest
from shelflife.retention.plan import make_plan
from shelflife.retention.plan_file import read_plan
from shelflife.retention.preserve import preserve
from shelflife.retention.reading import read_state
from shelflife.retention.stages import (
    ExpireCopyItems,
    ExpirePartitions,
    Plan,
    PreserveHeld,
    RefreshCopies,
    RewriteErased,
)

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Sequence

    from shelflife.estate import Estate
    from shelflife.policy.retention import RetentionPolicy
    from shelflife.retention.stages import Stage


@dataclass(frozen=True)
class Applied:
    """What applying a plan did, in counts.

    Attributes:
        rows_preserved: rows of what went that holds keep, sealed again.
        partitions: partitions that were destroyed.
        rows: their rows.
        keys: keys that were destroyed.
        records: old records that were deleted.
        copy_items: objects that were removed from copies.
        copies_refreshed: copies that were published again without what expired.
        files_rewritten: derived files that were rewritten without erased people.
        files_unlinked: files that were unlinked.
        files_waiting: files whose keys are gone and that wait for a reader's lease to end.
        already: whether the plan had been applied before.
    """

    plan_id: str
    rows_preserved: int = 0
    partitions: int = 0
    rows: int = 0
    keys: int = 0
    records: int = 0
    copy_items: int = 0
    copies_refreshed: int = 0
    files_rewritten: int = 0
    files_unlinked: int = 0
    files_waiting: int = 0
    already: bool = False
    seconds: float = field(default=0.0, compare=False)


_COUNTS = tuple(one.name for one in fields(Applied) if one.type == "int")


def plan_purge(estate: Estate, *, clock: Callable[[], dt.datetime], above_brake: int | None = None) -> Plan:
    """Make a plan from the estate as it is now.

    Raises:
        ConfigurationError: a policy cannot be read.
        PlanRefused: see `make_plan`.
    """
    return _planned(estate, load_policies(estate.settings.policies), clock(), above_brake, clock)


def apply_plan(
    estate: Estate,
    named: str,
    *,
    clock: Callable[[], dt.datetime],
    approve: Callable[[Plan], bool] | None = None,
) -> Applied:
    """Execute exactly a plan, or nothing of it.

    A plan that was killed goes on where it stopped; one that was applied before changes nothing.

    Args:
        estate: the estate.
        named: the plan's id or file.
        clock: gives the time.
        approve: asked before anything is done; not when a killed run goes on.

    Raises:
        PlanRefused: the file was changed, the brake or the policies do not allow it, or it was not approved.
        PlanOutdated: partitions, policies or holds are not what the plan was made from.
        CopyUnreachable: everything else is done; run it again when the copy answers.
    """
    started = time.monotonic()
    plan_id, plan = read_plan(estate.settings, named)
    state, done = _known(estate, plan_id)
    if state == "applied":
        return replace(done, already=True)
    if state is None:
        _check(estate, plan, clock)
        if approve is not None and not approve(plan):
            raise PlanRefused("The plan was not approved.", remedy="Nothing was removed.")
    unreachable: list[CopyUnreachable] = []
    for stage in plan.stages:
        try:
            done = _run(estate, plan, stage, done, clock, committed=state is not None)
        except CopyUnreachable as error:
            unreachable.append(error)
    if unreachable:
        raise unreachable[0]
    _finish(estate, plan, done, clock())
    reached("purge.finished")
    give_up_dead(estate, clock())
    publish(estate, clock())
    return replace(done, seconds=time.monotonic() - started)


def _run(
    estate: Estate,
    plan: Plan,
    stage: Stage,
    done: Applied,
    clock: Callable[[], dt.datetime],
    *,
    committed: bool,
) -> Applied:
    """Run one stage and add what it did; those up to the commit only while it has not happened."""
    if isinstance(stage, PreserveHeld | ExpirePartitions):
        return done if committed else _destroy(estate, plan, stage, done, clock)
    if isinstance(stage, ExpireCopyItems):
        return replace(done, copy_items=expire_copy_items(estate, stage, clock))
    if isinstance(stage, RefreshCopies):
        return replace(done, copies_refreshed=refresh_copies(estate, stage, clock))
    if isinstance(stage, RewriteErased):
        return replace(done, files_rewritten=rewrite_erased(estate, stage, clock))
    unlinked, left = collect_files(estate, clock())
    return replace(done, files_unlinked=unlinked, files_waiting=left)


def _destroy(
    estate: Estate,
    plan: Plan,
    stage: PreserveHeld | ExpirePartitions,
    done: Applied,
    clock: Callable[[], dt.datetime],
) -> Applied:
    if isinstance(stage, PreserveHeld):
        kept = preserve(estate, None, None, clock=clock, reason="purge", partition_ids=stage.partition_ids)
        reached("purge.preserved")
        return replace(done, rows_preserved=kept.covered)
    facts = {"rows_preserved": done.rows_preserved}
    gone = expire(estate, done.plan_id, plan, stage, facts, clock())
    return replace(done, **asdict(gone))


def _check(estate: Estate, plan: Plan, clock: Callable[[], dt.datetime]) -> None:
    """Make sure that the plan follows from the estate, line by line; the file itself is no authority.

    Raises:
        PlanRefused: the plan is from the future, or adopted policies were shorter, or the brake holds it.
        PlanOutdated: the estate moved.
    """
    if plan.made_at > clock():
        raise PlanRefused("The plan was made for a time to come.", remedy="Check the clock; make a new plan.")
    policies = load_policies(estate.settings.policies)
    _check_adopted(estate, policies)
    fresh = _planned(estate, policies, plan.made_at, plan.above_brake, clock)
    if fresh.policies != plan.policies:
        raise outdated("A policy changed since the plan was made.")
    if fresh.holds_digest != plan.holds_digest:
        raise outdated("A hold was placed, widened or released since the plan was made.")
    goes = {(line.partition_id, line.version, line.files_digest) for line in fresh.remove}
    if not {(line.partition_id, line.version, line.files_digest) for line in plan.remove} <= goes:
        raise outdated("A partition changed since the plan was made.")
    old = {(line.kind, line.through) for line in fresh.records}
    if not {(line.kind, line.through) for line in plan.records} <= old:
        raise outdated("Records changed since the plan was made.")


def _check_adopted(estate: Estate, policies: Sequence[RetentionPolicy]) -> None:
    """Refuse policies that keep anything longer than the adopted ones do: that is a decision to be recorded first."""
    with estate.database.read() as conn:
        before = adopted_policies(conn)
    if before and adoption(before, policies).lengthens:
        raise PlanRefused(
            "The policies keep data longer than those that were adopted.",
            remedy="See `shelflife policy diff`, then `shelflife policy adopt`; or put the adopted ones back.",
        )


def _planned(
    estate: Estate,
    policies: Sequence[RetentionPolicy],
    now: dt.datetime,
    above_brake: int | None,
    clock: Callable[[], dt.datetime],
) -> Plan:
    with estate.database.read() as conn:
        holds, digest = active_holds(conn), scope_digest(conn)
    state = read_state(estate, policies, holds, now, clock=clock)
    return make_plan(
        state,
        policies,
        holds,
        now,
        brake_percent=estate.settings.purge_brake_percent,
        holds_digest=digest,
        above_brake=above_brake,
    )


def _known(estate: Estate, plan_id: str) -> tuple[str | None, Applied]:
    """Return how far a plan has been applied, and what was done by then."""
    with estate.database.read() as conn:
        row = conn.execute(sa.select(purge_plan).where(purge_plan.c.plan_id == plan_id)).one_or_none()
    if row is None:
        return None, Applied(plan_id)
    return row.state, Applied(plan_id, **{name: row.facts.get(name, 0) for name in _COUNTS})


def _finish(estate: Estate, plan: Plan, done: Applied, now: dt.datetime) -> None:
    facts = {name: getattr(done, name) for name in _COUNTS}
    values = {"state": "applied", "applied_at": now, "facts": facts}
    with estate.database.commit() as tx:
        here = purge_plan.c.plan_id == done.plan_id
        if tx.conn.execute(purge_plan.update().where(here).values(**values)).rowcount == 0:
            tx.conn.execute(purge_plan.insert().values(plan_id=done.plan_id, made_at=plan.made_at, **values))
