"""The ledger's rows in the control database, and the edge of the tree that lets it grow without reading them.

Each stored checkpoint carries, below the log's signature, a line under the key name `frontier` that holds the right
edge of the tree at that size. It is no signature: every reader of notes ignores it, as the format demands for
unknown keys (type 0xff, c2sp.org/signed-note). It needs none either: its hashes fold to the root that is signed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from shelflife.control.tables import ledger_checkpoint, ledger_leaf
from shelflife.errors import LedgerBroken
from shelflife.ledger.checkpoint import Checkpoint, open_checkpoint
from shelflife.ledger.frontier import Frontier, Growth
from shelflife.ledger.merkle import HASH_BYTES
from shelflife.ledger.notes import Note, Signature, key_id

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Sequence

    from shelflife.ledger.notes import VerifierKey

_FRONTIER_NAME = "frontier"
_FRONTIER_KEY_ID = key_id(_FRONTIER_NAME, b"\xffshelflife/frontier/v1")
_CHUNK_ROWS = 10_000
_REMEDY = "Verify the ledger, and compare it with the witness's copy of the newest checkpoint."


@dataclass(frozen=True)
class Head:
    """A checkpoint of the ledger whose signature was checked, its public note, and the tree's edge there."""

    checkpoint: Checkpoint
    note: Note | None
    frontier: Frontier


def read_head(conn: sa.Connection, log: VerifierKey, *, at_most: int | None = None) -> Head:
    """Return the newest checkpoint, or the newest of at most so many leaves; an empty tree's when there is none.

    Raises:
        LedgerBroken: the checkpoint or the edge stored with it was altered.
    """
    query = sa.select(ledger_checkpoint.c.size, ledger_checkpoint.c.note)
    if at_most is not None:
        query = query.where(ledger_checkpoint.c.size <= at_most)
    row = conn.execute(query.order_by(ledger_checkpoint.c.size.desc()).limit(1)).first()
    return (
        Head(Checkpoint.empty(log.name), None, Frontier())
        if row is None
        else open_row(row.size, row.note, log)
    )


def first_head_over(conn: sa.Connection, log: VerifierKey, position: int) -> Head | None:
    """Return the oldest checkpoint whose tree holds a position; none when no signed tree does."""
    query = (
        sa.select(ledger_checkpoint.c.size, ledger_checkpoint.c.note)
        .where(ledger_checkpoint.c.size > position)
        .order_by(ledger_checkpoint.c.size)
        .limit(1)
    )
    row = conn.execute(query).first()
    return None if row is None else open_row(row.size, row.note, log)


def open_row(size: int, stored: str, log: VerifierKey) -> Head:
    """Return a stored checkpoint once its signature, its size and the edge beside it are checked.

    Raises:
        LedgerBroken: one of them does not hold.
    """
    whole = Note.parse(stored)
    note = Note(whole.text, tuple(s for s in whole.signatures if s.name != _FRONTIER_NAME))
    checkpoint = open_checkpoint(note, log)
    edge = whole.signed_by(_FRONTIER_NAME, _FRONTIER_KEY_ID)
    value = edge.value if edge else b""
    frontier = Frontier(size, (value[i : i + HASH_BYTES] for i in range(0, len(value), HASH_BYTES)))
    if checkpoint.size != size or frontier.root() != checkpoint.root:
        raise LedgerBroken(f"The checkpoint stored for size {size} was altered.", remedy=_REMEDY)
    return Head(checkpoint, note, frontier)


def write_checkpoint(conn: sa.Connection, note: Note, frontier: Frontier, now: dt.datetime) -> None:
    """Store a signed checkpoint with the edge of its tree."""
    edge = Signature(_FRONTIER_NAME, _FRONTIER_KEY_ID, b"".join(frontier.hashes))
    stored = Note(note.text, (*note.signatures, edge)).render()
    conn.execute(ledger_checkpoint.insert().values(size=frontier.size, note=stored, signed_at=now))


def write_leaves(conn: sa.Connection, start: int, bodies: Sequence[bytes], hashes: Sequence[bytes]) -> None:
    """Store leaves from a position on."""
    rows = [
        {"position": start + offset, "body": body.decode(), "leaf_hash": hashed}
        for offset, (body, hashed) in enumerate(zip(bodies, hashes, strict=True))
    ]
    conn.execute(ledger_leaf.insert(), rows)


def leaf_count(conn: sa.Connection) -> int:
    """Return one more than the highest position: the number of leaves unless one is missing."""
    highest = conn.execute(sa.select(sa.func.max(ledger_leaf.c.position))).scalar()
    return 0 if highest is None else highest + 1


def read_growth(conn: sa.Connection, log: VerifierKey, start: int, stop: int) -> Growth:
    """Return the tree's growth between two sizes; reads the leaves since the newest checkpoint at or before `start`.

    Raises:
        LedgerBroken: a leaf in between is missing, or that checkpoint was altered.
    """
    base = read_head(conn, log, at_most=start).frontier
    query = (
        sa.select(ledger_leaf.c.leaf_hash)
        .where(ledger_leaf.c.position >= base.size, ledger_leaf.c.position < stop)
        .order_by(ledger_leaf.c.position)
    )
    leaves = list(conn.execute(query).scalars())
    if base.size + len(leaves) != stop:
        raise LedgerBroken(
            f"The ledger misses an entry between positions {base.size} and {stop - 1}.", remedy=_REMEDY
        )
    return Growth(base, leaves)


def all_leaves(conn: sa.Connection) -> Iterator[tuple[int, str, bytes]]:
    """Yield (position, body, stored hash) of every leaf in order, a bounded number of rows in memory."""
    query = sa.select(ledger_leaf.c.position, ledger_leaf.c.body, ledger_leaf.c.leaf_hash)
    for row in _chunked(conn, query, ledger_leaf.c.position):
        yield row[0], row[1], row[2]


def all_checkpoints(conn: sa.Connection) -> Iterator[tuple[int, str]]:
    """Yield (size, stored note) of every checkpoint, smallest first."""
    query = sa.select(ledger_checkpoint.c.size, ledger_checkpoint.c.note)
    for row in _chunked(conn, query, ledger_checkpoint.c.size):
        yield row[0], row[1]


def _chunked(conn: sa.Connection, query: sa.Select[Any], column: sa.ColumnElement[int]) -> Iterator[Any]:
    """Yield a query's rows by its first column, read in pieces that start after the last row seen."""
    ordered = query.order_by(column).limit(_CHUNK_ROWS)
    rows = conn.execute(ordered).all()
    while rows:
        yield from rows
        rows = conn.execute(ordered.where(column > rows[-1][0])).all()
