"""The directory of subjects: aliases in, pseudonyms out.

An alias (an account, a device, a platform's own id) is found by a keyed digest and kept sealed under the
subject's own identity key, as is the subject id itself. Without that key a row of the directory cannot be tied
to any sample: destroying the identity keyring cuts the person out of every zone at once.
"""

from __future__ import annotations

import hmac
import re
import unicodedata
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import sqlalchemy as sa

from shelflife.control.tables import alias, subject, tombstone
from shelflife.errors import ConfigurationError, KeyDestroyed
from shelflife.estate import Secret
from shelflife.keys.pseudonyms import pseudonym
from shelflife.seal.values import open_value, seal_value

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from shelflife.control.database import Transaction
    from shelflife.estate import Estate

PROFILE_STREAM = "profile"
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


def alias_digest(estate: Estate, conn: sa.Connection, name: Alias, secret: Secret = Secret.ALIAS) -> bytes:
    """Return the keyed digest that an alias is looked up by (32 bytes, HMAC-SHA256)."""
    key = estate.secret(conn, "identity", secret)
    kind, value = name.kind.encode(), name.value.encode()
    return hmac.digest(key, len(kind).to_bytes(4, "big") + kind + value, "sha256")


def tombstoned(estate: Estate, conn: sa.Connection, names: Sequence[Alias]) -> set[Alias]:
    """Return the aliases that belong to erased people and whose data is refused by arrival."""
    if not names:
        return set()
    digests = {alias_digest(estate, conn, name, Secret.TOMBSTONE): name for name in names}
    found: set[Alias] = set()
    lifted = tombstone.c.registered_again_at.is_(None)
    for chunk in _chunks(list(digests)):
        rows = conn.execute(sa.select(tombstone.c.alias_mac).where(tombstone.c.alias_mac.in_(chunk), lifted))
        found.update(digests[bytes(row.alias_mac)] for row in rows)
    return found


def returned(estate: Estate, conn: sa.Connection, names: Sequence[Alias]) -> dict[Alias, datetime]:
    """Return the aliases of people who were erased and came back, with the time from which their data is new."""
    digests = {alias_digest(estate, conn, name, Secret.TOMBSTONE): name for name in names}
    found: dict[Alias, datetime] = {}
    for chunk in _chunks(list(digests)):
        back = tombstone.c.registered_again_at.is_not(None) & tombstone.c.alias_mac.in_(chunk)
        for row in conn.execute(sa.select(tombstone).where(back)):
            found[digests[bytes(row.alias_mac)]] = row.registered_again_at
    return found


def bury(estate: Estate, tx: Transaction, names: Sequence[Alias], *, reason: str, now: datetime) -> None:
    """Record tombstones: from now on data that arrives under these aliases is refused."""
    for name in sorted(set(names) - tombstoned(estate, tx.conn, list(names))):
        digest = alias_digest(estate, tx.conn, name, Secret.TOMBSTONE)
        tx.conn.execute(tombstone.delete().where(tombstone.c.alias_mac == digest))
        tx.conn.execute(tombstone.insert().values(alias_mac=digest, erased_at=now, reason=reason))


def register_again(estate: Estate, tx: Transaction, name: Alias, now: datetime) -> None:
    """Let an erased person start anew under an alias: what was observed before now stays refused.

    The next landing mints a new subject, with nothing in common with the erased one.

    Raises:
        ConfigurationError: the alias is not that of an erased person.
    """
    if name not in tombstoned(estate, tx.conn, [name]):
        raise ConfigurationError(
            "Nobody was erased under this alias.",
            remedy="Check the alias and its --kind; others need no registration.",
        )
    digest = alias_digest(estate, tx.conn, name, Secret.TOMBSTONE)
    here = tombstone.c.alias_mac == digest
    tx.conn.execute(tombstone.update().where(here).values(registered_again_at=now))


def aliases_of(estate: Estate, conn: sa.Connection, person: Subject) -> list[Alias]:
    """Open every alias of a person.

    Raises:
        KeyDestroyed: the person's identity keys are gone.
    """
    key = (
        estate.keyrings["identity"].keys(conn, [person.identity_pid], PROFILE_STREAM).get(person.identity_pid)
    )
    if key is None:
        raise KeyDestroyed("A subject's identity key was destroyed.", remedy="Treat it as erased.")
    rows = conn.execute(sa.select(alias).where(alias.c.pid == person.identity_pid))
    return sorted(
        Alias(row.kind, open_value(key, bytes(row.sealed), ("alias", bytes(row.alias_mac))).decode())
        for row in rows
    )


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
    keys = estate.keyrings["identity"].keys(conn, pids, PROFILE_STREAM)
    found: dict[bytes, list[Alias] | None] = {}
    for chunk in _chunks(sorted(set(pids))):
        for pid in conn.execute(sa.select(subject.c.pid).where(subject.c.pid.in_(chunk))).scalars():
            found[bytes(pid)] = [] if keys.get(bytes(pid)) is not None else None
        for row in conn.execute(sa.select(alias).where(alias.c.pid.in_(chunk))):
            key, names = keys.get(bytes(row.pid)), found.get(bytes(row.pid))
            if key is not None and names is not None:
                value = open_value(key, bytes(row.sealed), ("alias", bytes(row.alias_mac))).decode()
                names.append(Alias(row.kind, value))
    return {pid: sorted(names) if names is not None else None for pid, names in found.items()}


