"""The destructions since a backup, merged into one and done again in one transaction.

Everything here can be repeated: a destruction that the restored database has seen already changes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from shelflife.control.bulk import chunks
from shelflife.control.subject_tables import (
    alias,
    consent,
    identity_change,
    landing_key,
    subject,
    tombstone,
    upload_device,
)
from shelflife.control.tables import (
    awaiting_rewrite,
    batch,
    data_file,
    hold,
    hold_subject,
    key_counter,
    keyring,
    lease,
    partition,
    request,
)
from shelflife.keys.keyrings import KEYRING_SLOTS
from shelflife.keys.leases import advance_epoch
from shelflife.keys.tree import KEYS_A_KIND, KeyKind
from shelflife.subjects.periods import as_text, from_text, united

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from shelflife.control.database import Transaction
    from shelflife.estate import Estate
    from shelflife.journal.destruction import (
        AwaitingRewrite,
        ConsentRow,
        Continuation,
        DestroyedPartition,
        Destruction,
        Tombstone,
    )

RAW = "raw"
_VALUES = 400


@dataclass
class Replay:
    """Many destructions as one; each thing at most once.

    Attributes:
        erased: those of them that are about people, oldest first.
    """

    keys: defaultdict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    subjects: set[bytes] = field(default_factory=set)
    alias_macs: set[bytes] = field(default_factory=set)
    tombstones: dict[bytes, Tombstone] = field(default_factory=dict)
    keyrings: defaultdict[str, set[bytes]] = field(default_factory=lambda: defaultdict(set))
    partitions: dict[str, DestroyedPartition] = field(default_factory=dict)
    files: set[str] = field(default_factory=set)
    awaiting: dict[tuple[str, bytes], AwaitingRewrite] = field(default_factory=dict)
    holds: set[str] = field(default_factory=set)
    requests: set[str] = field(default_factory=set)
    revoked_devices: set[bytes] = field(default_factory=set)
    withdrawals: dict[tuple[bytes, int], ConsentRow] = field(default_factory=dict)
    continuations: dict[str, Continuation] = field(default_factory=dict)
    erased: list[Destruction] = field(default_factory=list)


@dataclass(frozen=True)
class Replayed:
    """What a replay took away, in counts; zero where it was gone already."""

    keys: int = 0
    subjects: int = 0
    partitions: int = 0
    batches: int = 0


def merge(destructions: Iterable[Destruction]) -> Replay:
    """Return many destructions, oldest first, as one. Pure."""
    merged = Replay()
    for one in destructions:
        for zone, numbers in one.keys.items():
            merged.keys[zone].update(numbers)
        for zone, pids in one.keyrings.items():
            merged.keyrings[zone].update(pids)
        merged.subjects.update(one.subjects)
        merged.alias_macs.update(one.alias_macs)
        merged.tombstones |= {stone.alias_mac: stone for stone in one.tombstones}
        merged.partitions |= {home.partition_id: home for home in one.partitions}
        merged.files.update(one.files)
        merged.awaiting |= {(row.table_name, row.pid): row for row in one.awaiting}
        merged.holds.update(one.holds)
        merged.requests.update(one.requests)
        merged.revoked_devices.update(one.revoked_devices)
        merged.withdrawals |= {(row.pid, row.position): row for row in one.withdrawals}
        if one.continuation is not None:
            merged.continuations[one.continuation.request_id] = one.continuation
        if one.subjects or one.streams is not None:
            merged.erased.append(one)
    return merged


def people_to_scrub(conn: sa.Connection, replay: Replay) -> dict[tuple[str, ...] | None, set[bytes]]:
    """Return the raw-zone pseudonyms of the erased by the streams that went (None for all).

    Someone who only lost a stream is found through the ring that its key lies in.
    """
    found: defaultdict[tuple[str, ...] | None, set[bytes]] = defaultdict(set)
    for one in replay.erased:
        streams = None if one.streams is None else tuple(sorted(one.streams))
        found[streams].update(one.keyrings.get(RAW, ()))
        rings = {number - number % KEYRING_SLOTS for number in one.keys.get(RAW, ()) if number < KEYS_A_KIND}
        for chunk in chunks(sorted(rings), _VALUES):
            query = sa.select(keyring.c.pid).where(keyring.c.zone == RAW, keyring.c.number.in_(chunk))
            found[streams].update(bytes(pid) for pid in conn.execute(query).scalars())
    return dict(found)


def prepare(tx: Transaction, replay: Replay, now: datetime) -> None:
    """Do what must come before anything is sealed anew.

    The high-water marks move past every key number that the replay destroys, so that no fresh key gets one of them; and
    holds that were released since set nothing aside any more.
    """
    _skip_numbers(tx.conn, replay.keys)
    _update(tx.conn, hold.c.hold_id, replay.holds, state="released", released_at=now)


def apply(estate: Estate, tx: Transaction, replay: Replay, now: datetime) -> Replayed:
    """Take everything away that was taken away since the backup, and what was being written when it was made.

    Args:
        estate: the estate, opened while it is being restored.
        tx: the transaction that all of it becomes true with.
        replay: the destructions.
        now: the time.
    """
    conn = tx.conn
    batches, pending = _give_up(conn, now)
    closed, numbers = _close_partitions(conn, replay, now)
    for zone, more in (*pending.items(), *numbers.items()):
        replay.keys[zone].update(more)
    keys = sum(estate.trees[zone].destroy(tx, found, now) for zone, found in sorted(replay.keys.items()))
    _retire(conn, data_file.c.file_id, replay.files, now)
    people = _forget_people(conn, replay, now)
    _withdraw(conn, replay.withdrawals.values())
    _bury(conn, replay.tombstones.values())
    _await_rewrites(conn, replay.awaiting.values())
    _delete(conn, hold_subject.c.hold_id, replay.holds)
    _update(conn, upload_device.c.device_mac, replay.revoked_devices, state="revoked")
    gone = {"state": "retired", "sealed": None, "key_number": None}
    _update(conn, landing_key.c.key_number, replay.keys["identity"], **gone)
    _update(conn, request.c.request_id, replay.requests, sealed=None, manifest=None, key_number=None)
    conn.execute(lease.delete())
    advance_epoch(tx)
    return Replayed(keys, people, closed, batches)


def _give_up(conn: sa.Connection, now: datetime) -> tuple[int, dict[str, set[int]]]:
    """Give up the batches that were open; return how many, and the keys of their files by zone."""
    pending = data_file.c.state == "pending"
    rows = conn.execute(sa.select(data_file.c.zone, data_file.c.key_number).where(pending)).all()
    conn.execute(data_file.update().where(pending).values(state="replaced", replaced_at=now))
    given_up = batch.update().where(batch.c.state == "open").values(state="abandoned")
    return conn.execute(given_up).rowcount, _numbers(rows)


def _close_partitions(conn: sa.Connection, replay: Replay, now: datetime) -> tuple[int, dict[str, set[int]]]:
    """Close partitions, the unknown ones too; return how many were open, and the keys of what lay in them."""
    closed, numbers = 0, defaultdict[str, set[int]](set)
    for home in replay.partitions.values():
        named = (
            (partition.c.zone == home.zone)
            & (partition.c.table_name == home.table_name)
            & (partition.c.retention_class == home.retention_class)
            & (partition.c.period == home.period)
        )
        known = conn.execute(sa.select(partition).where(named)).one_or_none()
        if known is None:
            conn.execute(partition.insert().values(**vars(home), state="destroyed", version=1))
            continue
        here = data_file.c.partition_id == known.partition_id
        files = conn.execute(
            sa.select(data_file.c.zone, data_file.c.key_number).where(here, _standing())
        ).all()
        for zone, more in _numbers([*files, (home.zone, known.key_number)]).items():
            numbers[zone] |= more
        conn.execute(data_file.update().where(here, _standing()).values(state="replaced", replaced_at=now))
        closing = partition.update().where(named, partition.c.state == "open")
        closed += conn.execute(closing.values(state="destroyed", version=known.version + 1)).rowcount
    return closed, numbers


def _skip_numbers(conn: sa.Connection, keys: Mapping[str, set[int]]) -> None:
    """Move the high-water marks past every number that was given since the backup: none is ever used again."""
    for zone, numbers in keys.items():
        for kind in KeyKind:
            mine = [number % KEYS_A_KIND for number in numbers if number // KEYS_A_KIND == kind]
            if not mine:
                continue
            here = (key_counter.c.zone == zone) & (key_counter.c.kind == int(kind))
            mark = conn.execute(sa.select(key_counter.c.next).where(here)).scalar()
            if mark is None:
                conn.execute(key_counter.insert().values(zone=zone, kind=int(kind), next=max(mine) + 1))
            elif mark <= max(mine):
                conn.execute(key_counter.update().where(here).values(next=max(mine) + 1))


def _forget_people(conn: sa.Connection, replay: Replay, now: datetime) -> int:
    """Remove the directory's rows; return how many people that is."""
    _delete(conn, consent.c.pid, replay.subjects)
    _delete(conn, upload_device.c.pid, replay.subjects)
    _delete(conn, alias.c.alias_mac, replay.alias_macs)
    _delete(conn, alias.c.pid, replay.subjects)
    _update(conn, identity_change.c.pid, replay.subjects, pid=None, sealed=None)
    if replay.subjects:
        # Its record may name one of these people under another's key; which one does, no row says.
        withdrawn = {"state": "withdrawn", "pid": None, "sealed": None, "finished_at": now}
        _update(conn, identity_change.c.state, ["prepared"], **withdrawn)
    gone = _delete(conn, subject.c.pid, replay.subjects)
    for zone, pids in replay.keyrings.items():
        _delete(conn, keyring.c.pid, pids, keyring.c.zone == zone)
    return gone


