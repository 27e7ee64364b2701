"""The one commit of a purge: keys gone, partitions closed, files retired, old records deleted, all of it recorded."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from shelflife.control.crashpoints import reached
from shelflife.control.tables import purge_plan
from shelflife.errors import PlanOutdated
from shelflife.journal.destruction import Destruction
from shelflife.journal.journal import record as journal
from shelflife.keys.leases import advance_epoch
from shelflife.lake.catalog import destroy_partitions, files_of_partitions, partitions_by_id
from shelflife.lineage import record as lineage
from shelflife.retention.destroying import closed, keys_of
from shelflife.retention.holds import scope_digest
from shelflife.retention.reading import files_digest
from shelflife.retention.records import REQUESTS, doomed_requests, remove_records

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    from shelflife.control.database import Transaction
    from shelflife.estate import Estate
    from shelflife.lake.catalog import DataFile, Partition
    from shelflife.ledger.entries import JSON
    from shelflife.retention.stages import ExpirePartitions, Line, Plan

IDENTITY = "identity"


@dataclass(frozen=True)
class Expired:
    """What the commit of a purge took away, in counts."""

    partitions: int = 0
    rows: int = 0
    keys: int = 0
    records: int = 0


def expire(
    estate: Estate,
    plan_id: str,
    plan: Plan,
    stage: ExpirePartitions,
    facts: Mapping[str, int],
    now: dt.datetime,
) -> Expired:
    """Destroy a plan's partitions, exactly as planned or not at all.

    Takes as long as there are keys and files, whatever the number of rows.

    Args:
        estate: the estate.
        plan_id: the plan.
        plan: the plan.
        stage: the stage of it that this is.
        facts: counts of the stages before, to be kept with the plan.
        now: the time.

    Raises:
        PlanOutdated: a partition, its files or a hold is not what the plan was made from.
    """
    with estate.database.commit() as tx:
        if tx.conn.execute(sa.select(purge_plan).where(purge_plan.c.plan_id == plan_id)).first() is not None:
            raise outdated("Another process is applying this plan.")
        check_unmoved(tx.conn, plan, stage.lines)
        homes = sorted(
            partitions_by_id(tx.conn, [line.partition_id for line in stage.lines]).values(),
            key=lambda home: home.partition_id,
        )
        files = files_of_partitions(tx.conn, [home.partition_id for home in homes])
        requests = [
            found
            for line in stage.records
            if line.kind == REQUESTS
            for found in doomed_requests(tx.conn, line.through)
        ]
        keys = keys_of(homes, files)
        if numbers := [number for _, number in requests if number is not None]:
            keys[IDENTITY] = sorted([*keys.get(IDENTITY, []), *numbers])
        gone = Destruction(
            kind="purge",
            record_id=plan_id,
            at=now,
            keys=keys,
            partitions=closed(homes),
            files=[file.file_id for file in files],
            requests=[request_id for request_id, _ in requests],
        )
        journal(estate, tx.conn, gone)
        destroyed = destroy_partitions(estate, tx, homes, keys, now)
        removed = {line.kind: remove_records(tx, line.kind, line.through) for line in stage.records}
        advance_epoch(tx)
        done = Expired(len(homes), sum(file.samples for file in files), destroyed, sum(removed.values()))
        _record(estate, tx, plan_id, homes, files, done, removed, now)
        kept = {**facts, **done.__dict__}
        tx.conn.execute(
            purge_plan.insert().values(plan_id=plan_id, state="applying", made_at=plan.made_at, facts=kept)
        )
        reached("purge.in_commit")
    reached("purge.committed")
    return done


def check_unmoved(conn: sa.Connection, plan: Plan, lines: Sequence[Line]) -> None:
    """Make sure that holds and the partitions that go are what a plan was made from.

    Raises:
        PlanOutdated: they are not.
    """
    if scope_digest(conn) != plan.holds_digest:
        raise outdated("A hold was placed, widened or released since the plan was made.")
    ids = [line.partition_id for line in lines]
    homes = partitions_by_id(conn, ids)
    files: dict[str, list[str]] = {}
    for file in files_of_partitions(conn, ids):
        files.setdefault(file.partition_id, []).append(file.file_id)
    for line in lines:
        home = homes.get(line.partition_id)
        same = home is not None and home.state == "open" and home.version == line.version
        if not same or files_digest(files.get(line.partition_id, [])) != line.files_digest:
            raise outdated(f"A partition of the table {line.table_name} changed since the plan was made.")


def outdated(what: str) -> PlanOutdated:
    """Return the error for a plan that no longer fits the estate."""
    return PlanOutdated(what, remedy="Nothing was removed. Make a new plan with `shelflife plan`.")


def _record(
    estate: Estate,
    tx: Transaction,
    plan_id: str,
    homes: Sequence[Partition],
    files: Sequence[DataFile],
    done: Expired,
    removed: Mapping[str, int],
    now: dt.datetime,
) -> None:
    rows: Counter[str] = Counter()
    for file in files:
        rows[file.partition_id] += file.samples
    facts: dict[str, int | bool | str] = {
        "plan": plan_id,
        "partitions": done.partitions,
        "rows": done.rows,
        "keys": done.keys,
    }
    run = lineage.start_run(tx, "purge", "purge", now, facts=facts)
    for dataset, items in _items(homes, files).items():
        lineage.add_inputs(tx, run, dataset, items)
    entry: dict[str, JSON] = {
        "type": "purge",
        **facts,
        "tables": _tables(homes, rows),
        "records": dict(removed),
    }
    [position] = estate.ledger.append(tx, [entry], now)
    lineage.finish_run(tx, run, now, facts={"ledger_position": position})


def _tables(homes: Sequence[Partition], rows: Mapping[str, int]) -> list[JSON]:
    """Sum up what goes by table and class."""
    groups: dict[tuple[str, str], list[Partition]] = {}
    for home in homes:
        groups.setdefault((f"{home.zone}/{home.table_name}", home.retention_class), []).append(home)
    return [
        {
            "table": table,
            "class": retention_class,
            "partitions": len(mine),
            "rows": sum(rows[home.partition_id] for home in mine),
            "first": min(home.period for home in mine),
            "last": max(home.period for home in mine),
        }
        for (table, retention_class), mine in sorted(groups.items())
    ]


def _items(homes: Sequence[Partition], files: Sequence[DataFile]) -> dict[str, set[str]]:
    """Return what is removed as lineage names it: raw partitions by id, other files by period and bucket."""
    periods = {home.partition_id: home.period for home in homes}
    found: dict[str, set[str]] = {}
    for home in homes:
        if home.zone == "raw":
            found.setdefault(f"raw/{home.table_name}", set()).add(home.partition_id)
    for file in files:
        if file.zone != "raw":
            item = f"{periods[file.partition_id]}/{file.bucket}"
            found.setdefault(f"{file.zone}/{file.table_name}", set()).add(item)
    return found