def find(estate: Estate, conn: sa.Connection, names: Sequence[Alias]) -> dict[Alias, Subject]:
    """Return the subjects behind aliases that are known.

    Raises:
        KeyDestroyed: an alias points at a person whose identity keys are gone.
    """
    digests = {alias_digest(estate, conn, name): name for name in names}
    pids: dict[Alias, bytes] = {}
    for chunk in _chunks(list(digests)):
        for row in conn.execute(
            sa.select(alias.c.alias_mac, alias.c.pid).where(alias.c.alias_mac.in_(chunk))
        ):
            pids[digests[bytes(row.alias_mac)]] = bytes(row.pid)
    known = by_identity_pid(estate, conn, sorted(set(pids.values())))
    return {name: known[pid] for name, pid in pids.items()}


def by_identity_pid(estate: Estate, conn: sa.Connection, pids: Sequence[bytes]) -> dict[bytes, Subject]:
    """Open the directory rows of the given identity-zone pseudonyms."""
    keys = estate.keyrings["identity"].keys(conn, pids, PROFILE_STREAM)
    found: dict[bytes, Subject] = {}
    for chunk in _chunks(list(pids)):
        rows = conn.execute(sa.select(subject.c.pid, subject.c.sealed_id).where(subject.c.pid.in_(chunk)))
        for row in rows:
            pid = bytes(row.pid)
            key = keys.get(pid)
            if key is None:
                raise KeyDestroyed("A subject's identity key was destroyed.", remedy="Treat it as erased.")
            found[pid] = _subject(estate, conn, open_value(key, bytes(row.sealed_id), ("subject-id", pid)))
    return found


def everyone(estate: Estate, conn: sa.Connection) -> list[Subject]:
    """Return every subject whose identity key still exists."""
    pids = [bytes(pid) for pid in conn.execute(sa.select(subject.c.pid).order_by(subject.c.pid)).scalars()]
    keys = estate.keyrings["identity"].keys(conn, pids, PROFILE_STREAM)
    return list(by_identity_pid(estate, conn, [pid for pid in pids if keys.get(pid)]).values())


def ensure(estate: Estate, tx: Transaction, names: Sequence[Alias], now: datetime) -> dict[Alias, Subject]:
    """Return the subjects behind aliases, minting a subject and its keyrings for each unknown one."""
    known = find(estate, tx.conn, names)
    missing = sorted(set(names) - set(known))
    minted = {name: _subject(estate, tx.conn, uuid.uuid4().bytes) for name in missing}
    newcomers = list(minted.values())
    # Each zone's rings are numbered in the order of its own pseudonyms, so that equal numbers mean nothing.
    estate.keyrings["identity"].ensure(tx, sorted(person.identity_pid for person in newcomers))
    estate.keyrings["raw"].ensure(tx, sorted(person.raw_pid for person in newcomers))
    keys = estate.keyrings["identity"].keys(
        tx.conn, [person.identity_pid for person in newcomers], PROFILE_STREAM
    )
    for name, person in minted.items():
        key = keys[person.identity_pid]
        assert key is not None  # noqa: S101  minted in this very transaction
        sealed = seal_value(key, person.subject_id, ("subject-id", person.identity_pid))
        tx.conn.execute(
            subject.insert().values(pid=person.identity_pid, sealed_id=sealed, created_at=_day(now))
        )
        _attach(estate, tx, name, person, key, now)
    return known | minted


def pseudonym_map(estate: Estate, conn: sa.Connection, from_zone: str, to_zone: str) -> dict[bytes, bytes]:
    """Return every subject's pseudonym of one zone mapped to that of another; for the core alone."""
    first, second = estate.pepper(conn, from_zone), estate.pepper(conn, to_zone)
    people = everyone(estate, conn)
    return {pseudonym(first, one.subject_id): pseudonym(second, one.subject_id) for one in people}


def _attach(estate: Estate, tx: Transaction, name: Alias, person: Subject, key: bytes, now: datetime) -> None:
    digest = alias_digest(estate, tx.conn, name)
    sealed = seal_value(key, name.value.encode(), ("alias", digest))
    tx.conn.execute(
        alias.insert().values(
            alias_mac=digest, pid=person.identity_pid, kind=name.kind, sealed=sealed, created_at=_day(now)
        )
    )


def _subject(estate: Estate, conn: sa.Connection, subject_id: bytes) -> Subject:
    return Subject(
        subject_id=subject_id,
        identity_pid=pseudonym(estate.pepper(conn, "identity"), subject_id),
        raw_pid=pseudonym(estate.pepper(conn, "raw"), subject_id),
    )


def _day(now: datetime) -> datetime:
    """Return the start of the day: an exact time would tie a person to the batch that first named them."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def _chunks(items: list[bytes]) -> list[list[bytes]]:
    """Split a list so that no statement passes SQLite's limit on bound variables."""
    return [items[start : start + _CHUNK] for start in range(0, len(items), _CHUNK)]
