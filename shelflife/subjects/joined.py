"""Subjects that were merged into a person: whom a restored backup could bring back beside them.

The current estate has nothing of them any more. A backup from before the merge has, so that erasing the person must name
them too. What names them lies sealed under the person's identity key, in the record of the merge.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import sqlalchemy as sa

from shelflife.control.subject_tables import identity_change
from shelflife.errors import KeyDestroyed
from shelflife.keys.keyrings import KEYRING_SLOTS, slot_of
from shelflife.seal.values import open_value, seal_value
from shelflife.subjects.directory import PROFILE_STREAM, profile_key, subject_from

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime
    from typing import Any

    from shelflife.control.database import Transaction
    from shelflife.estate import Estate

BEGUN = ("moved", "settled", "cleared", "rewritten")
"""States of an identity change whose end still needs the keys of whoever keeps its record."""

_CONTEXT = "identity-change"
_MERGED = sa.and_(identity_change.c.kind == "merge", ~identity_change.c.state.in_(("prepared", "withdrawn")))


@dataclass(frozen=True)
class Joined:
    """Someone who was merged into a person.

    Attributes:
        subject_id: who they were (16 bytes).
        rings: by zone, the number of the keyring that they had.
    """

    subject_id: bytes = field(repr=False)
    rings: Mapping[str, int]

    def keys(self, streams: Collection[str] | None) -> dict[str, list[int]]:
        """Return by zone the numbers of the keys that they had: of the named streams, or all."""
        if streams is None:
            return {zone: [ring + slot for slot in range(KEYRING_SLOTS)] for zone, ring in self.rings.items()}
        return {"raw": [self.rings["raw"] + slot_of(stream) for stream in streams]}


def joined_into(estate: Estate, conn: sa.Connection, pid: bytes) -> list[Joined]:
    """Return everybody who was ever merged into a person, directly or through others.

    Args:
        estate: the estate.
        conn: a connection.
        pid: the person's identity-zone pseudonym.
    """
    rows = conn.execute(sa.select(identity_change).where(_MERGED, identity_change.c.pid == pid)).all()
    key = estate.keyrings["identity"].keys(conn, [pid], PROFILE_STREAM).get(pid) if rows else None
    return [] if key is None else [one for row in rows for one in _opened(key, row)]


def ended_by(estate: Estate, conn: sa.Connection, change_id: str) -> bytes:
    """Return the id of the subject (16 bytes) that a merge ended.

    Raises:
        KeyDestroyed: the person who remained was erased since.
    """
    row = conn.execute(sa.select(identity_change).where(identity_change.c.change_id == change_id)).one()
    if row.pid is None:
        raise KeyDestroyed(
            "The person of this change was erased meanwhile.", remedy="Nothing is left to be done."
        )
    return _opened(profile_key(estate, conn, bytes(row.pid)), row)[0].subject_id


def remember_joined(
    estate: Estate, tx: Transaction, change_id: str, pid: bytes, everybody: Sequence[Joined]
) -> None:
    """Seal into the record of a merge who was merged into a person by it, with those merged into them before."""
    body = [{"subject_id": one.subject_id.hex(), "rings": dict(one.rings)} for one in everybody]
    content = json.dumps({"joined": body}).encode()
    sealed = seal_value(profile_key(estate, tx.conn, pid), content, context(change_id))
    here = identity_change.c.change_id == change_id
    tx.conn.execute(identity_change.update().where(here).values(pid=pid, sealed=sealed))


def forget_joined(tx: Transaction, pids: Collection[bytes]) -> None:
    """Remove what identity changes hold of people."""
    here = identity_change.c.pid.in_(list(pids))
    tx.conn.execute(identity_change.update().where(here).values(pid=None, sealed=None))


def keepers_of_begun(conn: sa.Connection) -> set[bytes]:
    """Return the identity-zone pseudonyms of whoever keeps the record of a change that was begun and not finished."""
    rows = conn.execute(sa.select(identity_change.c.pid).where(identity_change.c.state.in_(BEGUN))).scalars()
    return {bytes(pid) for pid in rows if pid is not None}


def withdraw_about(estate: Estate, tx: Transaction, pids: Collection[bytes], now: datetime) -> int:
    """Withdraw the prepared changes that people are a part of, before their keys are destroyed; return how many.

    The record lies under one person's key and names the other, too, who must not stay named by it.

    Args:
        estate: the estate.
        tx: the transaction that erases the people.
        pids: their identity-zone pseudonyms.
        now: the time.
    """
    waiting = sa.select(identity_change).where(
        identity_change.c.state == "prepared", identity_change.c.pid.is_not(None)
    )
    rows = tx.conn.execute(waiting).all()
    keys = estate.keyrings["identity"].keys(tx.conn, sorted({bytes(row.pid) for row in rows}), PROFILE_STREAM)
    gone = []
    for row in rows:
        key = keys.get(bytes(row.pid))
        body = None if key is None else json.loads(open_value(key, bytes(row.sealed), context(row.change_id)))
        both = [] if body is None else [bytes.fromhex(body[name]) for name in ("source", "target")]
        if any(subject_from(estate, tx.conn, one).identity_pid in pids for one in both):
            gone.append(row.change_id)
    withdrawn = {"state": "withdrawn", "pid": None, "sealed": None, "finished_at": now}
    for change_id in gone:
        here = identity_change.c.change_id == change_id
        tx.conn.execute(identity_change.update().where(here).values(**withdrawn))
    return len(gone)


def _opened(key: bytes, row: sa.Row[Any]) -> list[Joined]:
    body = json.loads(open_value(key, bytes(row.sealed), context(row.change_id)))
    return [Joined(bytes.fromhex(one["subject_id"]), one["rings"]) for one in body["joined"]]


def context(change_id: str) -> tuple[str, str]:
    """Return the place that the sealed part of an identity change is bound to."""
    return _CONTEXT, change_id
