"""A person's phone as a test needs it: registered, with a token, sealing what it is told to."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import sqlalchemy as sa
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shelflife.control.subject_tables import upload_device
from shelflife.lake.inbox import list_inbox
from shelflife.lake.landing import land
from shelflife.seal.upload_envelope import seal_upload
from shelflife.seal.upload_keys import DevicePublicKey
from shelflife.seal.upload_scope import UploadScope
from shelflife.subjects import devices
from shelflife.subjects.directory import Alias
from shelflife.subjects.landing_keys import current_key, landing_keys, rotate
from tests.conftest import NOW
from tests.lake.state import raw_rows

if TYPE_CHECKING:
    from pathlib import Path

    from shelflife.estate import Estate
    from shelflife.seal.upload_keys import LandingPublicKey

DAY = dt.timedelta(days=1)
_ECDSA = ec.ECDSA(hashes.SHA256())


def row(start: str = "2026-11-22T08:00:00Z", **more: object) -> dict[str, object]:
    return {"signal": "heart_rate", "value": 61, "unit": "/min", "start": start} | more


def ndjson(*rows: dict[str, object]) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in rows)


@dataclass
class Phone:
    """One registered device."""

    estate: Estate
    account: str = "account-1"
    private: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    def __post_init__(self) -> None:
        with self.estate.database.read() as conn:
            missing = not landing_keys(conn)
        if missing:
            rotate(self.estate, grace=DAY, clock=lambda: NOW)
        point = self.private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        name = Alias("account", self.account)
        self.device_id = devices.register(self.estate, name, DevicePublicKey.load(point), clock=lambda: NOW)
        self.token = self.scope()
        self.landing_key = self.current()

    def current(self) -> LandingPublicKey:
        with self.estate.database.read() as conn:
            return current_key(conn).public

    def scope(self, *streams: str, **changed) -> bytes:
        how = {
            "samples_from": NOW - 30 * DAY,
            "samples_until": NOW + DAY,
            "expires_at": NOW + DAY,
        } | changed
        return devices.issue_token(self.estate, self.device_id, streams=streams or ("heart",), **how)

    def sign(self, message: bytes) -> bytes:
        return self.private.sign(message, _ECDSA)

    def seal(self, payload: bytes | None = None, sequence: int = 1, **changed) -> bytes:
        how = {
            "to": self.landing_key,
            "device_id": self.device_id,
            "sequence": sequence,
            "made_at": NOW,
            "token": self.token,
            "sign": self.sign,
        } | changed
        return seal_upload(ndjson(row()) if payload is None else payload, **how)

    def send(
        self, name: str, payload: bytes | None = None, sequence: int = 1, folder: str = "", **changed
    ) -> Path:
        place = self.estate.settings.inbox / folder
        place.mkdir(parents=True, exist_ok=True)
        path = place / name
        path.write_bytes(self.seal(payload, sequence, **changed))
        return path


def landed(estate, now=NOW):
    return land(estate, list_inbox(estate.settings.inbox), clock=lambda: now)


def window(estate) -> tuple[int, int]:
    with estate.database.read() as conn:
        found = conn.execute(sa.select(upload_device)).one()
    return found.highest_sequence, int.from_bytes(found.seen, "big")


def people_of_rows(estate) -> list[str]:
    return sorted(name for rows in raw_rows(estate).values() for name in rows["pid"].to_list())


def name_of(phone: Phone) -> str:
    """What raw_rows calls the owner of a phone: the smallest of their aliases."""
    return min(phone.account, UploadScope.parse(phone.token).subject.hex())


def refusal(estate, now=NOW) -> str:
    """Land what waits, which must be one refused upload that changes nothing; return the reason."""
    before = window(estate)
    report = landed(estate, now)
    [file] = report.refused_files
    assert report.total("samples_in") == 0
    assert window(estate) == before
    assert len(list_inbox(estate.settings.inbox)) == 1
    assert not raw_rows(estate)
    return file.error
