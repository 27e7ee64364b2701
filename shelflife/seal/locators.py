"""Locators: what stands for a person in a sealed row. Without the partition's key, nobody.

A locator is the 16-byte raw id as one AES-256 block. Raw ids are unique and pseudorandom, so the deterministic
permutation shows only that two rows of the same partition belong together, and nothing across partitions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from shelflife.errors import ConfigurationError
from shelflife.seal.block_keys import KEY_BYTES, expand, extract

if TYPE_CHECKING:
    from collections.abc import Sequence

LOCATOR_BYTES = 16
_INFO = b"shelflife/v1/locator"
# RFC 5869, 2.2: a salt that is not provided is a string of zeros as long as the hash.
_NO_SALT = bytes(KEY_BYTES)


def locators(partition_key: bytes, raw_ids: Sequence[bytes]) -> list[bytes]:
    """Return the locators of the raw ids (16 bytes each) in this partition, in the same order."""
    return _split(_cipher(partition_key).encryptor().update(_joined(raw_ids)))


def raw_ids(partition_key: bytes, locators: Sequence[bytes]) -> list[bytes]:
    """Return the raw ids that the locators of this partition stand for, in the same order."""
    return _split(_cipher(partition_key).decryptor().update(_joined(locators)))


def _cipher(partition_key: bytes) -> Cipher[modes.ECB]:
    key = expand(extract(_NO_SALT, partition_key), _INFO)
    # ECB over single, distinct, pseudorandom blocks is the bare permutation, which is what is wanted here.
    return Cipher(algorithms.AES256(key), modes.ECB())  # noqa: S305


def _joined(ids: Sequence[bytes]) -> bytes:
    if any(len(one) != LOCATOR_BYTES for one in ids):
        raise ConfigurationError(
            "A raw id or locator is not 16 bytes long.", remedy="Pass ids as 16 raw bytes, not as text."
        )
    return b"".join(ids)


def _split(joined: bytes) -> list[bytes]:
    return [joined[at : at + LOCATOR_BYTES] for at in range(0, len(joined), LOCATOR_BYTES)]
