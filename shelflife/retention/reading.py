"""Reading the state that a plan is made from, in one snapshot."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import defaultdict
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

import sqlalchemy as sa

from shelflife.control.tables import awaiting_rewrite, copy_item, data_file, partition
from shelflife.copies.registry import load_declarations
from shelflife.lake.catalog import partitions_by_id
from shelflife.lake.leasing import held_lease
from shelflife.policy.classes import rules_by_class
from shelflife.retention.coverage import coverage
from shelflife.retention.held_rows import RAW, covered_rows
from shelflife.retention.holds import people_of
from shelflife.retention.records import read_records
from shelflife.retention.state import (
    AwaitingState,
    CopyItemState,
    CopyState,
    HeldShare,
    PartitionState,
    State,
)
from shelflife.retention.windows import window_of
from shelflife.subjects.directory import PROFILE_STREAM, by_identity_pid

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from shelflife.estate import Estate
    from shelflife.policy.retention import RetentionPolicy
    from shelflife.retention.holds import Hold

REWRITE_MARGIN = dt.timedelta(days=1)
"""How long before its deadline a rewrite is due, so that a daily run is never late."""


def read_state(
    estate: Estate,
    policies: Sequence[RetentionPolicy],
    holds: Sequence[Hold],
    now: dt.datetime,
    *,
    clock: Callable[[], dt.datetime],
) -> State:
    """Read what a plan needs.

    Only partitions that are due and that a hold covers in part are opened, to count the rows that the hold keeps.

    Args:
        estate: the estate.
        policies: every loaded policy.
        holds: the active holds.
        now: the time that windows are compared with.
        clock: gives the time.

    Raises:
        ConfigurationError: two policies contradict each other.
        SealBroken: a file that a hold covers was altered.
    """
    lease = held_lease(estate, "plan", clock) if holds else nullcontext()
    with lease, estate.database.read() as conn:
        found = list(_partitions(conn))
        due = _due(found, policies, now)
        shares = dict(_shares(estate, conn, [one for one in found if one.partition_id in due], holds))
        waiting = data_file.c.state == "replaced"
        files, size = conn.execute(
            sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(data_file.c.bytes), 0)).where(waiting)
        ).one()
        return State(
            at=now,
            partitions=tuple(replace(one, held=shares.get(one.partition_id, ())) for one in found),
            records=read_records(conn, policies, now),
            copies=_copies(estate, conn),
            copy_items=_copy_items(conn),
            awaiting=_awaiting(conn, now),
            uncollected=int(files),
            uncollected_bytes=int(size),
        )


def files_digest(file_ids: Collection[str]) -> str:
    """Return the digest over the ids of a partition's live files: 64 hexadecimal digits."""
    return hashlib.sha256("\n".join(sorted(file_ids)).encode()).hexdigest()


def _partitions(conn: sa.Connection) -> Iterator[PartitionState]:
    """Yield every open partition with its live files summed up."""
    files: defaultdict[str, list[sa.Row[tuple[object, ...]]]] = defaultdict(list)
    columns = [data_file.c[name] for name in ("partition_id", "file_id", "samples", "bytes", "key_number")]
    for row in conn.execute(sa.select(*columns).where(data_file.c.state == "live")):
        files[row.partition_id].append(row)
    query = sa.select(partition).where(partition.c.state == "open")
    order = (partition.c.zone, partition.c.table_name, partition.c.period, partition.c.partition_id)
    for row in conn.execute(query.order_by(*order)):
        mine = files.get(row.partition_id, [])
        yield PartitionState(
            partition_id=row.partition_id,
            zone=row.zone,
            table_name=row.table_name,
            stream=row.stream,
            retention_class=row.retention_class,
            period=row.period,
            version=row.version,
            files_digest=files_digest([file.file_id for file in mine]),
            rows=sum(file.samples for file in mine),
            size=sum(file.bytes for file in mine),
            files=len(mine),
            keys=sum(one.key_number is not None for one in (row, *mine)),
        )


def _due(found: Sequence[PartitionState], policies: Sequence[RetentionPolicy], now: dt.datetime) -> set[str]:
    """Return the ids of the partitions whose window is over; those without a rule are the planner's business."""
    rules = rules_by_class(policies)
    return {
        one.partition_id
        for one in found
        if (known := rules.get(one.retention_class)) and window_of(one.period, known.rule.keep).is_over(now)
    }


def _shares(
    estate: Estate, conn: sa.Connection, due: Sequence[PartitionState], holds: Sequence[Hold]
) -> Iterator[tuple[str, tuple[HeldShare, ...]]]:
    """Yield, for due raw partitions that holds cover in part, what each hold keeps."""
    raw = [one for one in due if one.zone == RAW]
    people = {one.hold_id: _raw_pids(estate, conn, one) for one in holds}
    homes = partitions_by_id(conn, [one.partition_id for one in raw] if holds else [])
    for one in raw:
        shares = []
        for hold in holds:
            covered = coverage(hold, one.table_name, one.stream, one.period)
            if covered == "none" or (hold.everyone and covered == "whole"):
                continue
            whose = people[hold.hold_id]
            rows = covered_rows(estate, conn, homes[one.partition_id], hold, whose, columns=[])
            if rows.num_rows:
                shares.append(HeldShare(hold.hold_id, len(rows.column("pid").unique()), rows.num_rows))
        if shares:
            yield one.partition_id, tuple(shares)


def _raw_pids(estate: Estate, conn: sa.Connection, hold: Hold) -> set[bytes] | None:
    """Return the raw-zone pseudonyms of a hold's people who are not erased; None for everyone."""
    if hold.everyone:
        return None
    pids = list(people_of(conn, hold.hold_id))
    keys = estate.keyrings["identity"].keys(conn, pids, PROFILE_STREAM)
    known = by_identity_pid(estate, conn, [pid for pid in pids if keys.get(pid) is not None])
    return {person.raw_pid for person in known.values()}


def _copies(estate: Estate, conn: sa.Connection) -> tuple[CopyState, ...]:
    live = sa.select(copy_item.c.copy_name).where(copy_item.c.state == "live").distinct()
    standing = set(conn.execute(live).scalars())
    declared = load_declarations(estate.settings)
    return tuple(
        CopyState(name, tuple(one.datasets)) for name, one in sorted(declared.items()) if name in standing
    )


def _copy_items(conn: sa.Connection) -> tuple[CopyItemState, ...]:
    ends = (copy_item.c.state == "live") & copy_item.c.expires_at.is_not(None)
    rows = conn.execute(sa.select(copy_item).where(ends).order_by(copy_item.c.copy_name, copy_item.c.item))
    return tuple(
        CopyItemState(row.copy_name, row.item, row.dataset, row.rows, row.bytes, row.expires_at)
        for row in rows
    )


def _awaiting(conn: sa.Connection, now: dt.datetime) -> tuple[AwaitingState, ...]:
    soon = awaiting_rewrite.c.due_at <= now + REWRITE_MARGIN
    query = sa.select(
        awaiting_rewrite.c.table_name, sa.func.count(), sa.func.sum(sa.case((soon, 1), else_=0))
    )
    rows = conn.execute(query.group_by(awaiting_rewrite.c.table_name).order_by(awaiting_rewrite.c.table_name))
    return tuple(AwaitingState(name, int(people), int(due)) for name, people, due in rows)
