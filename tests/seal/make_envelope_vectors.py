"""Make the published envelopes: `python -m tests.seal.make_envelope_vectors` writes envelope_vectors.json beside this file.

Each run draws fresh keys, so the file is only made anew when the format gets a new number.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import io
import json
from pathlib import Path
from typing import Any

from shelflife.seal.envelope import CHUNK_BYTES, EnvelopeWriter
from shelflife.seal.envelope_header import Wrapping
from shelflife.seal.envelope_keys import ExportPrivateKey, Passphrase

PATH = Path(__file__).with_name("envelope_vectors.json")
MADE = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
EXPIRES = dt.datetime(2026, 12, 23, 12, 0, tzinfo=dt.UTC)
LENGTHS = {"empty": 0, "short": 11, "one full chunk": CHUNK_BYTES, "two chunks": CHUNK_BYTES + 1}


def plaintext(length: int) -> bytes:
    """Byte i is i * 7 mod 251."""
    return bytes(i * 7 % 251 for i in range(length))


def vectors() -> dict[str, Any]:
    """Return every way of wrapping with a short content, and every length with the first of them."""
    keys: list[ExportPrivateKey | Passphrase] = [
        ExportPrivateKey.generate(Wrapping.HPKE_X25519),
        ExportPrivateKey.generate(Wrapping.HPKE_MLKEM768_X25519),
        Passphrase("correct hörse battery staple"),
    ]
    made = [_vector("short", key) for key in keys]
    made += [_vector(name, keys[0]) for name in LENGTHS if name != "short"]
    return {
        "format": 1,
        "content": "byte i is i * 7 mod 251",
        "made_at": MADE.isoformat(),
        "expires_at": EXPIRES.isoformat(),
        "vectors": made,
    }


def _vector(name: str, key: ExportPrivateKey | Passphrase) -> dict[str, Any]:
    sink = io.BytesIO()
    to = key if isinstance(key, Passphrase) else key.public_key()
    writer = EnvelopeWriter(sink, to, export_id=bytes(range(16)), made_at=MADE, expires_at=EXPIRES)
    content = plaintext(LENGTHS[name])
    writer.write(content)
    writer.finish()
    secret = {"passphrase": key.value} if isinstance(key, Passphrase) else {"private_key": key.raw.hex()}
    return {
        "name": name,
        "wrapping": int(key.wrapping),
        **secret,
        "length": len(content),
        "content_sha256": hashlib.sha256(content).hexdigest(),
        "envelope": base64.b64encode(sink.getvalue()).decode(),
    }


if __name__ == "__main__":
    PATH.write_text(json.dumps(vectors(), indent=1) + "\n", encoding="utf-8")
