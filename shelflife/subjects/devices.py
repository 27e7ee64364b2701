"""Devices that may upload: whose each is, the key that it signs with, and the tokens that say what it may send.

A device is known by a random id that only it and its owner's sealed row hold; the row is found by a keyed digest. The
owner is named towards devices by an upload pseudonym: a random alias of the kind `upload`, so that what is done with
aliases, tombstones above all, is done with it.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shelflife.control.subject_tables import upload_device
from shelflife.errors import ConfigurationError, RequestRefused
from shelflife.estate import Secret
from shelflife.journal.destruction import Destruction
from shelflife.journal.journal import record
from shelflife.keys.leases import advance_epoch
from shelflife.seal.replay_window import ReplayWindow
from shelflife.seal.upload_keys import DevicePublicKey
from shelflife.seal.upload_scope import ID_BYTES, UploadScope
from shelflife.seal.values import open_value, seal_value
from shelflife.signals.vocabulary import STREAMS
from shelflife.subjects.directory import (
    PROFILE_STREAM,
    Alias,
    alias_digest,
    aliases_of,
    attach,
    by_identity_pid,
    ensure,
    find,
    profile_key,
)
from shelflife.subjects.periods import ALWAYS
from shelflife.subjects.tombstones import tombstoned

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from typing import Any

    from shelflife.control.database import Transaction
    from shelflife.estate import Estate
    from shelflife.subjects.directory import Subject

UPLOAD = "upload"
"""Alias kind of upload pseudonyms: 16 random bytes in hexadecimal."""

_CONTEXT = "upload-device"
_DEVICE = "upload_device"


@dataclass(frozen=True)
class Device:
    """A registered device, opened with its owner's key.

    Attributes:
        mac: the keyed digest that its row is found by.
        owner: the owner's pseudonym in the identity zone.
        device_id: 16 random bytes.
        key: what its signatures are checked with.
        active: whether it was not revoked.
        window: which of its uploads were landed.
        registered_at: the day.
    """

    mac: bytes = field(repr=False)
    owner: bytes = field(repr=False)
    device_id: bytes = field(repr=False)
    key: DevicePublicKey = field(repr=False)
    active: bool
    window: ReplayWindow
    registered_at: datetime


def token_key(estate: Estate, conn: sa.Connection) -> Ed25519PrivateKey:
    """Return the key that the estate signs scope tokens with."""
    return Ed25519PrivateKey.from_private_bytes(estate.secret(conn, "identity", Secret.UPLOADS))


def pseudonym_alias(subject: bytes) -> Alias:
    """Return the alias that stands for the person whom a token names."""
    return Alias(UPLOAD, subject.hex())


def register(estate: Estate, account: Alias, key: DevicePublicKey, *, clock: Callable[[], datetime]) -> bytes:
    """Register a device for a person and return its id, 16 random bytes; an unknown account becomes a new person.

    Raises:
        RequestRefused: the account is that of an erased person.
    """
    device_id = os.urandom(ID_BYTES)
    with estate.database.commit() as tx:
        now = clock()
        if tombstoned(estate, tx.conn, [account]):
            raise RequestRefused(
                "Whoever has this alias was erased.",
                remedy="If the person came back on purpose, run `shelflife subjects register` first.",
            )
        person = ensure(estate, tx, [account], now)[account]
        _pseudonym(estate, tx, person, now)
        mac = _mac(estate, tx.conn, device_id)
        content = json.dumps({"device_id": device_id.hex(), "key": key.raw.hex()}).encode()
        tx.conn.execute(
            upload_device.insert().values(
                device_mac=mac,
                pid=person.identity_pid,
                sealed=seal_value(
                    profile_key(estate, tx.conn, person.identity_pid), content, (_CONTEXT, mac)
                ),
                state="active",
                highest_sequence=0,
                seen=ReplayWindow().seen_bytes,
                registered_at=now.replace(hour=0, minute=0, second=0, microsecond=0),
            )
        )
        estate.ledger.append(tx, [{"type": "device_registered"}], now)
    return device_id


def revoke(estate: Estate, device_id: bytes, *, clock: Callable[[], datetime]) -> None:
    """Refuse a device's uploads from now on, also after a restore; repeating it changes nothing.

    Raises:
        ConfigurationError: there is no such device.
    """
    with estate.database.commit() as tx:
        now, mac = clock(), _mac(estate, tx.conn, device_id)
        row = tx.conn.execute(sa.select(upload_device).where(upload_device.c.device_mac == mac)).one_or_none()
        if row is None:
            raise _unknown()
        if row.state == "revoked":
            return
        gone = Destruction(kind="device", record_id=os.urandom(16).hex(), at=now, revoked_devices=[mac])
        record(estate, tx.conn, gone)
        here = upload_device.c.device_mac == mac
        tx.conn.execute(upload_device.update().where(here).values(state="revoked"))
        advance_epoch(tx)
        estate.ledger.append(tx, [{"type": "device_revoked"}], now)


def issue_token(
    estate: Estate,
    device_id: bytes,
    *,
    streams: Sequence[str],
    samples_from: datetime,
    samples_until: datetime,
    expires_at: datetime,
) -> bytes:
    """Return a signed scope token for a device.

    Raises:
        ConfigurationError: there is no such device or stream, the device was revoked, or the range is empty.
    """
    if unknown := sorted(set(streams) - set(STREAMS)):
        raise ConfigurationError(
            f"{len(unknown)} of the streams do not exist.", remedy=f"Use some of: {', '.join(STREAMS)}."
        )
    with estate.database.read() as conn:
        known = find_device(estate, conn, device_id)
        if known is None or not known.active:
            raise _unknown()
        subject = _known_pseudonym(estate, conn, known.owner)
        key = token_key(estate, conn)
    scope = UploadScope(subject, device_id, tuple(streams), samples_from, samples_until, expires_at)
    return scope.issued(key)


def find_device(estate: Estate, conn: sa.Connection, device_id: bytes) -> Device | None:
    """Return a device; None for one that was never registered, or whose owner was erased."""
    mac = _mac(estate, conn, device_id)
    row = conn.execute(sa.select(upload_device).where(upload_device.c.device_mac == mac)).one_or_none()
    if row is None:
        return None
    pid = bytes(row.pid)
    key = estate.keyrings["identity"].keys(conn, [pid], PROFILE_STREAM).get(pid)
    return None if key is None else _opened(row, key)


def devices_of(estate: Estate, conn: sa.Connection, owner: Alias) -> list[Device]:
    """Return the devices of a person, in the order of their ids; none for somebody unknown."""
    person = find(estate, conn, [owner]).get(owner)
    if person is None:
        return []
    key = profile_key(estate, conn, person.identity_pid)
    rows = conn.execute(sa.select(upload_device).where(upload_device.c.pid == person.identity_pid))
    return sorted((_opened(row, key) for row in rows), key=lambda device: device.device_id)


def move_window(tx: Transaction, device: Device, to: ReplayWindow) -> bool:
    """Move a device's window; False when it was moved, revoked or removed since it was looked up."""
    here = (
        (upload_device.c.device_mac == device.mac)
        & (upload_device.c.state == "active")
        & (upload_device.c.highest_sequence == device.window.highest)
        & (upload_device.c.seen == device.window.seen_bytes)
    )
    change = upload_device.update().where(here).values(highest_sequence=to.highest, seen=to.seen_bytes)
    return tx.conn.execute(change).rowcount == 1


