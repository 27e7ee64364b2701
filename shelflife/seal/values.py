"""Sealed values: a few bytes at rest in the control database, bound to the place they belong to.

    format byte || nonce (12) || commitment (32) || AES-256-GCM ciphertext and tag

The key is expanded from the caller's key (HKDF-Expand, RFC 5869), which must be random or derived, never a
password; the context is the associated data. The commitment makes it impossible to build one value that opens
under two keys, which GCM alone does not prevent.
"""

from __future__ import annotations

import hmac
import os
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shelflife.errors import ConfigurationError
from shelflife.seal.block_keys import KEY_BYTES, expand
from shelflife.seal.blocks import broken
from shelflife.seal.context import length_prefixed

if TYPE_CHECKING:
    from collections.abc import Sequence

_FORMAT = b"\x01"
_NONCE_BYTES = 12
_KEY = b"shelflife/v1/value"
_COMMIT = b"shelflife/v1/value-commit"
_HEAD_BYTES = 1 + _NONCE_BYTES + KEY_BYTES


def seal_value(key: bytes, plaintext: bytes, context: Sequence[bytes | str]) -> bytes:
    """Return `plaintext` sealed under `key` (32 random bytes) for the place that `context` names.

    Raises:
        ConfigurationError: when the key is not 32 bytes long.
    """
    if len(key) != KEY_BYTES:
        raise ConfigurationError(
            "A key is not 32 bytes long.", remedy="Pass keys as the key tree returns them."
        )
    nonce = os.urandom(_NONCE_BYTES)
    sealed = AESGCM(expand(key, _KEY)).encrypt(nonce, plaintext, _associated(context))
    return b"".join((_FORMAT, nonce, expand(key, _COMMIT + nonce), sealed))


def open_value(key: bytes, sealed: bytes, context: Sequence[bytes | str]) -> bytes:
    """Return the plaintext that was sealed under `key` for the place that `context` names.

    Raises:
        SealBroken: when the value was altered or moved, or this is not its key.
    """
    nonce, commitment = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES : _HEAD_BYTES]
    known = hmac.compare_digest(expand(key, _COMMIT + nonce), commitment)
    if not known or sealed[:1] != _FORMAT or len(key) != KEY_BYTES:
        raise broken()
    try:
        return AESGCM(expand(key, _KEY)).decrypt(nonce, sealed[_HEAD_BYTES:], _associated(context))
    except InvalidTag:
        raise broken() from None


def _associated(context: Sequence[bytes | str]) -> bytes:
    # Text and bytes of the same spelling are different fields.
    fields = ((b"s", part.encode()) if isinstance(part, str) else (b"b", part) for part in context)
    return _FORMAT + length_prefixed(piece for field in fields for piece in field)
