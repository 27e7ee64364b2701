"""The demonstration's phone: registered for one person, it seals an hour of heart rates to the estate."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shelflife.seal.upload_envelope import seal_upload
from shelflife.seal.upload_keys import DevicePublicKey
from shelflife.subjects import devices, landing_keys
from shelflife.subjects.directory import Alias

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from shelflife.estate import Estate

_DAY = timedelta(days=1)
MINUTES = 60


def write_sealed_upload(estate: Estate, account: str, inbox: Path, clock: Callable[[], datetime]) -> int:
    """Register a phone for an account and put one sealed upload into the inbox, in no account's folder.

    Returns:
        Samples in it.
    """
    now = clock()
    landing_key = landing_keys.rotate(estate, grace=_DAY, clock=clock)
    phone = ec.generate_private_key(ec.SECP256R1())
    point = phone.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    device = devices.register(estate, Alias("account", account), DevicePublicKey.load(point), clock=clock)
    token = devices.issue_token(
        estate,
        device,
        streams=("heart",),
        samples_from=now - _DAY,
        samples_until=now,
        expires_at=now + _DAY,
    )
    begin = (now - timedelta(hours=2)).replace(microsecond=0)
    beats = [
        {
            "signal": "heart_rate",
            "value": 60 + minute % 20,
            "unit": "/min",
            "start": (begin + timedelta(minutes=minute)).isoformat(),
            "platform": "demo_phone",
        }
        for minute in range(MINUTES)
    ]
    sealed = seal_upload(
        b"".join(json.dumps(beat).encode() + b"\n" for beat in beats),
        to=landing_key.public,
        device_id=device,
        sequence=1,
        made_at=now,
        token=token,
        sign=lambda message: phone.sign(message, ec.ECDSA(hashes.SHA256())),
    )
    (inbox / "upload.sealed").write_bytes(sealed)
    return len(beats)
