"""Planning a purge: what expires and why, from policies, holds and the catalog. Pure: time is an argument, nothing is read.

Everything that is there ends in one of two tables, each line with its reason. What has no rule stops the plan: it is
neither kept nor removed in silence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shelflife.errors import ConfigurationError, PlanRefused
from shelflife.lake.unseal import HELD
from shelflife.policy.classes import ClassRule, rules_by_class
from shelflife.policy.documents import digest
from shelflife.retention.coverage import coverage
from shelflife.retention.holds import HOLD_CLASS
from shelflife.retention.records import record_rule
from shelflife.retention.stages import (
    CollectFiles,
    CopyLine,
    ExpireCopyItems,
    ExpirePartitions,
    Line,
    Plan,
    PolicyUsed,
    PreserveHeld,
    RecordLine,
    RefreshCopies,
    RewriteErased,
    Stage,
)
from shelflife.retention.windows import window_of

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    from shelflife.policy.retention import RetentionPolicy
    from shelflife.retention.holds import Hold
    from shelflife.retention.state import PartitionState, State

RAW = "raw"


def make_plan(
    state: State,
    policies: Sequence[RetentionPolicy],
    holds: Sequence[Hold],
    now: dt.datetime,
    *,
    brake_percent: int,
    holds_digest: str = "",
    above_brake: int | None = None,
) -> Plan:
    """Say what expires, what stays, and why.

    Args:
        state: what there is, read with the same policies, holds and time.
        policies: every loaded policy.
        holds: the active holds.
        now: the time that windows are compared with.
        brake_percent: the share of all rows, in percent, above which a plan is refused.
        holds_digest: digest over what the holds cover (`holds.scope_digest`); the plan carries it.
        above_brake: the exact count of rows that go, typed by whoever wants to go above the brake.

    Raises:
        PlanRefused: there is no policy, policies contradict each other, a retention class has no rule, or more
            rows than the brake allows would go.
    """
    rules = _rules(policies)
    decided = [_decide(one, rules, holds, now) for one in state.partitions]
    keep = tuple(line for line, goes in decided if not goes)
    remove = tuple(line for line, goes in decided if goes)
    rows_now = sum(one.rows for one in state.partitions)
    _brake(sum(line.rows for line in remove), rows_now, brake_percent, above_brake)
    return Plan(
        made_at=now,
        policies=tuple(_used(policy) for policy in sorted(policies, key=lambda policy: policy.policy)),
        holds_digest=holds_digest,
        brake_percent=brake_percent,
        above_brake=above_brake,
        rows_now=rows_now,
        keep=keep,
        stages=tuple(_stages(state, remove, policies, now)),
    )


def _rules(policies: Sequence[RetentionPolicy]) -> Mapping[str, ClassRule]:
    try:
        rules = rules_by_class(policies)
    except ConfigurationError as error:
        raise PlanRefused(error.what, remedy=error.remedy) from None
    if not rules:
        raise PlanRefused(
            "There is no retention rule, so nothing can be said to expire.",
            remedy="Write a policy (setting `policies`); without one nothing is removed and nothing is due.",
        )
    return rules


def _decide(
    one: PartitionState, rules: Mapping[str, ClassRule], holds: Sequence[Hold], now: dt.datetime
) -> tuple[Line, bool]:
    """Return a partition's line and whether it goes."""
    if one.table_name.startswith(HELD):
        return _decide_held(one, holds)
    known = rules.get(one.retention_class)
    if known is None:
        raise PlanRefused(
            f"The retention class {one.retention_class} of the table {one.table_name} has no rule.",
            remedy="Add a rule for it to a policy: what has no rule is neither kept nor removed in silence.",
        )
    window = window_of(one.period, known.rule.keep)
    span = f"{window.keep} from {window.counts_from}"
    if not window.is_over(now):
        return _line(one, f"kept: {span} ends {window.ends}"), False
    whole = [hold.hold_id for hold in holds if _keeps_whole(hold, one)]
    if whole:
        return _line(one, f"kept: hold {', '.join(sorted(whole))}"), False
    reason = f"removed: {span} ended {window.ends}"
    if one.held:
        ids = ", ".join(share.hold_id for share in one.held)
        reason += f"; {sum(share.rows for share in one.held)} rows stay under hold {ids}"
    return _line(one, reason), True


