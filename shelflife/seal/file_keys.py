"""How the data keys of one encrypted Parquet file are wrapped, and who gets them unwrapped.

Arrow makes a random key for each class of the file, under which it wraps the data keys of the footer and the columns.
That key is wrapped here, by AES-256-GCM under a key that is expanded from the file's key for the class. Destroy the
file's key and every copy of the file is noise.
"""

from __future__ import annotations

import base64
import binascii
import os
from typing import TYPE_CHECKING

import pyarrow.parquet.encryption as pe
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shelflife.errors import AccessDenied, ConfigurationError
from shelflife.seal.block_keys import KEY_BYTES, expand
from shelflife.seal.blocks import broken
from shelflife.seal.context import length_prefixed

if TYPE_CHECKING:
    from collections.abc import Collection

CLASSES = ("ordinary", "sensitive", "special")
FOOTER = "footer"
_INFO = b"shelflife/v1/parquet-wrap"
_NONCE_BYTES = 12


def key_id(file_id: str, wrapping: str) -> str:
    """Return the name under which a file's metadata mentions a wrapping key: the file's id and a class."""
    return f"{file_id}/{wrapping}"


def denied(column: str, sensitivity: str) -> AccessDenied:
    """Return the error for a reader who asks for a column of a class that is closed to them."""
    return AccessDenied(
        f"Column {column!r} is of class {sensitivity!r}, which this reader may not read.",
        remedy="Leave the column out, or ask with a role and purpose that include its class.",
    )


class FileKeys(pe.KmsClient):  # type: ignore[misc]
    """Wraps and unwraps the class keys of exactly one file, and only for some classes."""

    def __init__(self, file_id: str, file_key: bytes, allowed: Collection[str]) -> None:
        super().__init__()
        if len(file_key) != KEY_BYTES:
            raise broken()
        self._file_id = file_id
        self._file_key: bytes | None = file_key
        self._allowed = frozenset(allowed)
        self.footer_opened = False

    def wrap_key(self, key_bytes: bytes, master_key_identifier: str) -> str:
        """Return a class key wrapped under the class that the identifier ends with, as text."""
        wrapping = self._wrapping(master_key_identifier)
        nonce = os.urandom(_NONCE_BYTES)
        sealed = AESGCM(self._key(wrapping)).encrypt(nonce, key_bytes, self._associated(wrapping))
        return base64.b64encode(nonce + sealed).decode()

    def unwrap_key(self, wrapped_key: str, master_key_identifier: str) -> bytes:
        """Return a class key.

        Raises:
            SealBroken: when it was not wrapped for this file under this file's key.
            AccessDenied: when it belongs to a class that is closed to the reader.
        """
        wrapping = self._wrapping(master_key_identifier)
        if wrapping not in self._allowed:
            raise AccessDenied(
                f"A column of class {wrapping!r} was asked for, which this reader may not read.",
                remedy="Leave such columns out, or ask with a role and purpose that include the class.",
            )
        try:
            sealed = base64.b64decode(wrapped_key, validate=True)
            nonce, sealed = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
            key = AESGCM(self._key(wrapping)).decrypt(nonce, sealed, self._associated(wrapping))
        except (InvalidTag, ValueError, binascii.Error):
            raise broken() from None
        self.footer_opened |= wrapping == FOOTER
        return key

    def forget(self) -> None:
        """Drop the file's key: Arrow holds what this reader may read, and nothing more is unwrapped."""
        self._file_key = None

    def _wrapping(self, identifier: str) -> str:
        file_id, _, wrapping = identifier.rpartition("/")
        if file_id != self._file_id or wrapping not in (FOOTER, *CLASSES):
            raise broken()
        return wrapping

    def _key(self, wrapping: str) -> bytes:
        if self._file_key is None:
            raise broken()
        return expand(self._file_key, _INFO + length_prefixed((wrapping.encode(),)))

    def _associated(self, wrapping: str) -> bytes:
        return length_prefixed((self._file_id.encode(), wrapping.encode()))


def checked_file_key(file_key: bytes) -> bytes:
    """Return the key; ConfigurationError when it cannot seal a file."""
    if len(file_key) != KEY_BYTES:
        raise ConfigurationError(
            "A key is not 32 bytes long.", remedy="Pass keys as the key tree returns them."
        )
    return file_key