def _bury(conn: sa.Connection, stones: Iterable[Tombstone]) -> None:
    """Record tombstones; one that was lifted before the person was erased once more counts again."""
    for stone in stones:
        here = tombstone.c.alias_mac == stone.alias_mac
        known = conn.execute(sa.select(tombstone).where(here)).one_or_none()
        if known is None:
            conn.execute(tombstone.insert().values(**vars(stone)))
        elif known.registered_again_at is None or known.registered_again_at <= stone.erased_at:
            conn.execute(tombstone.update().where(here).values(**_again(known, stone)))


def _again(known: sa.Row[Any], stone: Tombstone) -> dict[str, Any]:
    """Return a tombstone that refuses what it refused before, and what it refused when it was recorded last."""
    if known.registered_again_at is not None:
        again = {"erased_at": stone.erased_at, "reason": stone.reason, "registered_again_at": None}
        return {**again, "periods": stone.periods}
    if known.periods is None or stone.periods is None:
        return {"periods": None}
    return {"periods": as_text(united([*from_text(known.periods), *from_text(stone.periods)]))}


def _withdraw(conn: sa.Connection, rows: Iterable[ConsentRow]) -> None:
    """Put rows of the ledger of consent back, of people who are there; a row that is there stays as it is."""
    for row in rows:
        here = (consent.c.pid == row.pid) & (consent.c.position == row.position)
        there = conn.execute(sa.select(sa.literal(1)).where(subject.c.pid == row.pid)).first()
        if there is not None and conn.execute(sa.select(sa.literal(1)).where(here)).first() is None:
            conn.execute(consent.insert().values(**vars(row)))


