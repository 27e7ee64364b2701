"""What a sealed upload says in clear, and the errors for what is wrong with one as such.

    offset  bytes  field
    0       8      "SLUPLOAD"
    8       1      format: 1
    9       1      suite: 1 (HPKE base mode, MLKEM768-X25519, HKDF-SHA256, AES-256-GCM)
    10      16     id of the landing key that it is sealed to
    26      1120   HPKE encapsulation, new for each upload
    1146    n      HPKE ciphertext and tag

All integers are big-endian. docs/upload-format.md specifies the whole envelope.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from shelflife.errors import SealBroken

MAGIC = b"SLUPLOAD"
FORMAT = 1
SUITE = 1
KEY_ID_BYTES = 16

_HEADER = struct.Struct(">8sBB16s")
HEADER_BYTES = _HEADER.size
ENCAPSULATION_BYTES = 1_120
TAG_BYTES = 16


def upload_broken() -> SealBroken:
    """Return the one error for an upload that does not open; it says nothing about the content."""
    return SealBroken(
        "The upload does not open: it was altered or cut short, or this is not its key.",
        remedy="Let the device send the same bytes again.",
    )


def unknown_version() -> SealBroken:
    """Return the error for an upload of another format or suite."""
    return SealBroken(
        "The upload is of a format or suite that this version does not know.",
        remedy="Update shelflife, or let the device seal in format 1.",
    )


@dataclass(frozen=True)
class UploadHeader:
    """The part in clear: everything in it is the same for all devices that seal to one landing key.

    Attributes:
        key_id: id of the landing key, 16 bytes.
    """

    key_id: bytes

    def encode(self) -> bytes:
        """Return the first 26 bytes of an upload, which its encryption and its signature are bound to."""
        return _HEADER.pack(MAGIC, FORMAT, SUITE, self.key_id)

    @classmethod
    def parse(cls, sealed: bytes | memoryview) -> UploadHeader:
        """Read the first 26 bytes of an upload; nothing of them is authenticated yet.

        Raises:
            SealBroken: these are not such bytes, or of a version that is not known here.
        """
        if len(sealed) < HEADER_BYTES:
            raise upload_broken()
        magic, version, suite, key_id = _HEADER.unpack(bytes(sealed[:HEADER_BYTES]))
        if magic != MAGIC:
            raise upload_broken()
        if (version, suite) != (FORMAT, SUITE):
            raise unknown_version()
        return cls(key_id)
