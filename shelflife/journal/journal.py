"""The journal of destructions: written ahead of every commit that destroys, kept outside of what can be restored.

A backup of the control database brings back what was destroyed after it was made, within the finality window even
the keys. The journal says what that was, so that a restore can destroy it again before anything is served.

`record` writes ahead: first the journal, then the commit. A record whose commit never came is told by the mark, a
counter in the control database that commits with the destruction, and is declared void by the next writer. Each
record is sealed under a secret of the identity zone, in the order of its chain.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import sqlalchemy as sa

from shelflife.control.crashpoints import reached
from shelflife.control.tables import key_counter
from shelflife.errors import LedgerBroken, RestoreIncomplete, SealBroken
from shelflife.estate import Secret
from shelflife.journal.destruction import Destruction, decode, encode
from shelflife.journal.frames import Head, broken
from shelflife.journal.storage import JournalFile
from shelflife.seal.values import open_value, seal_value

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shelflife.config import Settings
    from shelflife.estate import Estate

# The mark is a row in the table of counters: it has to commit with the keys, and counts like them.
_MARK = (key_counter.c.zone == "journal") & (key_counter.c.kind == 0)
_VOID = b"\x00"
_MARKS_BEFORE: WeakKeyDictionary[sa.RootTransaction, int] = WeakKeyDictionary()


@dataclass(frozen=True)
class Record:
    """A destruction with its number in the journal, from 1 on without gaps except for void ones."""

    sequence: int
    destruction: Destruction


def record(estate: Estate, conn: sa.Connection, destruction: Destruction) -> int:
    """Write a destruction ahead of the commit that makes it true.

    Call it in the write transaction that destroys, before the keys are destroyed: when it returns, the record is on
    the disk. If the transaction is rolled back or its process killed, the record becomes void; call it again with the
    destruction itself. Recording what was destroyed already is harmless.

    Args:
        estate: the open estate.
        conn: the connection of the write transaction.
        destruction: all that this commit takes away.

    Returns:
        The record's sequence number.

    Raises:
        LedgerBroken: the journal was cut or altered.
        RestoreIncomplete: the control database is older than the journal.
        StorageError: the journal cannot be written; nothing must be destroyed then.
    """
    return record_all(estate, conn, [destruction])


def record_all(estate: Estate, conn: sa.Connection, destructions: Sequence[Destruction]) -> int:
    """Write several destructions ahead of the one commit that makes all of them true; see `record`.

    All of them are on the disk at the cost of one.

    Returns:
        The last record's sequence number.
    """
    journal, key = _file(estate.settings), _key(estate, conn)
    with journal.opened():
        settled = _settled(journal, conn)
        seals = _voids(journal, key, mark(conn))
        seals += [partial(_sealed, key, encode(destruction)) for destruction in destructions]
        head = journal.append(seals, settled=settled)
    set_mark(conn, head.sequence)
    reached("journal.record.marked")
    return head.sequence


def read_all(estate: Estate, conn: sa.Connection) -> list[Record]:
    """Return every destruction that the journal still holds, oldest first, void ones left out.

    Raises:
        LedgerBroken: the journal was cut, altered, or belongs to another estate.
    """
    journal, key = _file(estate.settings), _key(estate, conn)
    with journal.opened():
        frames = journal.frames()
    opened = {one.after.sequence: _opened(key, one.sealed, one.after.sequence) for one in frames}
    void = {number for content in opened.values() if content[:1] == _VOID for number in _range(content)}
    return [
        Record(number, decode(content))
        for number, content in opened.items()
        if number not in void and content[:1] != _VOID
    ]


def read_since(estate: Estate, conn: sa.Connection, sequence: int) -> list[Record]:
    """Return the destructions after a sequence number, oldest first, void ones left out.

    One whose commit is in doubt, because the control database was lost around it, is among them.

    Args:
        estate: the open estate.
        conn: a connection to look the journal's key up through.
        sequence: the last record that is not wanted.

    Raises:
        LedgerBroken: the journal was cut, altered, belongs to another estate, or has forgotten a wanted record.
    """
    check_holds_since(estate.settings, sequence)
    return [record for record in read_all(estate, conn) if record.sequence > sequence]


def begin(settings: Settings) -> None:
    """Make an empty journal where there is none, so that from now on its absence is an error."""
    journal = _file(settings)
    with journal.opened():
        journal.begin()


def check_holds_since(settings: Settings, sequence: int) -> None:
    """Make sure that the journal exists and holds every record after a sequence number. Needs no key.

    Raises:
        LedgerBroken: it does not.
    """
    journal = _file(settings)
    with journal.opened():
        if not journal.exists():
            broken("is missing")
        if journal.note().base.sequence > sequence:
            broken("no longer holds everything since then")


def head(settings: Settings) -> Head:
    """Return where the journal ends. Needs no key.

    Raises:
        LedgerBroken: the journal was cut or is missing.
    """
    journal = _file(settings)
    with journal.opened():
        return journal.tail()


def check(settings: Settings) -> Head:
    """Read the whole journal, check its chain against the witness's note, and return its head. Needs no key.

    Raises:
        LedgerBroken: the journal was cut or altered.
    """
    journal = _file(settings)
    with journal.opened():
        frames = journal.frames()
        return frames[-1].after if frames else journal.tail()


def forget(settings: Settings, through: int) -> int:
    """Drop the records up to a sequence number for good, once no backup can be opened that lacks them.

    Returns:
        How many were dropped.
    """
    journal = _file(settings)
    with journal.opened():
        return journal.forget(through)


def mark(conn: sa.Connection) -> int:
    """Return the sequence number of the newest record that this database has committed; 0 for none."""
    return conn.execute(sa.select(key_counter.c.next).where(_MARK)).scalar() or 0


def set_mark(conn: sa.Connection, sequence: int) -> None:
    """Note, in a write transaction, that everything up to a record is in this database when it commits."""
    if conn.execute(sa.update(key_counter).where(_MARK).values(next=sequence)).rowcount == 0:
        conn.execute(sa.insert(key_counter).values(zone="journal", kind=0, next=sequence))


def _settled(journal: JournalFile, conn: sa.Connection) -> int:
    """Return the mark as it was committed before this transaction, provided that it fits the journal.

    Raises:
        LedgerBroken: the database has committed records that the journal lacks.
        RestoreIncomplete: another database has committed records that this one lacks.
    """
    note, transaction = journal.note(), conn.get_transaction()
    if transaction is None:
        raise ValueError("A destruction is recorded in the transaction that makes it true.")
    # A second record of one transaction would see the first one's mark, which is not committed.
    committed = _MARKS_BEFORE.setdefault(transaction, mark(conn))
    if committed > journal.tail().sequence:
        broken("holds fewer records than the control database has seen")
    if committed < note.settled:
        raise RestoreIncomplete(
            "The control database is older than the journal of destructions.",
            remedy="Put back the newer database, or restore this one with `shelflife restore`.",
        )
    return committed


def _voids(journal: JournalFile, key: bytes, settled: int) -> list[Callable[[int], bytes]]:
    """Return the record that declares everything after the mark void; none when nothing is."""
    tail = journal.tail().sequence
    if tail == settled:
        return []
    return [partial(_sealed, key, _VOID + json.dumps([settled + 1, tail]).encode())]


def _range(content: bytes) -> range:
    first, last = json.loads(content[1:])
    return range(first, last + 1)


def _file(settings: Settings) -> JournalFile:
    return JournalFile(settings.journal_folder, settings.witness_folder)


def _key(estate: Estate, conn: sa.Connection) -> bytes:
    return estate.secret(conn, "identity", Secret.JOURNAL)


def _sealed(key: bytes, content: bytes, sequence: int) -> bytes:
    return seal_value(key, content, ("journal", str(sequence)))


def _opened(key: bytes, sealed: bytes, sequence: int) -> bytes:
    try:
        return open_value(key, sealed, ("journal", str(sequence)))
    except SealBroken:
        raise LedgerBroken(
            f"Record {sequence} of the journal of destructions does not open.",
            remedy="Put back the journal of this estate; it was altered, or belongs to another one.",
        ) from None
