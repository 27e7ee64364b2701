"""Make the published uploads: `python -m tests.seal.make_upload_vectors` writes upload_vectors.json beside this file.

Each run draws fresh encapsulations and signatures, so the file is only made anew when the format gets a new number. All
keys in it are test keys that protect nothing.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from shelflife.seal.upload_envelope import seal_upload
from shelflife.seal.upload_keys import LandingPrivateKey, device_signer
from shelflife.seal.upload_scope import UploadScope, token_text

PATH = Path(__file__).with_name("upload_vectors.json")
LANDING = LandingPrivateKey(bytes(range(96)))
ISSUER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
DEVICE = ec.derive_private_key(int.from_bytes(bytes(range(1, 33)), "big"), ec.SECP256R1())
DEVICE_ID, SUBJECT = bytes(range(16, 32)), bytes(range(32, 48))
MADE = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
SCOPE = UploadScope(
    SUBJECT,
    DEVICE_ID,
    ("heart", "sleep"),
    dt.datetime(2026, 11, 1, tzinfo=dt.UTC),
    dt.datetime(2026, 12, 1, tzinfo=dt.UTC),
    dt.datetime(2026, 12, 8, tzinfo=dt.UTC),
)
ROW = {"signal": "heart_rate", "value": 61, "unit": "/min", "start": "2026-11-22T08:00:00Z"}
PAYLOADS = {
    "one sample": (json.dumps(ROW) + "\n").encode(),
    "empty": b"",
    "two thousand bytes": bytes(i * 7 % 251 for i in range(2000)),
}


def device_pem() -> bytes:
    """The device's private key, as the reference client reads it."""
    return DEVICE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def vectors() -> dict[str, Any]:
    token = SCOPE.issued(ISSUER)
    public = DEVICE.public_key()
    made = []
    for sequence, (name, payload) in enumerate(PAYLOADS.items(), start=1):
        sealed = seal_upload(
            payload,
            to=LANDING.public_key(),
            device_id=DEVICE_ID,
            sequence=sequence,
            made_at=MADE,
            token=token,
            sign=device_signer(device_pem()),
        )
        made.append(
            {
                "name": name,
                "sequence": sequence,
                "payload": base64.b64encode(payload).decode(),
                "sealed": base64.b64encode(sealed).decode(),
            }
        )
    return {
        "format": 1,
        "landing_private_key": LANDING.raw.hex(),
        "landing_key": LANDING.public_key().text(),
        "landing_key_id": LANDING.public_key().key_id.hex(),
        "issuer_public_key": ISSUER.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex(),
        "device_private_key": device_pem().decode(),
        "device_public_key": public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint).hex(),
        "device_id": DEVICE_ID.hex(),
        "token": token_text(token),
        "scope": {
            "subject": SUBJECT.hex(),
            "streams": list(SCOPE.streams),
            "samples_from": SCOPE.samples_from.isoformat(),
            "samples_until": SCOPE.samples_until.isoformat(),
            "expires_at": SCOPE.expires_at.isoformat(),
        },
        "made_at": MADE.isoformat(),
        "uploads": made,
    }


if __name__ == "__main__":
    PATH.write_text(json.dumps(vectors(), indent=1) + "\n", encoding="utf-8")
