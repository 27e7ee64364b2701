"""The published envelopes still open, also with a straight-line reader that shares no code; and ours reads its writer."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import io
import json
import struct
import unicodedata
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, hpke
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from shelflife.errors import SealBroken
from shelflife.seal.envelope import EnvelopeReader, read_envelope
from shelflife.seal.envelope_header import Wrapping
from shelflife.seal.envelope_keys import ExportPrivateKey, Passphrase

from .make_envelope_vectors import EXPIRES, MADE, PATH, plaintext

VECTORS = json.loads(PATH.read_text(encoding="utf-8"))["vectors"]
NAMES = [f"{vector['wrapping']} {vector['name']}" for vector in VECTORS]
SUITES = {
    1: (hpke.KEM.X25519, 80),
    2: (hpke.KEM.MLKEM768_X25519, 1168),
}


def hkdf_expand(key: bytes, info: bytes) -> bytes:
    return HKDFExpand(algorithm=hashes.SHA256(), length=32, info=info).derive(key)


def argon2id(passphrase: str, salt: bytes) -> bytes:
    secret = unicodedata.normalize("NFC", passphrase).encode()
    return Argon2id(salt=salt, length=32, iterations=3, lanes=4, memory_cost=65536).derive(secret)


def independent_open(envelope: bytes, vector: dict[str, Any]) -> bytes:
    """Open an envelope as docs/export-format.md describes it."""
    magic, version, wrapping, made, expires, _ = struct.unpack(">8sBBQQ16s", envelope[:42])
    assert (magic, version, wrapping) == (b"SLEXPORT", 1, vector["wrapping"])
    assert (made, expires) == (int(MADE.timestamp()), int(EXPIRES.timestamp()))
    info = b"shelflife/v1/export-wrap" + envelope[:42]
    if wrapping == 3:
        end = 42 + 64
        salt, sealed = envelope[42:58], envelope[58:end]
        content_key = AESGCM(argon2id(vector["passphrase"], salt)).decrypt(bytes(12), sealed, info)
    else:
        kem, length = SUITES[wrapping]
        end, raw = 42 + length, bytes.fromhex(vector["private_key"])
        curve = X25519PrivateKey.from_private_bytes(raw[-32:])
        lattice = MLKEM768PrivateKey.from_seed_bytes(raw[:64]) if wrapping == 2 else None
        private = hpke.MLKEM768X25519PrivateKey(lattice, curve) if lattice else curve
        suite = hpke.Suite(kem, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
        content_key = suite.decrypt(envelope[42:end], private, info)
    digest = hashlib.sha256(envelope[:end]).digest()
    assert hkdf_expand(content_key, b"shelflife/v1/export-commit" + digest) == envelope[end : end + 32]
    cipher = AESGCM(hkdf_expand(content_key, b"shelflife/v1/export-body" + digest))
    body, content, number = envelope[end + 32 :], b"", 0
    while True:
        chunk, body = body[:65552], body[65552:]
        content += cipher.decrypt(number.to_bytes(11, "big") + bytes([not body]), chunk, None)
        number += 1
        if not body:
            return content


def independent_seal(content: bytes, passphrase: str, content_key: bytes, empty_chunks: int = 0) -> bytes:
    """Seal a content as docs/export-format.md describes it."""
    times = (int(MADE.timestamp()), int(EXPIRES.timestamp()))
    prefix = struct.pack(">8sBBQQ16s", b"SLEXPORT", 1, 3, *times, bytes(16))
    salt = b"sixteen byte salt"[:16]
    head = prefix + salt
    head += AESGCM(argon2id(passphrase, salt)).encrypt(
        bytes(12), content_key, b"shelflife/v1/export-wrap" + prefix
    )
    digest = hashlib.sha256(head).digest()
    envelope = head + hkdf_expand(content_key, b"shelflife/v1/export-commit" + digest)
    cipher = AESGCM(hkdf_expand(content_key, b"shelflife/v1/export-body" + digest))
    chunks = [content[at : at + 65536] for at in range(0, len(content), 65536)] or [b""]
    chunks += [b""] * empty_chunks
    for number, chunk in enumerate(chunks):
        nonce = number.to_bytes(11, "big") + bytes([number == len(chunks) - 1])
        envelope += cipher.encrypt(nonce, chunk, None)
    return envelope


def own(vector: dict[str, Any]) -> ExportPrivateKey | Passphrase:
    if "passphrase" in vector:
        return Passphrase(vector["passphrase"])
    return ExportPrivateKey(Wrapping(vector["wrapping"]), bytes.fromhex(vector["private_key"]))


@pytest.mark.parametrize("vector", VECTORS, ids=NAMES)
def test_published_envelopes_open(vector):
    envelope, expected = base64.b64decode(vector["envelope"]), plaintext(vector["length"])
    assert hashlib.sha256(expected).hexdigest() == vector["content_sha256"]
    assert independent_open(envelope, vector) == expected
    reader = EnvelopeReader(io.BytesIO(envelope), own(vector), now=MADE)
    assert reader.read() == expected
    assert b"".join(read_envelope(io.BytesIO(envelope), own(vector), now=MADE)) == expected
    assert (reader.header.made_at, reader.header.expires_at) == (MADE, EXPIRES)


def test_the_passphrase_may_be_composed_otherwise():
    vector = next(vector for vector in VECTORS if "passphrase" in vector)
    decomposed = Passphrase(unicodedata.normalize("NFD", vector["passphrase"]))
    assert decomposed.value != vector["passphrase"]
    envelope = io.BytesIO(base64.b64decode(vector["envelope"]))
    assert EnvelopeReader(envelope, decomposed, now=MADE).read() == plaintext(vector["length"])


@pytest.mark.parametrize("length", [0, 1, 65535, 65536, 65537, 131072])
def test_an_envelope_of_another_writer_opens(length):
    envelope = independent_seal(plaintext(length), "another writer", bytes(range(32)))
    now = MADE + dt.timedelta(days=1)
    assert EnvelopeReader(io.BytesIO(envelope), Passphrase("another writer"), now=now).read() == plaintext(
        length
    )


@pytest.mark.parametrize("length", [0, 65536])
def test_an_empty_last_chunk_is_refused(length):
    """Each content has one form: whoever adds an empty chunk at the end has altered it."""
    envelope = independent_seal(plaintext(length), "another writer", bytes(range(32)), empty_chunks=1)
    own = Passphrase("another writer")
    with pytest.raises(SealBroken):
        EnvelopeReader(io.BytesIO(envelope), own, now=MADE)
    with pytest.raises(SealBroken):
        list(read_envelope(io.BytesIO(envelope), own, now=MADE))


def test_the_reader_in_the_documentation_works():
    import re
    from pathlib import Path

    text = (Path(__file__).parents[2] / "docs/export-format.md").read_text("utf-8")
    [code] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(code, "export-format.md", "exec"), names)
    for vector in VECTORS:
        if vector["wrapping"] == 2:
            continue
        envelope = base64.b64decode(vector["envelope"])
        if "passphrase" in vector:
            content = names["open_envelope"](envelope, passphrase=vector["passphrase"])
        else:
            content = names["open_envelope"](envelope, private_key=bytes.fromhex(vector["private_key"]))
        assert content == plaintext(vector["length"])
