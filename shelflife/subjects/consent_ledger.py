"""The ledger of consent: what each person agreed to and took back, sealed under their own identity key, appended only.

One row holds the decisions that were recorded together. The control database shows how often somebody decided and on
which day that was recorded, not what; the signed ledger holds counts and kinds.
"""

from __future__ import annotations

import datetime as dt
import json
import os
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from shelflife.control.bulk import select_in
from shelflife.control.subject_tables import consent
from shelflife.errors import ConfigurationError, KeyDestroyed
from shelflife.journal.destruction import ConsentRow, Destruction
from shelflife.journal.journal import record as record_in_journal
from shelflife.policy.consent_events import ConsentEvent
from shelflife.seal.values import open_value, seal_value
from shelflife.subjects.consent import Acted, Placed
from shelflife.subjects.directory import PROFILE_STREAM, ensure
from shelflife.subjects.tombstones import tombstoned

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from shelflife.control.database import Transaction
    from shelflife.estate import Estate
    from shelflife.ledger.entries import JSON
    from shelflife.subjects.consent import Place
    from shelflife.subjects.directory import Alias

IDENTITY = "identity"
# Rows of one size do not tell a grant from a withdrawal, nor one stream from two.
_PADDED = 512


@dataclass
class Decisions:
    """One person's ledger.

    Attributes:
        placed: every decision, oldest recording first, counted from its recording at the latest.
        sent: the same decisions as they were sent; the time that a device said may lie in the future.
        acted: what was done because consent ended.
        recorded_on: the day of each recording, by its position.
    """

    placed: list[Placed] = field(default_factory=list, repr=False)
    sent: list[ConsentEvent] = field(default_factory=list, repr=False)
    acted: list[Acted] = field(default_factory=list, repr=False)
    recorded_on: dict[int, dt.date] = field(default_factory=dict, repr=False)

    @property
    def events(self) -> list[ConsentEvent]:
        """The decisions alone."""
        return [one.event for one in self.placed]

    @property
    def settled(self) -> set[Place]:
        """The decisions whose end was acted on."""
        return {one.of for one in self.acted}

    def fresh(self, sent: Iterable[ConsentEvent]) -> list[ConsentEvent]:
        """Return those of some decisions that are not recorded yet, as they were sent.

        A history that is sent again must not date a decision anew, or a grant from a clock that runs ahead would follow
        the withdrawal that came after it.
        """
        return [event for event in dict.fromkeys(sent) if event not in self.sent]


def decisions_of(
    estate: Estate, conn: sa.Connection, pids: Iterable[bytes] | None = None
) -> dict[bytes, Decisions]:
    """Open the ledgers of some people.

    Args:
        estate: the estate.
        conn: a connection.
        pids: pseudonyms of the identity zone; everybody's when absent.

    Returns:
        By pseudonym; whoever has decided nothing, or whose identity key is gone, is absent.

    Raises:
        SealBroken: a row was altered or moved.
    """
    columns = (consent.c.pid, consent.c.position, consent.c.sealed)
    rows: Iterable[Sequence[Any]]
    if pids is None:
        rows = conn.execute(sa.select(*columns)).all()
    else:
        rows = select_in(conn, columns, {}, consent.c.pid, sorted(set(pids)))
    sealed = sorted((bytes(pid), int(position), bytes(body)) for pid, position, body in rows)
    keys = estate.keyrings[IDENTITY].keys(conn, sorted({pid for pid, *_ in sealed}), PROFILE_STREAM)
    found: dict[bytes, Decisions] = {}
    for pid, position, body in sealed:
        key = keys.get(pid)
        if key is not None:
            opened = json.loads(open_value(key, body, _context(pid, position)))
            _add(found.setdefault(pid, Decisions()), position, opened)
    return found


def lengths(conn: sa.Connection, pids: Iterable[bytes]) -> dict[bytes, int]:
    """Return how many rows the ledgers of some people have; it grows with everything that is recorded."""
    rows = select_in(conn, (consent.c.pid,), {}, consent.c.pid, sorted(set(pids)))
    return dict(Counter(bytes(pid) for (pid,) in rows))


def record(
    estate: Estate, tx: Transaction, decided: Mapping[bytes, Sequence[ConsentEvent]], now: dt.datetime
) -> int:
    """Append decisions of some people to their ledgers, with one entry of the signed ledger.

    A decision that is dated later than it arrives, by a clock that runs ahead, counts from its arrival. One that is
    recorded already is not recorded again, so that a file which is sent twice changes nothing.

    Args:
        estate: the estate.
        tx: the transaction that they become true with.
        decided: decisions by pseudonym of the identity zone.
        now: the time.

    Returns:
        How many decisions were new.

    Raises:
        KeyDestroyed: one of the people was erased.
    """
    known = decisions_of(estate, tx.conn, decided)
    counts: Counter[str] = Counter()
    ended: list[ConsentRow] = []
    for pid, events in sorted(decided.items()):
        fresh = known.get(pid, Decisions()).fresh(events)
        if fresh:
            body = [_written(arrived(event, now), event) for event in fresh]
            row = _append(estate, tx, pid, {"events": body}, now)
            if any(event.decision == "withdrawn" for event in fresh):
                ended.append(row)
            counts.update(f"{event.purpose} {event.decision}" for event in fresh)
    if ended:
        # A backup from before must not bring consent back that ended since.
        gone = Destruction(kind="consent", record_id=os.urandom(16).hex(), at=now, withdrawals=ended)
        record_in_journal(estate, tx.conn, gone)
    if counts:
        kinds: dict[str, JSON] = dict(sorted(counts.items()))
        estate.ledger.append(tx, [{"type": "consent", "decisions": kinds}], now)
    return counts.total()


