"""Releasing a hold: everything that it kept is destroyed, in one commit, and what it postponed is thereby done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shelflife.control.crashpoints import reached
from shelflife.control.tables import hold, hold_subject
from shelflife.journal.destruction import Destruction
from shelflife.journal.journal import record as journal
from shelflife.keys.keyrings import KEYRING_SLOTS
from shelflife.keys.leases import advance_epoch
from shelflife.lake.catalog import destroy_partitions, files_of_partitions
from shelflife.lake.collect import collect
from shelflife.lake.record import publish
from shelflife.lineage import record as lineage
from shelflife.retention.destroying import closed, keys_of
from shelflife.retention.held_rows import RAW, held_partitions
from shelflife.retention.holds import find_hold, people_of

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping, Sequence

    from shelflife.control.database import Transaction
    from shelflife.estate import Estate
    from shelflife.lake.catalog import Partition
    from shelflife.ledger.entries import JSON
    from shelflife.retention.holds import Hold

IDENTITY = "identity"


@dataclass(frozen=True)
class Released:
    """What a release destroyed, in counts; all zero when the hold was released already."""

    hold_id: str
    people: int = 0
    partitions: int = 0
    rows: int = 0
    keys_destroyed: int = 0


def release(estate: Estate, hold_id: str, *, clock: Callable[[], dt.datetime]) -> Released:
    """Release a hold: destroy the keys of its partitions, its people's keyrings and its own key.

    Partitions that were only kept because of it go with the next plan. Repeating a release changes nothing.

    Raises:
        ConfigurationError: there is no hold of this id.
    """
    with estate.database.commit() as tx:
        one = find_hold(tx.conn, hold_id)
        done = _release(estate, tx, one, clock()) if one.state == "active" else Released(hold_id)
        reached("release.in_commit")
    reached("release.committed")
    collect(estate, clock())
    publish(estate, clock())
    return done


def _release(estate: Estate, tx: Transaction, one: Hold, now: dt.datetime) -> Released:
    homes = held_partitions(tx.conn, one)
    files = files_of_partitions(tx.conn, [home.partition_id for home in homes])
    hold_pids = sorted(people_of(tx.conn, one.hold_id).values())
    keys = _keys(estate, tx, one, keys_of(homes, files), hold_pids)
    gone = Destruction(
        kind="release",
        record_id=one.hold_id,
        at=now,
        keys=keys,
        keyrings={RAW: hold_pids},
        partitions=closed(homes),
        files=[file.file_id for file in files],
        holds=[one.hold_id],
    )
    journal(estate, tx.conn, gone)
    destroyed = destroy_partitions(estate, tx, homes, keys, now)
    # The keys are gone; this removes the rows of the keyrings.
    estate.keyrings[RAW].destroy(tx, hold_pids, now)
    tx.conn.execute(hold_subject.delete().where(hold_subject.c.hold_id == one.hold_id))
    here = hold.c.hold_id == one.hold_id
    tx.conn.execute(hold.update().where(here).values(state="released", released_at=now))
    advance_epoch(tx)
    rows = sum(file.samples for file in files)
    _record(estate, tx, one, homes, rows, now)
    return Released(one.hold_id, len(hold_pids), len(homes), rows, destroyed)


def _keys(
    estate: Estate,
    tx: Transaction,
    one: Hold,
    of_partitions: Mapping[str, Sequence[int]],
    hold_pids: Sequence[bytes],
) -> dict[str, list[int]]:
    """Return the numbers of all keys of a hold by zone: its partitions', its people's and its own."""
    keys = {zone: list(numbers) for zone, numbers in of_partitions.items()}
    rings = estate.keyrings[RAW].numbers(tx.conn, hold_pids).values()
    slots = [first + slot for first in rings for slot in range(KEYRING_SLOTS)]
    keys[RAW] = sorted([*keys.get(RAW, []), *slots])
    keys[IDENTITY] = [one.key_number] if one.key_number is not None else []
    return keys


def _record(
    estate: Estate, tx: Transaction, one: Hold, homes: Sequence[Partition], rows: int, now: dt.datetime
) -> None:
    run = lineage.start_run(tx, "release", "release", now, facts={"rows": rows, "hold": one.hold_id})
    for table_name in sorted({home.table_name for home in homes}):
        mine = [home.partition_id for home in homes if home.table_name == table_name]
        lineage.add_inputs(tx, run, f"{RAW}/{table_name}", mine)
    entry: dict[str, JSON] = {
        "type": "hold_released",
        "hold": one.hold_id,
        "partitions": len(homes),
        "rows": rows,
    }
    [position] = estate.ledger.append(tx, [entry], now)
    lineage.finish_run(tx, run, now, facts={"ledger_position": position})
