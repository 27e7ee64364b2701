"""The header of an export envelope, and the one error for all that can be wrong with an envelope.

    offset  bytes  field
    0       8      "SLEXPORT"
    8       1      format: 1 (HKDF-SHA256, AES-256-GCM, 64 KiB chunks)
    9       1      wrapping of the content key, see `Wrapping`
    10      8      made at, whole seconds since 1970-01-01T00:00:00Z
    18      8      expires at, the same
    26      16     export id, random
    42      n      wrapped content key; n follows from the wrapping
    42 + n  32     key commitment

All integers are big-endian. docs/export-format.md specifies the whole container.
"""

from __future__ import annotations

import datetime as dt
import struct
from dataclasses import dataclass
from enum import IntEnum

from shelflife.errors import ConfigurationError, SealBroken

MAGIC = b"SLEXPORT"
FORMAT = 1
ID_BYTES = 16

_PREFIX = struct.Struct(">8sBBQQ16s")
PREFIX_BYTES = _PREFIX.size
# The last second that every reader's calendar has: 9999-12-31T23:59:59Z.
_LAST_SECOND = 253_402_300_799


class Wrapping(IntEnum):
    """How the content key is wrapped. A new way gets a new number; parameters never change under an old one."""

    HPKE_X25519 = 1
    HPKE_MLKEM768_X25519 = 2
    ARGON2ID = 3


WRAPPED_BYTES = {Wrapping.HPKE_X25519: 80, Wrapping.HPKE_MLKEM768_X25519: 1168, Wrapping.ARGON2ID: 64}
"""Length of the wrapped content key: encapsulation or salt, 32 bytes of key, 16 bytes of tag."""


def envelope_broken() -> SealBroken:
    """Return the one error for an envelope that does not open; it says nothing about the content."""
    return SealBroken(
        "The export does not open: it was altered or cut short, or this is not its key or passphrase.",
        remedy="Check the key or the passphrase; otherwise fetch the file again from where it came from.",
    )


@dataclass(frozen=True)
class EnvelopeHeader:
    """What an envelope says in clear, authenticated by the key: nothing of it concerns a person.

    Attributes:
        wrapping: how the content key is wrapped.
        export_id: 16 random bytes.
        made_at: aware, whole seconds.
        expires_at: aware, whole seconds; an honest reader refuses from then on.
    """

    wrapping: Wrapping
    export_id: bytes
    made_at: dt.datetime
    expires_at: dt.datetime

    def prefix(self) -> bytes:
        """Return the header's first 42 bytes, which the wrapping of the key is bound to.

        Raises:
            ConfigurationError: a time is naive or out of range, or the export expires before it is made.
        """
        made, expires = _seconds(self.made_at), _seconds(self.expires_at)
        if not 0 <= made < expires <= _LAST_SECOND or len(self.export_id) != ID_BYTES:
            raise ConfigurationError(
                "An export must expire after it is made, within the calendar.",
                remedy="Pass a later expiry and an id of 16 bytes.",
            )
        return _PREFIX.pack(MAGIC, FORMAT, self.wrapping, made, expires, self.export_id)

    @classmethod
    def parse(cls, prefix: bytes) -> EnvelopeHeader:
        """Read the first 42 bytes of an envelope; nothing of them is authenticated yet.

        Raises:
            SealBroken: these are not such bytes, or of a format that this version does not know.
        """
        if len(prefix) != PREFIX_BYTES:
            raise envelope_broken()
        magic, version, wrapping, made, expires, export_id = _PREFIX.unpack(prefix)
        if magic != MAGIC or version != FORMAT or wrapping not in WRAPPED_BYTES:
            raise envelope_broken()
        if not made < expires <= _LAST_SECOND:
            raise envelope_broken()
        return cls(Wrapping(wrapping), export_id, _time(made), _time(expires))


def _seconds(time: dt.datetime) -> int:
    if time.tzinfo is None:
        raise ConfigurationError("A time of an export has no time zone.", remedy="Pass an aware UTC time.")
    return int(time.timestamp())


def _time(seconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, tz=dt.UTC)
