"""The HPKE that uploads and exports are sealed with opens the published test vectors.

`cryptography` draws its encapsulations itself and has base mode and single messages only. So what is checked is opening:
base mode, the first message (sequence number 0) of each vector, for every suite of RFC 9180 appendix A that has one (A.1
to A.6; A.7 exports secrets only), for the other suites of the CFRG's file that the library has, and for the hybrid KEM
of draft-ietf-hpke-pq. The associated data of the vectors needs the library's own test entrance.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.bindings._rust import openssl
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from shelflife.seal.upload_keys import LandingPrivateKey

VECTORS = json.loads(Path(__file__).with_name("hpke_vectors.json").read_text("utf-8"))["vectors"]
HYBRID = 0x647A
KEMS = {
    0x10: hpke.KEM.P256,
    0x12: hpke.KEM.P521,
    0x20: hpke.KEM.X25519,
    HYBRID: hpke.KEM.MLKEM768_X25519,
}
KDFS = {1: hpke.KDF.HKDF_SHA256, 3: hpke.KDF.HKDF_SHA512}
AEADS = {1: hpke.AEAD.AES_128_GCM, 2: hpke.AEAD.AES_256_GCM, 3: hpke.AEAD.CHACHA20_POLY1305}


def hybrid_parts(seed: bytes) -> bytes:
    """The 96 bytes that the seed of a hybrid key stands for: ML-KEM's seed, then the X25519 key (SHAKE256)."""
    return hashlib.shake_256(seed).digest(96)


def private_key(vector: dict):
    raw = bytes.fromhex(vector["skRm"])
    if vector["kem_id"] == 0x20:
        return X25519PrivateKey.from_private_bytes(raw)
    if vector["kem_id"] == HYBRID:
        parts = hybrid_parts(raw)
        return hpke.MLKEM768X25519PrivateKey(
            MLKEM768PrivateKey.from_seed_bytes(parts[:64]), X25519PrivateKey.from_private_bytes(parts[64:])
        )
    curve = {0x10: ec.SECP256R1(), 0x12: ec.SECP521R1()}[vector["kem_id"]]
    return ec.derive_private_key(int.from_bytes(raw, "big"), curve)


def opened(vector: dict, **changed: bytes) -> bytes:
    parts = {name: bytes.fromhex(vector[name]) for name in ("enc", "ct", "info", "aad")} | changed
    suite = hpke.Suite(KEMS[vector["kem_id"]], KDFS[vector["kdf_id"]], AEADS[vector["aead_id"]])
    return openssl.hpke._decrypt_with_aad(
        suite, parts["enc"] + parts["ct"], private_key(vector), parts["info"], parts["aad"]
    )


@pytest.mark.parametrize("vector", VECTORS, ids=[f"{one['source']}: {one['name']}" for one in VECTORS])
def test_published_messages_open(vector):
    assert opened(vector).hex() == vector["pt"]
    for name in ("enc", "ct", "info", "aad"):
        wrong = bytearray(bytes.fromhex(vector[name]))
        wrong[0] ^= 1
        with pytest.raises((InvalidTag, ValueError)):
            opened(vector, **{name: bytes(wrong)})


def test_all_of_appendix_a_that_has_messages_is_here():
    sources = [vector["source"] for vector in VECTORS]
    assert {f"RFC 9180 A.{number}.1" for number in range(1, 7)} <= set(sources)
    assert "draft-ietf-hpke-pq" in sources


def test_a_landing_key_is_laid_out_as_the_hybrid_of_the_draft():
    [vector] = [one for one in VECTORS if one["kem_id"] == HYBRID]
    own = LandingPrivateKey(hybrid_parts(bytes.fromhex(vector["skRm"])))
    assert own.public_key().raw.hex() == vector["pkRm"]
    assert len(own.public_key().raw) == 1216
    assert len(vector["enc"]) == 2 * 1120