def _pseudonym(estate: Estate, tx: Transaction, person: Subject, now: datetime) -> None:
    """Give a person an upload pseudonym, unless there is one."""
    if not any(name.kind == UPLOAD for name in aliases_of(estate, tx.conn, person)):
        attach(estate, tx, pseudonym_alias(os.urandom(ID_BYTES)), person, ALWAYS, now)


def _known_pseudonym(estate: Estate, conn: sa.Connection, owner: bytes) -> bytes:
    person = by_identity_pid(estate, conn, [owner])[owner]
    names = [name.value for name in aliases_of(estate, conn, person) if name.kind == UPLOAD]
    return bytes.fromhex(names[0])


def _opened(row: sa.Row[Any], key: bytes) -> Device:
    mac = bytes(row.device_mac)
    content = json.loads(open_value(key, bytes(row.sealed), (_CONTEXT, mac)))
    return Device(
        mac=mac,
        owner=bytes(row.pid),
        device_id=bytes.fromhex(content["device_id"]),
        key=DevicePublicKey(bytes.fromhex(content["key"])),
        active=row.state == "active",
        window=ReplayWindow.stored(row.highest_sequence, bytes(row.seen)),
        registered_at=row.registered_at,
    )


def _mac(estate: Estate, conn: sa.Connection, device_id: bytes) -> bytes:
    return alias_digest(estate, conn, Alias(_DEVICE, device_id.hex()))


def _unknown() -> ConfigurationError:
    return ConfigurationError(
        "There is no such device, or it was revoked.", remedy="Register it with `shelflife device register`."
    )
