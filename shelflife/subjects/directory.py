"""The directory of subjects: aliases in, pseudonyms out.

An alias (an account, a device, a platform's own id) is found by a keyed digest and kept sealed under the
subject's own identity key, as is the subject id itself. Without that key a row of the directory cannot be tied
to any sample: destroying the identity keyring cuts the person out of every zone at once.
"""

from __future__ import annotations

import hmac
import json
import re
import unicodedata
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import sqlalchemy as sa

from shelflife.control.bulk import chunks
from shelflife.control.subject_tables import alias, subject
from shelflife.errors import KeyDestroyed
from shelflife.estate import Secret
from shelflife.keys.pseudonyms import pseudonym
from shelflife.seal.values import open_value, seal_value
from shelflife.subjects.periods import ALWAYS, as_text, contain, from_text, last_end

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from typing import Any

    from shelflife.control.database import Transaction
    from shelflife.estate import Estate
    from shelflife.subjects.periods import Periods

PROFILE_STREAM = "profile"
# Bounds the variables of a statement.
_CHUNK = 400
_KIND = re.compile(r"[a-z][a-z0-9_]{0,31}")


@dataclass(frozen=True, order=True)
class Alias:
    """One name that a source knows a person by.

    Attributes:
        kind: what sort of name it is ("account", "fitbit", "file", ...).
        value: the name itself; personal, never printed.
    """

    kind: str
    value: str = field(repr=False)

    def __post_init__(self) -> None:
        """Bring both to one form: spellings that look alike are one alias, and a kind is never free text.

        The kind is stored in clear, so a sender's own words for it become "other".
        """
        readable = self.value.encode("utf-8", "replace").decode()
        object.__setattr__(self, "value", unicodedata.normalize("NFC", readable).strip())
        if not _KIND.fullmatch(self.kind):
            object.__setattr__(self, "kind", "other")


@dataclass(frozen=True)
class Subject:
    """One person, as the core knows them; nothing here is ever printed or written in clear."""

    subject_id: bytes = field(repr=False)
    identity_pid: bytes = field(repr=False)
    raw_pid: bytes = field(repr=False)


@dataclass(frozen=True)
class Turn:
    """Somebody who has or had an alias, and when."""

    person: Subject
    periods: Periods


def alias_digest(estate: Estate, conn: sa.Connection, name: Alias, secret: Secret = Secret.ALIAS) -> bytes:
    """Return the keyed digest that an alias is looked up by (32 bytes, HMAC-SHA256)."""
    key = estate.secret(conn, "identity", secret)
    kind, value = name.kind.encode(), name.value.encode()
    return hmac.digest(key, len(kind).to_bytes(4, "big") + kind + value, "sha256")


def aliases_of(estate: Estate, conn: sa.Connection, person: Subject) -> list[Alias]:
    """Open every alias of a person.

    Raises:
        KeyDestroyed: the person's identity keys are gone.
    """
    return sorted(periods_of(estate, conn, person))


def periods_of(estate: Estate, conn: sa.Connection, person: Subject) -> dict[Alias, Periods]:
    """Open every alias of a person, with the periods in which it was theirs.

    Raises:
        KeyDestroyed: the person's identity keys are gone.
    """
    profile_key(estate, conn, person.identity_pid)
    return known_names(estate, conn, [person.identity_pid]).get(person.identity_pid) or {}


def known_aliases(
    estate: Estate, conn: sa.Connection, pids: Sequence[bytes]
) -> dict[bytes, list[Alias] | None]:
    """Open the aliases of those people whom the directory still has.

    Args:
        estate: the estate.
        conn: a connection.
        pids: identity-zone pseudonyms.

    Returns:
        By pseudonym the aliases; None for a person whose identity key is gone. Unknown people are absent.
    """
    found = known_names(estate, conn, pids)
    return {pid: sorted(names) if names is not None else None for pid, names in found.items()}


def known_names(
    estate: Estate, conn: sa.Connection, pids: Sequence[bytes]
) -> dict[bytes, dict[Alias, Periods] | None]:
    """Open the aliases of those people whom the directory still has, with the periods in which each was theirs.

    Returns:
        By pseudonym the aliases; None for a person whose identity key is gone. Unknown people are absent.
    """
    keys = estate.keyrings["identity"].keys(conn, pids, PROFILE_STREAM)
    found: dict[bytes, dict[Alias, Periods] | None] = {}
    for chunk in chunks(sorted(set(pids)), _CHUNK):
        for pid in conn.execute(sa.select(subject.c.pid).where(subject.c.pid.in_(chunk))).scalars():
            found[bytes(pid)] = {} if keys.get(bytes(pid)) is not None else None
        for row in conn.execute(sa.select(alias).where(alias.c.pid.in_(chunk))):
            key, names = keys.get(bytes(row.pid)), found.get(bytes(row.pid))
            if key is not None and names is not None:
                names[_opened_alias(key, row)] = _periods(key, bytes(row.alias_mac), row.sealed_periods)
    return found


