"""The key of a sealed block, and the commitment to it, from two keys that can be destroyed apart.

HKDF-SHA256 (RFC 5869). The partition key is the salt and the subject's stream key is the input key material:
HMAC used as a dual PRF, so that without either key the output is indistinguishable from random. The context is
part of the expansion, hence of the key: a block that was moved does not even have the right key.
"""

from __future__ import annotations

import hmac
from typing import NamedTuple

_BLOCK = b"shelflife/v1/block"
_COMMIT = b"shelflife/v1/commit"
# Number of the first (and only) output block of HKDF-Expand: 32 bytes are one SHA-256 output.
_FIRST = b"\x01"
KEY_BYTES = 32


class BlockKey(NamedTuple):
    """A block's AES-256 key and the 32-byte commitment that is stored beside the block."""

    key: bytes
    commitment: bytes


def extract(salt: bytes, key: bytes) -> bytes:
    """Return HKDF-Extract(salt, key), 32 bytes."""
    return hmac.digest(salt, key, "sha256")


def expand(pseudorandom_key: bytes, info: bytes) -> bytes:
    """Return the first 32 bytes of HKDF-Expand(pseudorandom_key, info)."""
    return hmac.digest(pseudorandom_key, info + _FIRST, "sha256")


def block_key(partition_key: bytes, stream_key: bytes, context: bytes) -> BlockKey:
    """Return the key and commitment of the block with this length-prefixed context."""
    pseudorandom_key = extract(partition_key, stream_key)
    return BlockKey(expand(pseudorandom_key, _BLOCK + context), expand(pseudorandom_key, _COMMIT + context))