def _decide_held(one: PartitionState, holds: Sequence[Hold]) -> tuple[Line, bool]:
    """A held partition lives exactly as long as its hold."""
    hold_id = one.retention_class.removeprefix(HOLD_CLASS)
    if any(hold.hold_id == hold_id for hold in holds):
        return _line(one, f"kept: hold {hold_id}"), False
    return _line(one, f"removed: hold {hold_id} is released"), True


def _keeps_whole(hold: Hold, one: PartitionState) -> bool:
    """Tell whether a hold covers everyone in a partition, so that it stays where it is."""
    if one.zone != RAW or not hold.everyone:
        return False
    return coverage(hold, one.table_name, one.stream, one.period) == "whole"


def _line(one: PartitionState, reason: str) -> Line:
    return Line(
        partition_id=one.partition_id,
        zone=one.zone,
        table_name=one.table_name,
        retention_class=one.retention_class,
        period=one.period,
        version=one.version,
        files_digest=one.files_digest,
        rows=one.rows,
        size=one.size,
        files=one.files,
        keys=one.keys,
        reason=reason,
        held=one.held,
    )


def _brake(rows: int, rows_now: int, brake_percent: int, above_brake: int | None) -> None:
    if rows * 100 <= rows_now * brake_percent or above_brake == rows:
        return
    share = rows * 100 / rows_now
    if above_brake is not None:
        raise PlanRefused(
            f"The plan would remove {rows:,} rows, which is not the count that was typed.",
            remedy=f"Check why; if all of it is meant, make the plan with --above-brake {rows}.",
        )
    raise PlanRefused(
        f"The plan would remove {rows:,} of {rows_now:,} rows ({share:.1f} %); the brake is at {brake_percent} %.",
        remedy=f"Check policies and clock; if all of it is meant, make the plan with --above-brake {rows}.",
    )


def _stages(
    state: State, remove: tuple[Line, ...], policies: Sequence[RetentionPolicy], now: dt.datetime
) -> list[Stage]:
    """Return what is done, in order; held rows come first."""
    stages: list[Stage] = []
    held = [line for line in remove if line.held]
    if held:
        holds = {share.hold_id for line in held for share in line.held}
        rows = sum(share.rows for line in held for share in line.held)
        ids = tuple(sorted(line.partition_id for line in held))
        stages.append(PreserveHeld(ids, tuple(sorted(holds)), rows))
    records = _records(state, policies)
    if remove or records:
        stages.append(ExpirePartitions(remove, records))
    if items := _copy_items(state, now):
        stages.append(ExpireCopyItems(items))
    gone = {line.table_name for line in remove}
    if copies := tuple(one.copy_name for one in state.copies if gone & set(one.datasets)):
        stages.append(RefreshCopies(copies))
    if due := [one for one in state.awaiting if one.due]:
        stages.append(RewriteErased(tuple(one.table_name for one in due), sum(one.due for one in due)))
    files = sum(line.files for line in remove) + state.uncollected
    if files:
        stages.append(CollectFiles(files, sum(line.size for line in remove) + state.uncollected_bytes))
    return stages


def _records(state: State, policies: Sequence[RetentionPolicy]) -> tuple[RecordLine, ...]:
    found = []
    for one in state.records:
        rule = record_rule(policies, one.kind)
        if rule is not None and one.through is not None and one.due:
            reason = f"removed: {rule.keep} ended for those through {one.through}"
            found.append(RecordLine(one.kind, one.through, one.due, reason))
    return tuple(found)


def _copy_items(state: State, now: dt.datetime) -> tuple[CopyLine, ...]:
    return tuple(
        CopyLine(
            copy_name=one.copy_name,
            item=one.item,
            dataset=one.dataset,
            rows=one.rows,
            size=one.size,
            reason=f"removed: time to live ended {one.expires_at:%Y-%m-%d}",
        )
        for one in state.copy_items
        if one.expires_at <= now
    )


def _used(policy: RetentionPolicy) -> PolicyUsed:
    return PolicyUsed(policy.policy, policy.version, digest(policy).hex())
