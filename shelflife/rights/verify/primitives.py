"""The cryptographic shapes of the stored formats, written again from their description.

Nothing here is shared with the code that seals: a mistake there must not hide itself here. The formats are described
in `docs/verification.md`; the constructions are HKDF-SHA256 (RFC 5869), HMAC-SHA256 (RFC 2104), AES-256 on single
blocks and AES-256-GCM (NIST SP 800-38D).
"""

from __future__ import annotations

import hmac
import struct
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

if TYPE_CHECKING:
    from collections.abc import Sequence

ZERO_KEY = bytes(32)


def mac(key: bytes, message: bytes) -> bytes:
    """Return HMAC-SHA256, 32 bytes."""
    return hmac.digest(key, message, "sha256")


def one_block_hkdf(salt: bytes, key: bytes, info: bytes) -> bytes:
    """Return the first 32 bytes of HKDF: extract, then expand by one block."""
    return mac(mac(salt, key), info + b"\x01")


def expanded(key: bytes, info: bytes) -> bytes:
    """Return the first 32 bytes of HKDF-Expand alone."""
    return mac(key, info + b"\x01")


def prefixed(parts: Sequence[bytes]) -> bytes:
    """Return the parts, each after its length (32 bits, big-endian)."""
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)


def opened(key: bytes, nonce: bytes, sealed: bytes, associated: bytes | None) -> bytes | None:
    """Return what AES-256-GCM opens; None when it does not open."""
    try:
        return AESGCM(key).decrypt(nonce, sealed, associated)
    except (InvalidTag, ValueError):
        return None


def locator_owners(partition_key: bytes, locators: bytes) -> list[bytes]:
    """Return the 16-byte raw ids that the locators of a partition, end to end, stand for."""
    return _blocks(_permutation(partition_key).decryptor().update(locators))


def opened_value(key: bytes, sealed: bytes, context: Sequence[bytes | str]) -> bytes | None:
    """Return what a sealed value of the control database holds; None when it does not open under this key."""
    nonce, commitment, body = sealed[1:13], sealed[13:45], sealed[45:]
    if sealed[:1] != b"\x01" or expanded(key, b"shelflife/v1/value-commit" + nonce) != commitment:
        return None
    parts = [
        piece
        for part in context
        for piece in ((b"s", part.encode()) if isinstance(part, str) else (b"b", part))
    ]
    return opened(expanded(key, b"shelflife/v1/value"), nonce, body, b"\x01" + prefixed(parts))


def alias_digest(secret: bytes, kind: str, value: str) -> bytes:
    """Return the keyed digest that an alias is looked up, or buried, by."""
    return mac(secret, struct.pack(">I", len(kind.encode())) + kind.encode() + value.encode())


def _permutation(partition_key: bytes) -> Cipher[modes.ECB]:
    key = one_block_hkdf(ZERO_KEY, partition_key, b"shelflife/v1/locator")
    return Cipher(algorithms.AES(key), modes.ECB())  # noqa: S305  single blocks, as the format says


def _blocks(joined: bytes) -> list[bytes]:
    return [joined[at : at + 16] for at in range(0, len(joined), 16)]
