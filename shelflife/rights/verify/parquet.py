"""A second reader of derived files: Parquet Modular Encryption with the key wrapping written again from its description.

    wrapped key   Base64 of: nonce (12) || AES-256-GCM(wrapping key, class key)
    wrapping key  HKDF-Expand(file key, "shelflife/v1/parquet-wrap" || length (u32) || class)
    bound to      file id and class, each after its length (u32, big-endian)

A key is named in the file as `<file id>/<class>`; the class of the footer is "footer". Source: apache/parquet-format,
Encryption.md.
"""

from __future__ import annotations

import base64
import binascii
from datetime import timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe

from shelflife.rights.verify.primitives import expanded, opened, prefixed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

ENCRYPTED = b"PARE"
PLAINTEXT = b"PAR1"
_FOREVER = timedelta(days=36_500)


class TryingKeys(pe.KmsClient):  # type: ignore[misc]
    """Opens a file with whichever of some file keys belongs to it.

    Args:
        candidates: given a file's id, the keys to try.
    """

    def __init__(self, candidates: Callable[[str], Iterable[bytes]]) -> None:
        super().__init__()
        self._candidates = candidates
        self._found: bytes | None = None
        self.tried = 0
        self.file_id: str | None = None

    @property
    def opened(self) -> bool:
        """Whether one of the keys is the file's."""
        return self._found is not None

    def wrap_key(self, key_bytes: bytes, master_key_identifier: str) -> str:
        """Never wraps: this client only reads."""
        raise NotImplementedError

    def unwrap_key(self, wrapped_key: str, master_key_identifier: str) -> bytes:
        """Return a class key.

        Raises:
            ValueError: none of the file keys, or not the one that opened the footer, opens it.
        """
        self.file_id, _, wrapping = master_key_identifier.rpartition("/")
        known = [self._found] if self._found is not None else self._candidates(self.file_id)
        for file_key in known:
            self.tried += 1
            key = _unwrapped(file_key, wrapped_key, self.file_id, wrapping)
            if key is not None:
                self._found = file_key
                return key
        raise ValueError("no key opens this file")


def magic_of(path: Path) -> bytes:
    """Return the first four bytes of a file.

    Raises:
        FileNotFoundError: there is no file.
    """
    with path.open("rb") as file:
        return file.read(4)


def read_encrypted(path: Path, keys: TryingKeys) -> pa.Table | None:
    """Return all rows of an encrypted file; None when it does not open with any of the keys, or is not sound."""
    factory = pe.CryptoFactory(lambda _: keys)
    configuration = pe.DecryptionConfiguration(cache_lifetime=_FOREVER)
    try:
        properties = factory.file_decryption_properties(pe.KmsConnectionConfig(), configuration)
        with pq.ParquetFile(path, decryption_properties=properties, pre_buffer=False) as file:
            table = file.read(use_threads=False)
    except (pa.ArrowException, OSError, ValueError):
        return None
    return table if keys.opened else None


def _unwrapped(file_key: bytes, wrapped: str, file_id: str, wrapping: str) -> bytes | None:
    try:
        sealed = base64.b64decode(wrapped, validate=True)
    except (binascii.Error, ValueError):
        return None
    key = expanded(file_key, b"shelflife/v1/parquet-wrap" + prefixed([wrapping.encode()]))
    return opened(key, sealed[:12], sealed[12:], prefixed([file_id.encode(), wrapping.encode()]))
