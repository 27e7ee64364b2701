"""Holds: recorded decisions that stop purge and erasure for named data, for a legal matter.

A hold names people or everyone, streams and days. It says for which matter, on which basis in each jurisdiction, who
answers for it and when it is reviewed; it names nobody in clear. What it covers outlives every retention rule and every
erasure until it is released.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import rfc8785
import sqlalchemy as sa

from shelflife.control.tables import hold, hold_subject
from shelflife.errors import ConfigurationError
from shelflife.keys.pseudonyms import PSEUDONYM_BYTES
from shelflife.keys.tree import KeyKind
from shelflife.lake.unseal import UNCLASSIFIED
from shelflife.retention.held_people import seal_person
from shelflife.retention.hold_terms import check_terms
from shelflife.signals.vocabulary import STREAMS
from shelflife.subjects.directory import by_identity_pid

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from shelflife.control.database import Transaction
    from shelflife.estate import Estate
    from shelflife.ledger.entries import JSON
    from shelflife.retention.hold_terms import Terms
    from shelflife.subjects.directory import Subject

HOLD_CLASS = "hold/"
"""What the retention classes of held partitions begin with."""

HELD_STREAMS = (*STREAMS, UNCLASSIFIED)
"""What a hold can cover: the streams, and quarantined rows of no known stream."""

_PEOPLE_AT_ONCE = 400


@dataclass(frozen=True)
class Hold:
    """A recorded decision that stops purge or erasure for named data.

    Attributes:
        hold_id: 32 hexadecimal digits.
        matter: the reference number of the legal matter, never a name.
        streams: the streams that it covers.
        first_day: the first local day; None for no limit.
        last_day: the last local day; None for no limit.
        everyone: whether it covers everyone; otherwise the people of `people_of`.
        bases: why data may be kept, as a code by regime ("eu_gdpr": "art-17-3-e").
        owner: the function that answers for it.
        review_on: when somebody decides anew whether it is still needed.
        state: "active" or "released".
    """

    hold_id: str
    matter: str
    streams: tuple[str, ...]
    first_day: dt.date | None
    last_day: dt.date | None
    everyone: bool
    bases: Mapping[str, str]
    owner: str
    review_on: dt.date
    state: str
    key_number: int | None
    placed_at: dt.datetime
    released_at: dt.datetime | None = None

    @property
    def retention_class(self) -> str:
        """The class that its held partitions live under."""
        return f"{HOLD_CLASS}{self.hold_id}"


def place(
    estate: Estate,
    terms: Terms,
    *,
    people: Collection[bytes] | None,
    streams: Collection[str] | None,
    first_day: dt.date | None = None,
    last_day: dt.date | None = None,
    now: dt.datetime,
) -> Hold:
    """Place a hold. Nothing is copied yet: rows are preserved when a purge or an erasure would take them.

    Args:
        estate: the estate.
        terms: matter, owner, review date and bases.
        people: identity-zone pseudonyms of the people that it covers; None for everyone.
        streams: the streams that it covers; every one when absent.
        first_day: the first local day that it covers.
        last_day: the last local day that it covers.
        now: the time.

    Raises:
        ConfigurationError: a term is not plain, the review date has passed, the days are in the wrong order, a stream
            is unknown, or one of the people is unknown or erased.
    """
    check_terms(terms, now)
    chosen = _checked_streams(streams)
    if first_day is not None and last_day is not None and last_day < first_day:
        raise ConfigurationError("The hold's last day lies before its first.", remedy="Exchange the two.")
    with estate.database.commit() as tx:
        [number] = estate.trees["identity"].insert(tx, KeyKind.FILE, 1)
        made = Hold(
            hold_id=uuid.uuid4().hex,
            matter=terms.matter,
            streams=chosen,
            first_day=first_day,
            last_day=last_day,
            everyone=people is None,
            bases=dict(terms.bases),
            owner=terms.owner,
            review_on=terms.review_on,
            state="active",
            key_number=number,
            placed_at=now,
        )
        tx.conn.execute(hold.insert().values(**_row(made)))
        added = add_people(estate, tx, made, people) if people is not None else 0
        entry: dict[str, JSON] = {
            "type": "hold_placed",
            "hold": made.hold_id,
            "people": added,
            "everyone": made.everyone,
        }
        estate.ledger.append(tx, [entry], now)
    return made


def amend(
    estate: Estate, hold_id: str, terms: Terms, *, more_people: Collection[bytes] = (), now: dt.datetime
) -> Hold:
    """Change what a hold says, and add people to it. What it covers never shrinks: place another and release this one.

    Raises:
        ConfigurationError: there is no active hold of this id, a term is not plain, or people are added to one that
            covers everyone.
    """
    check_terms(terms, now)
    with estate.database.commit() as tx:
        before = active_hold(tx.conn, hold_id)
        if before.everyone and more_people:
            raise ConfigurationError(
                "The hold covers everyone already.", remedy="Amend it without naming people."
            )
        after = replace(
            before,
            matter=terms.matter,
            owner=terms.owner,
            review_on=terms.review_on,
            bases=dict(terms.bases),
        )
        tx.conn.execute(hold.update().where(hold.c.hold_id == hold_id).values(**_row(after)))
        added = add_people(estate, tx, after, more_people)
        estate.ledger.append(tx, [{"type": "hold_amended", "hold": hold_id, "people_added": added}], now)
    return after


def all_holds(conn: sa.Connection) -> list[Hold]:
    """Return every hold, the oldest first."""
    return [_hold(row) for row in conn.execute(sa.select(hold).order_by(hold.c.placed_at, hold.c.hold_id))]


def active_holds(conn: sa.Connection) -> list[Hold]:
    """Return the holds that are not released, the oldest first."""
    return [one for one in all_holds(conn) if one.state == "active"]


def find_hold(conn: sa.Connection, hold_id: str) -> Hold:
    """Return a hold.

    Raises:
        ConfigurationError: there is none of this id.
    """
    row = conn.execute(sa.select(hold).where(hold.c.hold_id == hold_id)).one_or_none()
    if row is None:
        raise ConfigurationError("No hold has this id.", remedy="See `shelflife hold list`.")
    return _hold(row)


def active_hold(conn: sa.Connection, hold_id: str) -> Hold:
    """Return a hold that is not released.

    Raises:
        ConfigurationError: there is none of this id, or it is released.
    """
    found = find_hold(conn, hold_id)
    if found.state != "active":
        raise ConfigurationError(
            "The hold is released.", remedy="Place a new one; see `shelflife hold list`."
        )
    return found


def covering(
    conn: sa.Connection, identity_pids: Collection[bytes], streams: Collection[str] | None = None
) -> list[Hold]:
    """Return the active holds that cover any of some people in any of some streams, whatever the days.

    Args:
        conn: a connection.
        identity_pids: identity-zone pseudonyms.
        streams: the streams in question; every one when absent.
    """
    wanted = sorted(set(identity_pids))
    named: set[str] = set()
    for start in range(0, len(wanted), _PEOPLE_AT_ONCE):
        chunk = wanted[start : start + _PEOPLE_AT_ONCE]
        query = sa.select(hold_subject.c.hold_id).where(hold_subject.c.identity_pid.in_(chunk))
        named.update(conn.execute(query).scalars())
    return [
        one
        for one in active_holds(conn)
        if (one.hold_id in named or (one.everyone and wanted))
        and (streams is None or set(streams) & set(one.streams))
    ]


def people_of(conn: sa.Connection, hold_id: str) -> dict[bytes, bytes]:
    """Return the people of a hold: by identity-zone pseudonym, the pseudonym that their held rows lie under.

    For a hold that covers everyone these are only those of whom rows were preserved.
    """
    query = sa.select(hold_subject).where(hold_subject.c.hold_id == hold_id)
    return {bytes(row.identity_pid): bytes(row.hold_pid) for row in conn.execute(query)}


def add_people(estate: Estate, tx: Transaction, to: Hold, people: Collection[bytes]) -> int:
    """Add people to a hold, each under a pseudonym and with a keyring of its own; who is there already stays.

    Returns:
        How many were added.

    Raises:
        ConfigurationError: one of them is unknown or erased.
    """
    missing = sorted(set(people) - set(people_of(tx.conn, to.hold_id)))
    if not missing:
        return 0
    known = by_identity_pid(estate, tx.conn, _with_identity(estate, tx.conn, missing))
    if len(known) != len(missing):
        raise ConfigurationError(
            f"{len(missing) - len(known)} of the people are unknown or erased.",
            remedy="Name people by aliases that the estate knows; see `shelflife subjects find`.",
        )
    _insert(estate, tx, to, list(known.values()))
    return len(known)


def scope_digest(conn: sa.Connection) -> str:
    """Return a digest over what all active holds cover: 64 hexadecimal digits; terms do not count."""
    scopes = []
    for one in sorted(active_holds(conn), key=lambda one: one.hold_id):
        named = [] if one.everyone else sorted(pid.hex() for pid in people_of(conn, one.hold_id))
        days = [day.isoformat() if day else None for day in (one.first_day, one.last_day)]
        scopes.append([one.hold_id, list(one.streams), *days, one.everyone, named])
    return hashlib.sha256(rfc8785.dumps(scopes)).hexdigest()


def overdue_reviews(conn: sa.Connection, on: dt.date) -> list[Hold]:
    """Return the active holds whose review date has passed on a day."""
    return [one for one in active_holds(conn) if one.review_on < on]


def _with_identity(estate: Estate, conn: sa.Connection, people: Sequence[bytes]) -> list[bytes]:
    """Return those of some identity-zone pseudonyms whose identity key exists."""
    keys = estate.keyrings["identity"].keys(conn, people, "profile")
    return [pid for pid in people if keys.get(pid) is not None]


def _insert(estate: Estate, tx: Transaction, to: Hold, people: Iterable[Subject]) -> None:
    added = {secrets.token_bytes(PSEUDONYM_BYTES): person for person in people}
    estate.keyrings["raw"].ensure(tx, sorted(added))
    rows = [
        {
            "hold_id": to.hold_id,
            "identity_pid": person.identity_pid,
            "hold_pid": hold_pid,
            "sealed": seal_person(estate, tx.conn, to.hold_id, to.key_number, person),
        }
        for hold_pid, person in sorted(added.items())
    ]
    tx.conn.execute(hold_subject.insert(), rows)


def _checked_streams(streams: Collection[str] | None) -> tuple[str, ...]:
    chosen = HELD_STREAMS if streams is None else tuple(name for name in HELD_STREAMS if name in streams)
    if not chosen or (streams is not None and not set(streams) <= set(HELD_STREAMS)):
        raise ConfigurationError(
            "The hold names no stream, or one that does not exist.",
            remedy=f"Use some of: {', '.join(HELD_STREAMS)}.",
        )
    return chosen


def _row(one: Hold) -> dict[str, object]:
    """Return a hold as a row of its table."""
    values: dict[str, object] = dict(one.__dict__)
    values["streams"], values["bases"] = list(one.streams), dict(one.bases)
    for name in ("first_day", "last_day", "review_on"):
        day = values[name]
        values[name] = day.isoformat() if isinstance(day, dt.date) else None
    return values


def _hold(row: sa.Row[tuple[object, ...]]) -> Hold:
    values = dict(row._mapping)  # noqa: SLF001  SQLAlchemy's public name for a row as a mapping
    for name in ("first_day", "last_day", "review_on"):
        values[name] = dt.date.fromisoformat(values[name]) if values[name] else None
    values["streams"] = tuple(values["streams"])
    return Hold(**values)