def arrived(event: ConsentEvent, now: dt.datetime) -> ConsentEvent:
    """Return a decision as it counts: one that is dated later than it arrives, from its arrival."""
    return replace(event, decided_at=now) if event.decided_at > now else event


def decide(estate: Estate, alias: Alias, events: Sequence[ConsentEvent], now: dt.datetime) -> int:
    """Record decisions of the person behind an alias, who becomes a subject where they are none yet.

    Returns:
        How many decisions were new.

    Raises:
        ConfigurationError: the person was erased.
    """
    with estate.database.commit() as tx:
        if tombstoned(estate, tx.conn, [alias]):
            raise ConfigurationError(
                "The person with this alias was erased.",
                remedy="If they come back on purpose: `shelflife subjects register`, then record it again.",
            )
        person = ensure(estate, tx, [alias], now)[alias]
        return record(estate, tx, {person.identity_pid: events}, now)


def note(estate: Estate, tx: Transaction, pid: bytes, acted: Sequence[Acted], now: dt.datetime) -> None:
    """Append to a person's ledger what was done because consent ended.

    Raises:
        KeyDestroyed: the person was erased.
    """
    done = [{"of": list(one.of), "action": one.action, "request": one.request_id} for one in acted]
    _append(estate, tx, pid, {"acted": done}, now)


def hand_over(estate: Estate, tx: Transaction, source: bytes, target: bytes, now: dt.datetime) -> int:
    """Put one person's decisions into another's ledger, for two subjects that turn out to be one person.

    What was acted on stays acted on. The source's rows are removed.

    Returns:
        How many decisions were handed over.
    """
    known = decisions_of(estate, tx.conn, [source]).get(source)
    if known is not None:
        row = _append(estate, tx, target, {"events": [*map(_written, known.events, known.sent)]}, now)
        places = {one.place: (row.position, index) for index, one in enumerate(known.placed)}
        if known.acted:
            moved = [replace(one, of=places[one.of]) for one in known.acted if one.of in places]
            note(estate, tx, target, moved, now)
    tx.conn.execute(consent.delete().where(consent.c.pid == source))
    return 0 if known is None else len(known.placed)


def _append(
    estate: Estate, tx: Transaction, pid: bytes, body: dict[str, object], now: dt.datetime
) -> ConsentRow:
    key = estate.keyrings[IDENTITY].keys(tx.conn, [pid], PROFILE_STREAM).get(pid)
    if key is None:
        raise KeyDestroyed("A subject's identity key was destroyed.", remedy="Treat it as erased.")
    last = sa.select(sa.func.max(consent.c.position)).where(consent.c.pid == pid)
    position = int(tx.conn.execute(last).scalar() or 0) + 1
    # An exact time would tie a person to the batch that the decision came with.
    day = now.astimezone(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    text = json.dumps({**body, "on": day.date().isoformat()}, separators=(",", ":")).encode()
    padded = text.ljust(-(-len(text) // _PADDED) * _PADDED)
    row = ConsentRow(pid, position, seal_value(key, padded, _context(pid, position)), day)
    tx.conn.execute(consent.insert().values(**vars(row)))
    return row


def _add(ledger: Decisions, position: int, body: Mapping[str, Any]) -> None:
    ledger.recorded_on[position] = dt.date.fromisoformat(body["on"])
    for index, event in enumerate(body.get("events", ())):
        counted = _read(event)
        said = event.get("said_at")
        ledger.placed.append(Placed((position, index), counted))
        ledger.sent.append(
            counted if said is None else replace(counted, decided_at=dt.datetime.fromisoformat(said))
        )
    for one in body.get("acted", ()):
        ledger.acted.append(Acted((one["of"][0], one["of"][1]), one["action"], one["request"]))


def _written(event: ConsentEvent, sent: ConsentEvent) -> dict[str, str | None]:
    ends = event.expires_at
    later = {"said_at": sent.decided_at.isoformat()} if sent.decided_at != event.decided_at else {}
    return later | {
        "decision": event.decision,
        "stream": event.stream,
        "purpose": event.purpose,
        "method": event.method,
        "decided_at": event.decided_at.isoformat(),
        "notice_sha256": event.notice_sha256,
        "expires_at": None if ends is None else ends.isoformat(),
    }


def _read(body: Mapping[str, Any]) -> ConsentEvent:
    ends = body["expires_at"]
    told = {name: value for name, value in body.items() if name != "said_at"}
    times = {
        "decided_at": dt.datetime.fromisoformat(body["decided_at"]),
        "expires_at": None if ends is None else dt.datetime.fromisoformat(ends),
    }
    return ConsentEvent(**{**told, **times})


def _context(pid: bytes, position: int) -> tuple[str, bytes, str]:
    return "consent", pid, str(position)
