"""Pages of the key tree: 256 slots of 32 bytes, sealed as one blob.

    page = format byte || nonce (12) || AES-256-GCM(page key, 256 x 32 bytes) || tag (16)

The associated data binds the format byte and, each with its length, the zone, the level and the number, so that a page
opens only in its own place. The generation is not bound: a page key lives only until the next destruction below it, and
inserts seal the same page again under the same key with a fresh random nonce (NIST SP 800-38D allows 2^32). A slot
of zeros is a key that was never made or was destroyed.
"""

from __future__ import annotations

import os
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shelflife.errors import KeyTreeUnopenable

KEY_BYTES = 32
SLOTS = 256
SLOT_BITS = 8
PAGE_BYTES = SLOTS * KEY_BYTES
TOP_LEVEL = 3
"""Level of the one page at the top; leaves are level 0."""

EMPTY = bytes(KEY_BYTES)

_FORMAT = b"\x01"
_NONCE_BYTES = 12
_TAG_BYTES = 16
_BLOB_BYTES = len(_FORMAT) + _NONCE_BYTES + PAGE_BYTES + _TAG_BYTES


def new_key() -> bytes:
    """Return a random 256-bit key."""
    return os.urandom(KEY_BYTES)


def random_keys(count: int) -> bytes:
    """Return random 256-bit keys, one after the other."""
    return os.urandom(count * KEY_BYTES)


def slot(page: bytes | bytearray, number: int) -> bytes | None:
    """Return the key of a child or entry in its page; None when it was never made or was destroyed."""
    start = (number % SLOTS) * KEY_BYTES
    key = bytes(page[start : start + KEY_BYTES])
    return None if key == EMPTY else key


def set_slot(page: bytearray, number: int, key: bytes) -> None:
    """Put a key into the slot of a child or entry."""
    start = (number % SLOTS) * KEY_BYTES
    page[start : start + KEY_BYTES] = key


def seal(key: bytes, plain: bytes | bytearray, zone: str, level: int, number: int) -> bytes:
    """Seal a page under its key, with a fresh random nonce."""
    nonce = os.urandom(_NONCE_BYTES)
    return _FORMAT + nonce + AESGCM(key).encrypt(nonce, plain, _place(zone, level, number))


def unseal(key: bytes, blob: bytes, zone: str, level: int, number: int) -> bytes:
    """Open a page.

    Raises:
        KeyTreeUnopenable: the blob was altered, moved here, cut, or sealed under another key.
    """
    if len(blob) == _BLOB_BYTES and blob[:1] == _FORMAT:
        nonce, sealed = blob[1 : 1 + _NONCE_BYTES], blob[1 + _NONCE_BYTES :]
        try:
            return AESGCM(key).decrypt(nonce, sealed, _place(zone, level, number))
        except InvalidTag:
            pass
    raise KeyTreeUnopenable(
        f"A page of the key tree (level {level}) does not open: it was altered, or comes from another time.",
        remedy="Restore the control database from a backup and replay the erasures since then.",
    )


def _place(zone: str, level: int, number: int) -> bytes:
    """Return the associated data: where the page belongs."""
    name = zone.encode()
    return (
        b"shelflife/v1/key-page"
        + _FORMAT
        + struct.pack(">H", len(name))
        + name
        + struct.pack(">BQ", level, number)
    )
