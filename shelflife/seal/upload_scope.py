"""Scope tokens: what a device may upload in the background, signed by the estate.

    offset  bytes  field
    0       1      token format: 1
    1       16     whose samples: the upload pseudonym, random
    17      16     device id
    33      8      samples from, whole seconds since 1970-01-01T00:00:00Z
    41      8      samples until, the same; not included
    49      8      the token expires at
    57      1      number of streams, at least 1
    58      ...    each stream: length (1), name in ASCII; sorted, each once
    end     64     Ed25519 signature (RFC 8032) of "shelflife/v1/upload-token" and everything before it

A token is no secret that opens anything: an upload also needs the device's signature.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import re
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature

from shelflife.errors import ConfigurationError, SealBroken

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

FORMAT = 1
ID_BYTES = 16
SIGNATURE_BYTES = 64
LAST_SECOND = 253_402_300_799
"""The last second that every reader's calendar has: 9999-12-31T23:59:59Z."""

_FIXED = struct.Struct(">B16s16sQQQB")
_CONTEXT = b"shelflife/v1/upload-token"
_LABEL = "shelflife-upload-token"
_STREAM = re.compile(rb"[a-z][a-z0-9_]{0,63}")


@dataclass(frozen=True)
class UploadScope:
    """What a token allows.

    Attributes:
        subject: the upload pseudonym, 16 random bytes that stand for one person.
        device_id: the device, 16 random bytes.
        streams: names of streams, sorted.
        samples_from: a sample may begin from here on; aware, whole seconds.
        samples_until: and must begin before this and end by it.
        expires_at: when uploads under it are refused, by the time at which they are landed.
    """

    subject: bytes = field(repr=False)
    device_id: bytes = field(repr=False)
    streams: tuple[str, ...]
    samples_from: dt.datetime
    samples_until: dt.datetime
    expires_at: dt.datetime

    def issued(self, key: Ed25519PrivateKey) -> bytes:
        """Return the signed token.

        Raises:
            ConfigurationError: a time is naive or out of range, the range is empty, or there is no stream.
        """
        begins, ends, expires = map(_seconds, (self.samples_from, self.samples_until, self.expires_at))
        names = sorted({name.encode() for name in self.streams})
        if begins >= ends or not names or not all(map(_STREAM.fullmatch, names)):
            raise ConfigurationError(
                "A scope token needs a stream and a range of time that ends after it begins.",
                remedy="Name streams, and give a later end.",
            )
        fixed = _FIXED.pack(FORMAT, self.subject, self.device_id, begins, ends, expires, len(names))
        body = fixed + b"".join(bytes([len(name)]) + name for name in names)
        return body + key.sign(_CONTEXT + body)

    @classmethod
    def parse(cls, token: bytes) -> UploadScope:
        """Read a token without checking who signed it.

        Raises:
            SealBroken: these are not the bytes of a token.
        """
        body = token[:-SIGNATURE_BYTES]
        if len(body) < _FIXED.size or body[0] != FORMAT:
            raise _no_token()
        _, subject, device_id, begins, ends, expires, count = _FIXED.unpack_from(body)
        streams = _streams(body[_FIXED.size :], count)
        if not begins < ends <= LAST_SECOND or expires > LAST_SECOND:
            raise _no_token()
        return cls(subject, device_id, streams, _time(begins), _time(ends), _time(expires))

    @classmethod
    def opened(cls, token: bytes, issuer: Ed25519PublicKey) -> UploadScope:
        """Read a token that the issuer signed.

        Raises:
            SealBroken: it is no token, or somebody else made or changed it.
        """
        scope = cls.parse(token)
        try:
            issuer.verify(token[-SIGNATURE_BYTES:], _CONTEXT + token[:-SIGNATURE_BYTES])
        except InvalidSignature:
            raise _no_token() from None
        return scope


def token_text(token: bytes) -> str:
    """Return a token as one line."""
    return f"{_LABEL}:{base64.b64encode(token).decode()}"


def token_from(text: str) -> bytes:
    """Read a token from its line.

    Raises:
        ConfigurationError: it is no such line.
    """
    label, _, encoded = text.strip().partition(":")
    try:
        token = base64.b64decode(encoded, validate=True)
        UploadScope.parse(token)
    except (binascii.Error, ValueError, SealBroken):
        token = b""
    if label != _LABEL or not token:
        raise ConfigurationError(
            "A scope token is malformed.",
            remedy="Use the line that `shelflife device token` prints, as it is.",
        )
    return token


def _streams(packed: bytes, count: int) -> tuple[str, ...]:
    """Read the list of streams, which has one form only."""
    names: list[bytes] = []
    at = 0
    while at < len(packed):
        end = at + 1 + packed[at]
        names.append(packed[at + 1 : end])
        at = end
    if at != len(packed) or not names or len(names) != count or not _in_order(names):
        raise _no_token()
    return tuple(name.decode() for name in names)


def _in_order(names: Sequence[bytes]) -> bool:
    return names == sorted(set(names)) and all(map(_STREAM.fullmatch, names))


def _seconds(time: dt.datetime) -> int:
    if time.tzinfo is None:
        raise ConfigurationError(
            "A time of a scope token has no time zone.", remedy="Pass an aware UTC time."
        )
    seconds = int(time.timestamp())
    if not 0 <= seconds <= LAST_SECOND:
        raise ConfigurationError(
            "A time of a scope token is before 1970 or after 9999.", remedy="Pass another time."
        )
    return seconds


def _time(seconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, tz=dt.UTC)


def _no_token() -> SealBroken:
    return SealBroken(
        "The scope token was not issued by this estate, or was altered.",
        remedy="Give the device a new token (`shelflife device token`).",
    )