def _await_rewrites(conn: sa.Connection, rows: Iterable[AwaitingRewrite]) -> None:
    for row in rows:
        here = (awaiting_rewrite.c.table_name == row.table_name) & (awaiting_rewrite.c.pid == row.pid)
        if conn.execute(sa.select(sa.literal(1)).where(here)).first() is None:
            conn.execute(awaiting_rewrite.insert().values(**vars(row)))


def _retire(conn: sa.Connection, column: sa.Column[Any], ids: Iterable[str], now: datetime) -> None:
    for chunk in chunks(sorted(ids), _VALUES):
        here = data_file.update().where(column.in_(chunk), _standing())
        conn.execute(here.values(state="replaced", replaced_at=now))


def _standing() -> sa.ColumnElement[bool]:
    return data_file.c.state.in_(("live", "pending"))


def _numbers(rows: Iterable[Any]) -> dict[str, set[int]]:
    found: defaultdict[str, set[int]] = defaultdict(set)
    for zone, number in rows:
        if number is not None:
            found[zone].add(number)
    return found


def _update(conn: sa.Connection, column: sa.Column[Any], values: Iterable[Any], **change: Any) -> None:
    for found in _in(column, values):
        conn.execute(sa.update(column.table).where(found).values(**change))


def _delete(
    conn: sa.Connection, column: sa.Column[Any], values: Iterable[Any], *more: sa.ColumnElement[bool]
) -> int:
    return sum(
        conn.execute(sa.delete(column.table).where(found, *more)).rowcount for found in _in(column, values)
    )


def _in(column: sa.Column[Any], values: Iterable[Any]) -> Iterator[sa.ColumnElement[bool]]:
    for chunk in chunks(sorted(values), _VALUES):
        yield column.in_(chunk)
