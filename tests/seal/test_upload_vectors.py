"""The published uploads still open, also with a straight-line reader that shares no code; and ours opens its writer's."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import re
import struct
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, hpke, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from shelflife.seal.upload_envelope import open_upload
from shelflife.seal.upload_keys import DevicePublicKey, LandingPrivateKey, LandingPublicKey
from shelflife.seal.upload_scope import UploadScope, token_from

from .make_upload_vectors import PATH

VECTORS = json.loads(PATH.read_text("utf-8"))
UPLOADS = VECTORS["uploads"]
NAMES = [upload["name"] for upload in UPLOADS]
PAGE = Path(__file__).parents[2] / "docs" / "upload-format.md"
SUITE = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
TOKEN = base64.b64decode(VECTORS["token"].partition(":")[2])
LANDING_PUBLIC = base64.b64decode(VECTORS["landing_key"].rpartition(":")[2])


def padded_length(length: int) -> int:
    """PADMÉ, with powers of two."""
    if length < 2:
        return length
    exponent = length.bit_length() - 1
    step = 2 ** (exponent - exponent.bit_length())
    return -(-length // step) * step


def independent_open(sealed: bytes) -> dict[str, Any]:
    """Open an upload as docs/upload-format.md describes it."""
    header, encrypted = sealed[:26], sealed[26:]
    magic, version, suite, key_id = struct.unpack(">8sBB16s", header)
    assert (magic, version, suite) == (b"SLUPLOAD", 1, 1)
    assert key_id == hashlib.sha256(b"shelflife/v1/landing-key\x01\x01" + LANDING_PUBLIC).digest()[:16]
    raw = bytes.fromhex(VECTORS["landing_private_key"])
    private = hpke.MLKEM768X25519PrivateKey(
        MLKEM768PrivateKey.from_seed_bytes(raw[:64]), X25519PrivateKey.from_private_bytes(raw[64:])
    )
    content = SUITE.decrypt(encrypted, private, b"shelflife/v1/upload" + header)
    marker = content.rindex(b"\x80")
    assert not content[marker + 1 :].strip(b"\0")
    assert len(content) == padded_length(marker + 1)
    device_id, sequence, made, length = struct.unpack(">16sQQH", content[:34])
    token, rest = content[34 : 34 + length], content[34 + length : marker]
    signature, payload = rest[1 : 1 + rest[0]], rest[1 + rest[0] :]
    signed = (
        b"shelflife/v1/upload-signature"
        + header
        + hashlib.sha256(LANDING_PUBLIC).digest()
        + content[:32]
        + hashlib.sha256(token).digest()
        + hashlib.sha256(payload).digest()
    )
    point = bytes.fromhex(VECTORS["device_public_key"])
    device = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    device.verify(signature, signed, ec.ECDSA(hashes.SHA256()))
    return {"device_id": device_id, "sequence": sequence, "made": made, "token": token, "payload": payload}


def independent_seal(payload: bytes, sequence: int, made: int) -> bytes:
    """Seal an upload as docs/upload-format.md describes it."""
    key_id = hashlib.sha256(b"shelflife/v1/landing-key\x01\x01" + LANDING_PUBLIC).digest()[:16]
    header = b"SLUPLOAD\x01\x01" + key_id
    front = struct.pack(">16sQQ", bytes.fromhex(VECTORS["device_id"]), sequence, made)
    digests = [hashlib.sha256(part).digest() for part in (LANDING_PUBLIC, TOKEN, payload)]
    signed = b"shelflife/v1/upload-signature" + header + digests[0] + front + digests[1] + digests[2]
    device = serialization.load_pem_private_key(VECTORS["device_private_key"].encode(), None)
    signature = device.sign(signed, ec.ECDSA(hashes.SHA256()))
    content = front + struct.pack(">H", len(TOKEN)) + TOKEN + bytes([len(signature)]) + signature + payload
    content = (content + b"\x80").ljust(padded_length(len(content) + 1), b"\0")
    public = hpke.MLKEM768X25519PublicKey(
        MLKEM768PublicKey.from_public_bytes(LANDING_PUBLIC[:1184]),
        X25519PublicKey.from_public_bytes(LANDING_PUBLIC[1184:]),
    )
    return header + SUITE.encrypt(content, public, b"shelflife/v1/upload" + header)


def own() -> LandingPrivateKey:
    return LandingPrivateKey(bytes.fromhex(VECTORS["landing_private_key"]))


def device() -> DevicePublicKey:
    return DevicePublicKey.load(bytes.fromhex(VECTORS["device_public_key"]))


@pytest.mark.parametrize("upload", UPLOADS, ids=NAMES)
def test_published_uploads_open(upload):
    sealed, payload = (base64.b64decode(upload[name]) for name in ("sealed", "payload"))
    found = open_upload(sealed, own())
    assert (found.payload, found.sequence, found.token) == (payload, upload["sequence"], TOKEN)
    assert found.made_at == dt.datetime.fromisoformat(VECTORS["made_at"])
    assert found.device_id.hex() == VECTORS["device_id"]
    assert found.is_signed_by(device())
    other = independent_open(sealed)
    assert (other["payload"], other["sequence"], other["token"]) == (payload, found.sequence, TOKEN)
    assert other["made"] == found.made_at.timestamp()


@pytest.mark.parametrize("length", [0, 1, 700, 5000, 100_000])
def test_an_upload_of_another_writer_opens(length):
    payload = bytes(i % 256 for i in range(length))
    found = open_upload(independent_seal(payload, 2**63 - 1, 0), own())
    assert (found.payload, found.sequence) == (payload, 2**63 - 1)
    assert found.is_signed_by(device())


def test_the_published_token_says_what_is_said_of_it():
    body, signature = TOKEN[:-64], TOKEN[-64:]
    issuer = Ed25519PublicKey.from_public_bytes(bytes.fromhex(VECTORS["issuer_public_key"]))
    issuer.verify(signature, b"shelflife/v1/upload-token" + body)
    version, subject, device_id, begins, ends, expires, count = struct.unpack(">B16s16sQQQB", body[:58])
    names = re.findall(rb"[\x01-\x1f]([a-z]+)", body[58:])
    scope = VECTORS["scope"]
    assert (version, count) == (1, len(scope["streams"]))
    assert (subject.hex(), device_id.hex()) == (scope["subject"], VECTORS["device_id"])
    assert [name.decode() for name in names] == scope["streams"]
    times = [dt.datetime.fromtimestamp(one, tz=dt.UTC).isoformat() for one in (begins, ends, expires)]
    assert times == [scope["samples_from"], scope["samples_until"], scope["expires_at"]]
    assert UploadScope.opened(token_from(VECTORS["token"]), issuer) == UploadScope.parse(TOKEN)


def test_the_published_landing_key_is_that_of_its_private_key():
    public = LandingPublicKey.parse(VECTORS["landing_key"])
    assert public == own().public_key()
    assert public.key_id.hex() == VECTORS["landing_key_id"]


def test_the_page_has_a_writer_that_works_and_quotes_the_vectors():
    text = PAGE.read_text("utf-8")
    [code] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(code, "upload-format.md", "exec"), names)
    signer = serialization.load_pem_private_key(VECTORS["device_private_key"].encode(), None)
    made = names["seal"](
        b"a payload",
        VECTORS["landing_key"],
        VECTORS["token"],
        7,
        1_795_435_200,
        lambda message: signer.sign(message, ec.ECDSA(hashes.SHA256())),
    )
    found = open_upload(made, own())
    assert (found.payload, found.sequence, found.is_signed_by(device())) == (b"a payload", 7, True)
    for name in ("landing_key_id", "device_id", "device_public_key", "token"):
        assert VECTORS[name] in re.sub(r"\n\s+", "", text), name