def find(
    estate: Estate, conn: sa.Connection, names: Sequence[Alias], at: datetime | None = None
) -> dict[Alias, Subject]:
    """Return the subjects behind aliases that are known.

    Args:
        estate: the estate.
        conn: a connection.
        names: the aliases.
        at: the time at which an alias must be a person's; when absent, the last to have it is returned.

    Raises:
        KeyDestroyed: an alias points at a person whose identity keys are gone.
    """
    found: dict[Alias, Subject] = {}
    for name, turns in owners(estate, conn, names).items():
        theirs = [turn for turn in turns if at is None or contain(turn.periods, at)]
        if theirs:
            found[name] = max(theirs, key=lambda turn: last_end(turn.periods)).person
    return found


def owners(estate: Estate, conn: sa.Connection, names: Sequence[Alias]) -> dict[Alias, tuple[Turn, ...]]:
    """Return everybody who has or had an alias, with their periods; unknown aliases are absent.

    Raises:
        KeyDestroyed: an alias points at a person whose identity keys are gone.
    """
    digests = {alias_digest(estate, conn, name): name for name in names}
    rows: list[tuple[Alias, sa.Row[Any, Any, Any]]] = []
    for chunk in chunks(digests, _CHUNK):
        query = sa.select(alias.c.alias_mac, alias.c.pid, alias.c.sealed_periods)
        rows += [
            (digests[bytes(r.alias_mac)], r)
            for r in conn.execute(query.where(alias.c.alias_mac.in_(chunk)).order_by(alias.c.pid))
        ]
    known = by_identity_pid(estate, conn, sorted({bytes(row.pid) for _, row in rows}))
    some = sorted({bytes(row.pid) for _, row in rows if row.sealed_periods is not None})
    keys = estate.keyrings["identity"].keys(conn, some, PROFILE_STREAM) if some else {}
    found: dict[Alias, tuple[Turn, ...]] = {}
    for name, row in rows:
        pid = bytes(row.pid)
        periods = _periods(keys.get(pid), bytes(row.alias_mac), row.sealed_periods)
        found[name] = (*found.get(name, ()), Turn(known[pid], periods))
    return found


def has_owners(estate: Estate, conn: sa.Connection, name: Alias) -> bool:
    """Tell whether anybody has or had an alias, without opening who."""
    here = alias.c.alias_mac == alias_digest(estate, conn, name)
    return conn.execute(sa.select(sa.literal(1)).where(here)).first() is not None


def by_identity_pid(estate: Estate, conn: sa.Connection, pids: Sequence[bytes]) -> dict[bytes, Subject]:
    """Open the directory rows of the given identity-zone pseudonyms."""
    keys = estate.keyrings["identity"].keys(conn, pids, PROFILE_STREAM)
    found: dict[bytes, Subject] = {}
    for chunk in chunks(pids, _CHUNK):
        rows = conn.execute(sa.select(subject.c.pid, subject.c.sealed_id).where(subject.c.pid.in_(chunk)))
        for row in rows:
            pid = bytes(row.pid)
            key = keys.get(pid)
            if key is None:
                raise KeyDestroyed("A subject's identity key was destroyed.", remedy="Treat it as erased.")
            found[pid] = subject_from(
                estate, conn, open_value(key, bytes(row.sealed_id), ("subject-id", pid))
            )
    return found


def everyone(estate: Estate, conn: sa.Connection) -> list[Subject]:
    """Return every subject whose identity key still exists."""
    pids = [bytes(pid) for pid in conn.execute(sa.select(subject.c.pid).order_by(subject.c.pid)).scalars()]
    keys = estate.keyrings["identity"].keys(conn, pids, PROFILE_STREAM)
    return list(by_identity_pid(estate, conn, [pid for pid in pids if keys.get(pid)]).values())


def ensure(estate: Estate, tx: Transaction, names: Sequence[Alias], now: datetime) -> dict[Alias, Subject]:
    """Return the subjects behind aliases, minting a subject and its keyrings for each unknown one."""
    known = find(estate, tx.conn, names)
    return known | mint(estate, tx, dict.fromkeys(sorted(set(names) - set(known)), ALWAYS), now)


def mint(
    estate: Estate, tx: Transaction, names: Mapping[Alias, Periods], now: datetime
) -> dict[Alias, Subject]:
    """Make a new subject with its keyrings for each alias, which is theirs in the given periods."""
    minted = {name: subject_from(estate, tx.conn, uuid.uuid4().bytes) for name in names}
    keys = enrol(estate, tx, list(minted.values()), now)
    for name, person in minted.items():
        row = _alias_row(estate, tx.conn, name, person, keys[person.identity_pid], names[name], now)
        tx.conn.execute(alias.insert().values(**row))
    return minted


