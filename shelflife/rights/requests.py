"""The register of requests: who asked is sealed under a key of the request and shredded with it; the rest stays.

A request is known by an opaque id. What remains of a closed one are its dates, its kind, its outcomes and counts:
the record that the law asks to be kept (regulation: 11 CCR 7101, 4 CCR 904-3 Rule 6.11).
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from shelflife.control.bulk import chunks
from shelflife.control.tables import request, request_event
from shelflife.errors import ConfigurationError, KeyDestroyed, RequestRefused
from shelflife.keys.tree import KeyKind
from shelflife.policy.loading import load_rulebook
from shelflife.rights.request_states import CLOSED, EVENTS, METHODS, Kind, State, can_still_be_stopped
from shelflife.seal.values import open_value, seal_value
from shelflife.signals.vocabulary import STREAMS
from shelflife.subjects.directory import Alias, find

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from shelflife.control.database import Transaction
    from shelflife.estate import Estate

IDENTITY = "identity"
# Bounds the variables of a statement.
_AT_ONCE = 400
REASONS = ("request", "consent_withdrawal", "account_closed", "correction", "test")


@dataclass(frozen=True)
class Request:
    """One request as the register shows it; nothing in it names anybody.

    Attributes:
        streams: the streams that it is about; empty for the whole person.
        regimes: the laws that it is answered under.
        facts: counts and ids that its steps recorded.
    """

    request_id: str
    kind: Kind
    streams: tuple[str, ...]
    reason: str
    regimes: tuple[str, ...]
    state: State
    received_at: datetime
    closed_at: datetime | None
    facts: Mapping[str, object]

    @property
    def whole_person(self) -> bool:
        """Whether it is about everything."""
        return not self.streams


@dataclass(frozen=True)
class Event:
    """Something that happened to a request and that a clock may start or stop at."""

    event: str
    at: datetime
    facts: Mapping[str, object]


def submit(
    estate: Estate,
    *,
    kind: Kind,
    alias: Alias,
    now: datetime,
    streams: Collection[str] = (),
    regimes: Sequence[str] = (),
    reason: str = "request",
    received_at: datetime | None = None,
    recipient_key: bytes = b"",
) -> Request:
    """Register a request of the person behind an alias.

    Args:
        estate: the estate.
        kind: what is asked for.
        alias: the person; sealed, never shown again.
        now: the time of registration.
        streams: streams to erase ("forget my glucose"); the whole person when empty.
        regimes: laws that the person can invoke; clocks run for each.
        reason: one of `REASONS`.
        received_at: when it reached the company, when that was earlier.
        recipient_key: the public key that an export is sealed to; it is sealed with the rest.

    Raises:
        ConfigurationError: nobody has the alias, or a stream, regime or reason does not exist.
    """
    if regimes and not set(regimes) <= set(load_rulebook(estate.settings.policies).regimes):
        raise ConfigurationError(
            "A request names a regime that does not exist.", remedy="See regimes.yaml beside the policies."
        )
    if not set(streams) <= set(STREAMS) or reason not in REASONS:
        raise ConfigurationError(
            "A request names a stream or reason that does not exist.",
            remedy=f"Streams: {', '.join(STREAMS)}. Reasons: {', '.join(REASONS)}.",
        )
    if streams and kind is not Kind.ERASURE:
        raise ConfigurationError("Only an erasure can be of single streams.", remedy="Leave the streams out.")
    if kind is Kind.EXPORT and not regimes:
        raise ConfigurationError(
            "An export needs a law that it is made under: it says what is left out.",
            remedy="Name at least one regime.",
        )
    with estate.database.commit() as tx:
        person = find(estate, tx.conn, [alias]).get(alias)
        if person is None:
            raise ConfigurationError(
                "No subject has this alias.", remedy="Check the alias and its --kind; the erased have none."
            )
        request_id = enter(
            estate,
            tx,
            kind,
            sealed_names(person.subject_id, recipient_key),
            now=now,
            streams=streams,
            regimes=regimes,
            reason=reason,
            received_at=received_at,
        )
    return get(estate, request_id)


def enter(
    estate: Estate,
    tx: Transaction,
    kind: Kind,
    names: bytes,
    *,
    now: datetime,
    streams: Collection[str] = (),
    regimes: Sequence[str] = (),
    reason: str = "request",
    received_at: datetime | None = None,
) -> str:
    """Enter a request into the register, in a transaction of the caller's, and return its id.

    Args:
        estate: the estate.
        tx: the transaction that it becomes true with.
        kind: what is asked for.
        names: what is sealed of the person (see `sealed_names`).
        now: the time of registration.
        streams: streams to erase; the whole person when empty.
        regimes: laws that the person can invoke.
        reason: one of `REASONS`.
        received_at: when it reached the company, when that was earlier.
    """
    request_id = uuid.uuid4().hex
    number = estate.trees[IDENTITY].insert(tx, KeyKind.FILE, 1)[0]
    key = estate.trees[IDENTITY].lookup(tx.conn, [number])[0]
    assert key is not None  # noqa: S101  inserted a moment ago
    tx.conn.execute(
        request.insert().values(
            request_id=request_id,
            kind=kind,
            streams=sorted(streams),
            reason=reason,
            regimes=list(regimes),
            state=State.RECEIVED,
            received_at=received_at or now,
            key_number=number,
            sealed=seal_value(key, names, ("request", request_id)),
            facts={},
        )
    )
    _add_event(tx, request_id, "received", received_at or now, {})
    entry = {"type": "request", "request": request_id, "kind": str(kind), "regimes": list(regimes)}
    estate.ledger.append(tx, [entry], now)
    return request_id


def record_identity_check(
    estate: Estate, request_id: str, *, method: str, passed: bool, now: datetime
) -> Request:
    """Record how the identity was checked and with what outcome; the evidence is to be thrown away.

    Raises:
        RequestRefused: the request is past that.
        ConfigurationError: no such request or method.
    """
    if method not in METHODS:
        raise ConfigurationError(
            "There is no such way to check an identity.", remedy=f"Use one of: {', '.join(METHODS)}."
        )
    with estate.database.commit() as tx:
        found = _row(tx.conn, request_id)
        if found.state != State.RECEIVED:
            raise RequestRefused(
                "The identity behind this request was settled before.",
                remedy="See `shelflife request show`.",
            )
        event = "authenticated" if passed else "authentication_failed"
        _add_event(tx, request_id, event, now, {"method": method})
        if passed:
            set_state(tx, request_id, State.VERIFIED)
        estate.ledger.append(tx, [{"type": f"request_{event}", "request": request_id, "method": method}], now)
    return get(estate, request_id)


def record_event(estate: Estate, request_id: str, event: str, at: datetime) -> None:
    """Record something that a clock starts, stops or moves at, such as an extension.

    Raises:
        ConfigurationError: no such request or event.
    """
    if event not in EVENTS:
        raise ConfigurationError("There is no such event.", remedy=f"Use one of: {', '.join(EVENTS)}.")
    with estate.database.commit() as tx:
        _row(tx.conn, request_id)
        _add_event(tx, request_id, event, at, {})


def close(estate: Estate, request_id: str, state: State, *, basis: str, now: datetime) -> Request:
    """Deny or withdraw a request for which nothing was destroyed yet, and shred who asked.

    Args:
        estate: the estate.
        request_id: the request.
        state: DENIED or WITHDRAWN.
        basis: the legal basis of a denial, a short code such as `identity_not_verified`.
        now: the time.

    Raises:
        RequestRefused: it is too late.
    """
    with estate.database.commit() as tx:
        found = _row(tx.conn, request_id)
        if not can_still_be_stopped(State(found.state)):
            raise RequestRefused(
                "The request can no longer be stopped.", remedy="Let it run to its end; see `request show`."
            )
        _add_event(tx, request_id, str(state), now, {"basis": basis})
        entry = {"type": f"request_{state}", "request": request_id, "basis": basis}
        estate.ledger.append(tx, [entry], now)
        finish(estate, tx, request_id, state, now)
    return get(estate, request_id)


def finish(estate: Estate, tx: Transaction, request_id: str, state: State, now: datetime) -> None:
    """Put a request into its last state, and shred who asked."""
    shred(estate, tx, request_id, now)
    here = request.c.request_id == request_id
    tx.conn.execute(request.update().where(here).values(state=state, closed_at=now))


def shred(estate: Estate, tx: Transaction, request_id: str, now: datetime) -> None:
    """Destroy the key of what names the person in a request, and the sealed bytes with it."""
    shred_all(estate, tx, [request_id], now)


def shred_all(estate: Estate, tx: Transaction, request_ids: Sequence[str], now: datetime) -> None:
    """Destroy the keys of what names people in some requests, in one pass, and the sealed bytes with them."""
    found = _rows(tx.conn, request_ids).values()
    numbers = [row.key_number for row in found if row.key_number is not None]
    if numbers:
        estate.trees[IDENTITY].destroy(tx, numbers, now)
    gone = {"sealed": None, "manifest": None, "key_number": None}
    for chunk in chunks(list(request_ids), _AT_ONCE):
        tx.conn.execute(request.update().where(request.c.request_id.in_(chunk)).values(**gone))


def get(estate: Estate, request_id: str) -> Request:
    """Return one request.

    Raises:
        ConfigurationError: there is none with this id.
    """
    with estate.database.read() as conn:
        return request_in(conn, request_id)


def get_all(estate: Estate, request_ids: Sequence[str]) -> list[Request]:
    """Return some requests, in their order.

    Raises:
        ConfigurationError: there is none with one of these ids.
    """
    with estate.database.read() as conn:
        return requests_in(conn, request_ids)


def requests_in(conn: sa.Connection, request_ids: Sequence[str]) -> list[Request]:
    """Return some requests as a transaction sees them, in their order.

    Raises:
        ConfigurationError: there is none with one of these ids.
    """
    rows = _rows(conn, request_ids)
    return [_request(rows[request_id]) for request_id in request_ids]


def request_in(conn: sa.Connection, request_id: str) -> Request:
    """Return one request as a transaction sees it.

    Raises:
        ConfigurationError: there is none with this id.
    """
    return _request(_row(conn, request_id))


def requests(
    conn: sa.Connection, *, kinds: Collection[Kind] = tuple(Kind), states: Collection[State] | None = None
) -> list[Request]:
    """Return requests, oldest first."""
    query = sa.select(request).where(request.c.kind.in_([str(kind) for kind in kinds]))
    if states is not None:
        query = query.where(request.c.state.in_([str(state) for state in states]))
    rows = conn.execute(query.order_by(request.c.received_at, request.c.request_id))
    return [_request(row) for row in rows]


def still_open(conn: sa.Connection) -> list[Request]:
    """Return the requests that are not closed, oldest first."""
    return requests(conn, states=[state for state in State if state not in CLOSED])


def events(conn: sa.Connection, request_id: str) -> list[Event]:
    """Return what happened to a request, in order."""
    query = sa.select(request_event).where(request_event.c.request_id == request_id)
    rows = conn.execute(query.order_by(request_event.c.position))
    return [Event(row.event, row.at, row.facts) for row in rows]


def sealed_names(subject_id: bytes, recipient_key: bytes = b"") -> bytes:
    """Return what a request seals: whom it is about, and the key that an export goes to."""
    return json.dumps({"subject_id": subject_id.hex(), "recipient_key": recipient_key.hex()}).encode()


def subject_of(estate: Estate, conn: sa.Connection, request_id: str) -> bytes:
    """Return the id of the subject that a request is about (16 bytes).

    Raises:
        KeyDestroyed: the request was closed and who asked was shredded.
    """
    return bytes.fromhex(_sealed(estate, conn, request_id)["subject_id"])


def recipient_key_of(estate: Estate, conn: sa.Connection, request_id: str) -> bytes:
    """Return the public key that a request's export is sealed to; empty when it named none.

    Raises:
        KeyDestroyed: the request was closed and who asked was shredded.
    """
    return bytes.fromhex(_sealed(estate, conn, request_id)["recipient_key"])


def _sealed(estate: Estate, conn: sa.Connection, request_id: str) -> dict[str, str]:
    key = request_key(estate, conn, request_id)
    opened: dict[str, str] = json.loads(
        open_value(key, bytes(_row(conn, request_id).sealed), ("request", request_id))
    )
    return opened


def request_key(estate: Estate, conn: sa.Connection, request_id: str) -> bytes:
    """Return the key that a request's sealed parts are under (32 bytes).

    Raises:
        KeyDestroyed: it was shredded.
    """
    number = _row(conn, request_id).key_number
    key = estate.trees[IDENTITY].lookup(conn, [number])[0] if number is not None else None
    if key is None:
        raise KeyDestroyed("Who made this request was shredded.", remedy="See its certificate instead.")
    return key


def request_keys(estate: Estate, conn: sa.Connection, request_ids: Sequence[str]) -> dict[str, bytes]:
    """Return the keys that the sealed parts of some requests are under, looked up in one pass.

    Raises:
        KeyDestroyed: one of them was shredded.
    """
    rows = _rows(conn, request_ids)
    numbers = [rows[request_id].key_number for request_id in request_ids]
    known = [number for number in numbers if number is not None]
    keys = dict(zip(known, estate.trees[IDENTITY].lookup(conn, known), strict=True))
    found = {one: keys.get(number) for one, number in zip(request_ids, numbers, strict=True)}
    opened = {one: key for one, key in found.items() if key is not None}
    if len(opened) < len(found):
        raise KeyDestroyed("Who made this request was shredded.", remedy="See its certificate instead.")
    return opened


def set_state(tx: Transaction, request_id: str, state: State) -> None:
    """Move a request on."""
    here = request.c.request_id == request_id
    tx.conn.execute(request.update().where(here).values(state=state))


def add_facts(tx: Transaction, request_id: str, **facts: object) -> None:
    """Add counts, times and opaque ids to what is recorded of a request."""
    known = dict(_row(tx.conn, request_id).facts)
    here = request.c.request_id == request_id
    tx.conn.execute(request.update().where(here).values(facts=known | facts))


def move_on(tx: Transaction, facts: Mapping[str, Mapping[str, object]], state: State | None = None) -> None:
    """Add what is recorded of some requests, and move them on together.

    Args:
        tx: the transaction.
        facts: counts, times and opaque ids by request.
        state: the state that all of them enter; each stays where it is when absent.
    """
    rows = _rows(tx.conn, list(facts))
    changed = [
        {"here": one, "now_facts": dict(rows[one].facts) | dict(added), "now_state": state or rows[one].state}
        for one, added in facts.items()
    ]
    if changed:
        tx.conn.execute(
            request.update()
            .where(request.c.request_id == sa.bindparam("here"))
            .values(facts=sa.bindparam("now_facts"), state=sa.bindparam("now_state")),
            changed,
        )


def subjects_of(estate: Estate, conn: sa.Connection, request_ids: Sequence[str]) -> dict[str, bytes]:
    """Return whom some requests are about (16 bytes each).

    Raises:
        KeyDestroyed: one of them was closed and who asked was shredded.
    """
    rows, keys = _rows(conn, request_ids), request_keys(estate, conn, request_ids)
    opened = {
        one: json.loads(open_value(keys[one], bytes(rows[one].sealed), ("request", one)))
        for one in request_ids
    }
    return {one: bytes.fromhex(names["subject_id"]) for one, names in opened.items()}


def add_event(tx: Transaction, request_id: str, event: str, at: datetime) -> None:
    """Record what a step of ours did to a request."""
    _add_event(tx, request_id, event, at, {})


def _add_event(
    tx: Transaction, request_id: str, event: str, at: datetime, facts: Mapping[str, object]
) -> None:
    here = request_event.c.request_id == request_id
    count = tx.conn.execute(sa.select(sa.func.count()).select_from(request_event).where(here)).scalar_one()
    values = {"request_id": request_id, "position": count, "event": event, "at": at, "facts": dict(facts)}
    tx.conn.execute(request_event.insert().values(**values))


def _rows(conn: sa.Connection, request_ids: Sequence[str]) -> dict[str, sa.Row[tuple[object, ...]]]:
    found = {}
    for chunk in chunks(list(request_ids), _AT_ONCE):
        for row in conn.execute(sa.select(request).where(request.c.request_id.in_(chunk))):
            found[row.request_id] = row
    if not set(request_ids) <= found.keys():
        raise ConfigurationError("No request has this id.", remedy="See `shelflife request list`.")
    return found


def _row(conn: sa.Connection, request_id: str) -> sa.Row[tuple[object, ...]]:
    row = conn.execute(sa.select(request).where(request.c.request_id == request_id)).one_or_none()
    if row is None:
        raise ConfigurationError("No request has this id.", remedy="See `shelflife request list`.")
    return row


def _request(row: sa.Row[tuple[object, ...]]) -> Request:
    return Request(
        request_id=row.request_id,
        kind=Kind(row.kind),
        streams=tuple(row.streams),
        reason=row.reason,
        regimes=tuple(row.regimes),
        state=State(row.state),
        received_at=row.received_at,
        closed_at=row.closed_at,
        facts=row.facts,
    )
