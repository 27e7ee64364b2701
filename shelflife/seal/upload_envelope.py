"""Sealed uploads: a file that a device signed and that nobody between it and the estate can read.

    header (26) | HPKE encapsulation (1120) | ciphertext and tag

Inside of the ciphertext, padded to its PADMÉ length:

    device id (16) | sequence number (8) | made at (8) | token length (2) | token
    | signature length (1) | signature | payload

The device signs the header, the digest of the whole landing key, the device id, the sequence number, the time and the
digests of token and payload, and only then is everything encrypted: whoever opens an upload cannot seal it again to
somebody else as if the device had (Davis, *Defective Sign & Encrypt*, USENIX 2001).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shelflife.errors import ConfigurationError
from shelflife.seal.padding import pad, padded_length, unpad
from shelflife.seal.upload_header import (
    ENCAPSULATION_BYTES,
    HEADER_BYTES,
    TAG_BYTES,
    UploadHeader,
    upload_broken,
)
from shelflife.seal.upload_scope import ID_BYTES, LAST_SECOND

if TYPE_CHECKING:
    from collections.abc import Callable

    from shelflife.seal.upload_keys import DevicePublicKey, LandingPrivateKey, LandingPublicKey

MOST_PAYLOAD_BYTES = 64 << 20
"""Most bytes of one payload: an upload is opened in memory."""
LAST_SEQUENCE = 2**63 - 1

_FIXED = struct.Struct(">16sQQH")
_SIGNED = b"shelflife/v1/upload-signature"
_MOST_TOKEN_BYTES, _MOST_SIGNATURE_BYTES = 65_535, 255
_MOST_INSIDE = _FIXED.size + _MOST_TOKEN_BYTES + 1 + _MOST_SIGNATURE_BYTES + MOST_PAYLOAD_BYTES
MOST_SEALED_BYTES = HEADER_BYTES + ENCAPSULATION_BYTES + padded_length(_MOST_INSIDE + 1) + TAG_BYTES
"""No upload is longer than this."""


@dataclass(frozen=True)
class Upload:
    """An upload that was opened. Nobody has checked its signature or its token yet.

    Attributes:
        device_id: the device that it says it is from.
        sequence: the device's count of its uploads, from 1.
        made_at: the device's clock; nothing depends on it.
        token: the scope token.
        signature: DER.
        payload: a source file.
        signed: what the signature must cover.
    """

    device_id: bytes = field(repr=False)
    sequence: int
    made_at: dt.datetime
    token: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    payload: bytes = field(repr=False)
    signed: bytes = field(repr=False)

    def is_signed_by(self, device: DevicePublicKey) -> bool:
        """Tell whether the device signed exactly this, for exactly this recipient."""
        return device.verifies(self.signature, self.signed)


def seal_upload(
    payload: bytes,
    *,
    to: LandingPublicKey,
    device_id: bytes,
    sequence: int,
    made_at: dt.datetime,
    token: bytes,
    sign: Callable[[bytes], bytes],
) -> bytes:
    """Return a file signed by a device and sealed to a landing key.

    Args:
        payload: a source file, at most 64 MiB.
        to: the landing key.
        device_id: 16 bytes, as the token names it.
        sequence: the number of this upload, from 1, never used for other bytes.
        made_at: aware; stored as whole seconds.
        token: the scope token.
        sign: returns the device's DER signature (ECDSA with P-256 and SHA-256) of a message.

    Raises:
        ConfigurationError: the payload is too large, or a number or a time is out of range.
    """
    made = int(made_at.timestamp()) if made_at.tzinfo else -1
    numbers = 1 <= sequence <= LAST_SEQUENCE and 0 <= made <= LAST_SECOND
    if not numbers or len(device_id) != ID_BYTES or len(token) > _MOST_TOKEN_BYTES:
        raise ConfigurationError(
            "The sequence number, the time, the device id or the token of an upload is out of range.",
            remedy="Count uploads from 1, pass an aware time, and use the device id and token as they were issued.",
        )
    if len(payload) > MOST_PAYLOAD_BYTES:
        raise ConfigurationError(
            "The file is larger than 64 MiB.",
            remedy="Send it in parts, each with a sequence number of its own.",
        )
    header = UploadHeader(to.key_id).encode()
    signature = sign(_signed(header, to, device_id, sequence, made, token, payload))
    fixed = _FIXED.pack(device_id, sequence, made, len(token))
    content = pad(b"".join((fixed, token, bytes([len(signature)]), signature, payload)))
    return header + to.seal(content, header)


def open_upload(sealed: bytes, own: LandingPrivateKey) -> Upload:
    """Open an upload in memory.

    Raises:
        SealBroken: it was altered or cut, is of another version, or is sealed to another key.
    """
    head = UploadHeader.parse(sealed)
    to = own.public_key()
    if head.key_id != to.key_id or len(sealed) > MOST_SEALED_BYTES:
        raise upload_broken()
    header = head.encode()
    content = memoryview(_unpadded(own.open(memoryview(sealed)[HEADER_BYTES:], header)))
    if len(content) < _FIXED.size:
        raise upload_broken()
    device_id, sequence, made, length = _FIXED.unpack_from(content)
    at = _FIXED.size + length
    if at >= len(content) or not 1 <= sequence <= LAST_SEQUENCE or made > LAST_SECOND:
        raise upload_broken()
    end = at + 1 + content[at]
    token, signature = bytes(content[_FIXED.size : at]), bytes(content[at + 1 : end])
    payload = bytes(content[end:])
    if end > len(content) or len(payload) > MOST_PAYLOAD_BYTES:
        raise upload_broken()
    signed = _signed(header, to, device_id, sequence, made, token, payload)
    time = dt.datetime.fromtimestamp(made, tz=dt.UTC)
    return Upload(device_id, sequence, time, token, signature, payload, signed)


def _signed(
    header: bytes,
    to: LandingPublicKey,
    device_id: bytes,
    sequence: int,
    made: int,
    token: bytes,
    payload: bytes,
) -> bytes:
    """Return the message that the device signs: every part has a fixed length."""
    recipient = hashlib.sha256(to.raw).digest()
    numbers = struct.pack(">16sQQ", device_id, sequence, made)
    digests = hashlib.sha256(token).digest() + hashlib.sha256(payload).digest()
    return _SIGNED + header + recipient + numbers + digests


def _unpadded(content: bytes) -> bytes:
    try:
        return unpad(content)
    except ValueError:
        raise upload_broken() from None