def enrol(estate: Estate, tx: Transaction, newcomers: Sequence[Subject], now: datetime) -> dict[bytes, bytes]:
    """Make the keyrings and directory rows of new subjects; one that is there already stays as it is.

    Returns:
        By identity-zone pseudonym the key that everything of the person in that zone is sealed under.
    """
    pids = [person.identity_pid for person in newcomers]
    # Each zone's rings are numbered in the order of its own pseudonyms, so that equal numbers mean nothing.
    estate.keyrings["identity"].ensure(tx, sorted(pids))
    estate.keyrings["raw"].ensure(tx, sorted(person.raw_pid for person in newcomers))
    found = estate.keyrings["identity"].keys(tx.conn, pids, PROFILE_STREAM)
    keys = {pid: key for pid, key in found.items() if key is not None}
    known: set[bytes] = set()
    for chunk in chunks(pids, _CHUNK):
        rows = tx.conn.execute(sa.select(subject.c.pid).where(subject.c.pid.in_(chunk))).scalars()
        known.update(bytes(pid) for pid in rows)
    for person in newcomers:
        pid = person.identity_pid
        if pid not in known:
            sealed = seal_value(keys[pid], person.subject_id, ("subject-id", pid))
            tx.conn.execute(subject.insert().values(pid=pid, sealed_id=sealed, created_at=_day(now)))
    return keys


def pseudonym_map(estate: Estate, conn: sa.Connection, from_zone: str, to_zone: str) -> dict[bytes, bytes]:
    """Return every subject's pseudonym of one zone mapped to that of another; for the core alone."""
    first, second = estate.pepper(conn, from_zone), estate.pepper(conn, to_zone)
    people = everyone(estate, conn)
    return {pseudonym(first, one.subject_id): pseudonym(second, one.subject_id) for one in people}


def attach(
    estate: Estate, tx: Transaction, name: Alias, person: Subject, periods: Periods, now: datetime
) -> None:
    """Make an alias a person's in the given periods, in place of what it was to them before; not theirs when empty."""
    digest = alias_digest(estate, tx.conn, name)
    here = (alias.c.alias_mac == digest) & (alias.c.pid == person.identity_pid)
    tx.conn.execute(alias.delete().where(here))
    if not periods:
        return
    key = profile_key(estate, tx.conn, person.identity_pid)
    row = _alias_row(estate, tx.conn, name, person, key, periods, now)
    tx.conn.execute(alias.insert().values(**row))


def profile_key(estate: Estate, conn: sa.Connection, pid: bytes) -> bytes:
    """Return the key that everything of a person in the identity zone is sealed under (32 bytes).

    Raises:
        KeyDestroyed: it is gone.
    """
    key = estate.keyrings["identity"].keys(conn, [pid], PROFILE_STREAM).get(pid)
    if key is None:
        raise KeyDestroyed("A subject's identity key was destroyed.", remedy="Treat it as erased.")
    return key


def subject_from(estate: Estate, conn: sa.Connection, subject_id: bytes) -> Subject:
    """Return who a subject id (16 bytes) is in the identity and raw zones."""
    return Subject(
        subject_id=subject_id,
        identity_pid=pseudonym(estate.pepper(conn, "identity"), subject_id),
        raw_pid=pseudonym(estate.pepper(conn, "raw"), subject_id),
    )


def _periods(key: bytes | None, digest: bytes, sealed: bytes | None) -> Periods:
    """Open from when until when a row of the directory made its alias somebody's."""
    if sealed is None or key is None:
        return ALWAYS
    return from_text(json.loads(open_value(key, bytes(sealed), ("alias-periods", digest))))


def _alias_row(
    estate: Estate,
    conn: sa.Connection,
    name: Alias,
    person: Subject,
    key: bytes,
    periods: Periods,
    now: datetime,
) -> dict[str, object]:
    digest = alias_digest(estate, conn, name)
    sealed = None
    if periods != ALWAYS:
        sealed = seal_value(key, json.dumps(as_text(periods)).encode(), ("alias-periods", digest))
    return {
        "alias_mac": digest,
        "pid": person.identity_pid,
        "kind": name.kind,
        "sealed": seal_value(key, name.value.encode(), ("alias", digest)),
        "sealed_periods": sealed,
        "created_at": _day(now),
    }


def _opened_alias(key: bytes, row: sa.Row[Any]) -> Alias:
    return Alias(row.kind, open_value(key, bytes(row.sealed), ("alias", bytes(row.alias_mac))).decode())


def _day(now: datetime) -> datetime:
    """Return the start of the day: an exact time would tie a person to the batch that first named them."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0)
