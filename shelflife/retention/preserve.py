"""Preserving: the rows that a hold covers are sealed again under the hold's own keys, before their first keys go.

Held rows lie in raw tables of their own (`held_heart`), in partitions of the hold's class, under pseudonyms and keyrings
that nothing else shares. So they outlive the partition that they came from and the person's erasure, no ordinary read
finds them, and a release ends them all at once. Preserving again adds nothing that is held already.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shelflife.control.crashpoints import reached
from shelflife.control.tables import batch as batch_table
from shelflife.errors import CommitConflict, KeyDestroyed, LeaseExpired
from shelflife.keys import leases
from shelflife.lake import record
from shelflife.lake.batches import open_batch
from shelflife.lake.catalog import check_partitions, make_live, move_partitions, partitions
from shelflife.lake.leasing import held_lease
from shelflife.lake.unseal import HELD
from shelflife.lineage import record as lineage
from shelflife.retention.coverage import coverage
from shelflife.retention.held_rows import RAW
from shelflife.retention.holds import active_holds, covering, people_of
from shelflife.retention.resealing import Resealed, Task, fresh_rows, reseal
from shelflife.subjects.directory import PROFILE_STREAM, by_identity_pid, everyone

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Collection, Iterator, Sequence

    import sqlalchemy as sa

    from shelflife.control.database import Transaction
    from shelflife.estate import Estate
    from shelflife.lake.batches import Batch
    from shelflife.retention.holds import Hold
    from shelflife.subjects.directory import Subject

ATTEMPTS = 5


@dataclass(frozen=True)
class Preserved:
    """What was preserved, in counts.

    Attributes:
        rows: rows that were sealed again by this call; a row that two holds cover counts twice.
        people: whose rows they are.
        partitions: held partitions that grew.
        covered: rows that holds cover of what was asked for, with those that were held before: what stays.
    """

    rows: int = 0
    people: int = 0
    partitions: int = 0
    covered: int = 0


def preserve(
    estate: Estate,
    people: Collection[bytes] | None,
    streams: Collection[str] | None,
    *,
    clock: Callable[[], dt.datetime],
    reason: str,
    partition_ids: Collection[str] | None = None,
) -> Preserved:
    """Seal the held rows of people, or of whole partitions, again under the keys of the holds that cover them.

    Args:
        estate: the estate.
        people: identity-zone pseudonyms of people whose rows are about to go; everyone's when absent.
        streams: the streams that are about to go; every one when absent.
        clock: gives the time.
        reason: a word for the ledger: `purge`, `erasure`.
        partition_ids: the partitions that are about to go; every one when absent.

    Returns:
        What was added. Once this returns, everything that an active hold covers is held.

    Raises:
        CommitConflict: other processes kept changing the same partitions; run it again.
        SealBroken: a file was altered.
    """
    for _ in range(ATTEMPTS - 1):
        try:
            return _preserve(estate, people, streams, partition_ids, clock, reason)
        except (CommitConflict, LeaseExpired, KeyDestroyed):
            continue
    return _preserve(estate, people, streams, partition_ids, clock, reason)


def _preserve(
    estate: Estate,
    people: Collection[bytes] | None,
    streams: Collection[str] | None,
    partition_ids: Collection[str] | None,
    clock: Callable[[], dt.datetime],
    reason: str,
) -> Preserved:
    with estate.database.read() as conn:
        tasks = list(_tasks(estate, conn, people, streams, partition_ids))
    if not tasks:
        return Preserved()
    made: list[Resealed] = []
    with held_lease(estate, "preserve", clock) as first, ExitStack() as stack:
        lease, covered = first, 0
        batch: Batch | None = None
        for task in tasks:
            seen, fresh = fresh_rows(estate, task, batch.batch_id if batch else None)
            covered += seen
            if fresh is None:
                continue
            batch = batch or stack.enter_context(open_batch(estate, clock()))
            made.append(reseal(estate, task, fresh, batch, clock()))
            with estate.database.commit() as tx:
                lease = leases.renew(tx, lease, clock(), estate.settings.lease_seconds)
        if batch is not None:
            reached("hold.before_commit")
            with estate.database.commit() as tx:
                lease.check(tx.conn, clock())
                _commit(estate, tx, batch, made, clock(), reason)
                reached("hold.in_commit")
            reached("hold.committed")
    return Preserved(
        rows=sum(one.samples for one in made),
        people=len(frozenset().union(*(one.people for one in made))),
        partitions=len({one.home.partition_id for one in made}),
        covered=covered,
    )


def _tasks(
    estate: Estate,
    conn: sa.Connection,
    people: Collection[bytes] | None,
    streams: Collection[str] | None,
    partition_ids: Collection[str] | None,
) -> Iterator[Task]:
    holds = active_holds(conn) if people is None else covering(conn, people, streams)
    if not holds:
        return
    homes = [
        home
        for home in partitions(conn, zone=RAW)
        if (partition_ids is None or home.partition_id in partition_ids)
        and (streams is None or home.stream in streams)
    ]
    for one in holds:
        covered = [h for h in homes if coverage(one, h.table_name, h.stream, h.period) != "none"]
        if not covered:
            continue
        held = {person.raw_pid: person for person in _people(estate, conn, one, people)}
        for home in covered:
            yield Task(one, home.partition_id, held)


def _people(
    estate: Estate, conn: sa.Connection, one: Hold, people: Collection[bytes] | None
) -> Sequence[Subject]:
    """Return the people of a hold whose rows can still be opened, of those asked for."""
    if one.everyone and people is None:
        return everyone(estate, conn)
    named = set(people or ()) if one.everyone else set(people_of(conn, one.hold_id))
    wanted = sorted(named if people is None else named & set(people))
    keys = estate.keyrings["identity"].keys(conn, wanted, PROFILE_STREAM)
    return list(by_identity_pid(estate, conn, [pid for pid in wanted if keys.get(pid) is not None]).values())


def _commit(
    estate: Estate,
    tx: Transaction,
    batch: Batch,
    made: Sequence[Resealed],
    now: dt.datetime,
    reason: str,
) -> None:
    """Make held rows true.

    Raises:
        CommitConflict: a partition that they came from moved, or their hold was released.
    """
    check_partitions(tx, {one.source.partition_id: one.source.version for one in made})
    move_partitions(tx, {one.home.partition_id: one.held_version for one in made})
    for one in made:
        make_live(
            tx,
            one.file.file_id,
            rows=len(one.people),
            samples=one.samples,
            size=one.size,
            sha256=one.sha256,
        )
    _record(estate, tx, batch, made, now, reason)
    # Held rows were judged when they were landed; what failed then is held as it is.
    here = batch_table.c.batch_id == batch.batch_id
    tx.conn.execute(batch_table.update().where(here).values(verdict="passed"))
    record.close_batch(tx, batch, now)


def _record(
    estate: Estate, tx: Transaction, batch: Batch, made: Sequence[Resealed], now: dt.datetime, reason: str
) -> None:
    rows = sum(one.samples for one in made)
    run = lineage.start_run(tx, "preserve", "preserve", batch.started_at, facts={"rows": rows})
    for table_name in sorted({one.source.table_name for one in made}):
        mine = [one for one in made if one.source.table_name == table_name]
        lineage.add_inputs(tx, run, f"{RAW}/{table_name}", [one.source.partition_id for one in mine])
        kept: dict[str, int] = {}
        for one in mine:
            kept[one.home.partition_id] = kept.get(one.home.partition_id, 0) + one.samples
        lineage.add_outputs(tx, run, f"{RAW}/{HELD}{table_name}", kept, size=sum(one.size for one in mine))
    [position] = estate.ledger.append(
        tx,
        [
            {
                "type": "preserve",
                "batch": batch.batch_id,
                "reason": reason,
                "holds": sorted({one.home.retention_class for one in made}),
                "partitions": len({one.home.partition_id for one in made}),
                "rows": rows,
            }
        ],
        now,
    )
    lineage.finish_run(tx, run, now, facts={"ledger_position": position})
