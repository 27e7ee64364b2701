"""Envelopes: an export as one encrypted stream that only its requester opens.

    header | commitment | chunk 0 | chunk 1 | ... | last chunk

Each chunk is at most 64 KiB of plaintext under AES-256-GCM. Its nonce is its number (11 bytes) and a byte that is 1
for the last one: chunks cannot be moved, repeated, left out or cut off (the STREAM construction: Hoang, Reyhanitabar,
Rogaway, Vizár, CRYPTO 2015). The body's key is expanded from a random content key and everything before it, so header,
wrapped key and body belong together. GCM alone lets one ciphertext open under two keys; the commitment does not.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shelflife.errors import AccessDenied
from shelflife.seal.block_keys import KEY_BYTES, expand
from shelflife.seal.envelope_header import PREFIX_BYTES, WRAPPED_BYTES, EnvelopeHeader, envelope_broken
from shelflife.seal.envelope_keys import OpenWith, SealTo, unwrap_key, wrap_key

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

__all__ = ["CHUNK_BYTES", "EnvelopeReader", "EnvelopeWriter", "peek_header", "read_envelope"]

CHUNK_BYTES = 65_536
_TAG_BYTES = 16
_SEALED_BYTES = CHUNK_BYTES + _TAG_BYTES
_COUNTER_BYTES = 11
_BODY = b"shelflife/v1/export-body"
_COMMIT = b"shelflife/v1/export-commit"


class EnvelopeWriter(io.RawIOBase):
    """Seals what is written to it. Holds one chunk in memory; the sink need not be seekable.

    What is not finished by `finish` never opens, so an export that was given up cannot be taken for a whole one.

    Args:
        sink: gets the envelope.
        to: who can open it.
        export_id: 16 random bytes, new for each envelope.
        made_at: the time.
        expires_at: from when on an honest reader refuses.
    """

    def __init__(
        self, sink: BinaryIO, to: SealTo, *, export_id: bytes, made_at: dt.datetime, expires_at: dt.datetime
    ) -> None:
        super().__init__()
        self.header = EnvelopeHeader(to.wrapping, export_id, made_at, expires_at)
        prefix, content_key = self.header.prefix(), os.urandom(KEY_BYTES)
        head = prefix + wrap_key(content_key, to, prefix)
        keys = _Keys.of(content_key, head)
        self._sink, self._cipher = sink, AESGCM(keys.body)
        self._waiting, self._number, self._finished = bytearray(), 0, False
        self._hash, self.size = hashlib.sha256(), 0
        self._put(head + keys.commitment)

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: Any) -> int:
        """Take plaintext; whole chunks leave for the sink at once."""
        if self._finished or self.closed:
            raise ValueError("write to a finished envelope")
        view = memoryview(data).cast("B")
        self._waiting += view
        # A full chunk waits until more comes: it may be the last.
        while len(self._waiting) > CHUNK_BYTES:
            self._seal(bytes(self._waiting[:CHUNK_BYTES]), last=False)
            del self._waiting[:CHUNK_BYTES]
        return view.nbytes

    def finish(self) -> bytes:
        """Seal the last chunk, which makes the envelope whole. Returns the SHA-256 of the envelope."""
        if not self._finished:
            self._seal(bytes(self._waiting), last=True)
            self._waiting.clear()
            self._finished = True
        return self._hash.digest()

    def _seal(self, chunk: bytes, *, last: bool) -> None:
        self._put(self._cipher.encrypt(_nonce(self._number, last=last), chunk, None))
        self._number += 1

    def _put(self, sealed: bytes) -> None:
        self._hash.update(sealed)
        self.size += len(sealed)
        self._sink.write(sealed)


def peek_header(source: BinaryIO) -> EnvelopeHeader:
    """Return what an envelope says in clear, unauthenticated, and leave a seekable source where it was.

    Raises:
        SealBroken: this is no envelope.
    """
    header = EnvelopeHeader.parse(_exactly(source, PREFIX_BYTES))
    if source.seekable():
        source.seek(-PREFIX_BYTES, io.SEEK_CUR)
    return header


def read_envelope(source: BinaryIO, own: OpenWith, *, now: dt.datetime) -> Iterator[bytes]:
    """Open an envelope that comes as a stream: yield its plaintext chunk by chunk, each authenticated.

    What was yielded before an error was authentic, but is not the whole: whoever needs all or nothing waits for the end.

    Raises:
        SealBroken: anything at all is not as it was sealed, or this is not its key.
        AccessDenied: it has expired.
    """
    cipher = _opened(source, own, now)[0]
    number, sealed = 0, _at_most(source, _SEALED_BYTES)
    while True:
        following = _at_most(source, _SEALED_BYTES) if len(sealed) == _SEALED_BYTES else b""
        yield _open_chunk(cipher, number, sealed, last=not following)
        if not following:
            return
        number, sealed = number + 1, following


class EnvelopeReader(io.RawIOBase):
    """An open envelope in a seekable file: reads plaintext from any place, one chunk in memory.

    The last chunk is opened first, which proves that nothing was cut off or added.

    Args:
        source: the envelope, from its first byte; seekable.
        own: the key or passphrase.
        now: the time.

    Raises:
        SealBroken: anything at all is not as it was sealed, or this is not its key. Also later, when reading.
        AccessDenied: it has expired.
    """

    def __init__(self, source: BinaryIO, own: OpenWith, *, now: dt.datetime) -> None:
        super().__init__()
        self._source = source
        self._cipher, self.header = _opened(source, own, now)
        self._start = source.tell()
        body = source.seek(0, io.SEEK_END) - self._start
        self._last, rest = max(0, -(-body // _SEALED_BYTES) - 1), (body - 1) % _SEALED_BYTES + 1
        self._length = self._last * CHUNK_BYTES + rest - _TAG_BYTES
        self._place, self._held, self._chunk = 0, -1, b""
        self._load(self._last)

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the place in the plaintext."""
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a place in the plaintext."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._length}[whence]
        if base + offset < 0:
            raise ValueError("a place before the start")
        self._place = base + offset
        return self._place

    def readinto(self, buffer: Any, /) -> int:
        """Read plaintext into a buffer, from one chunk at a time."""
        view = memoryview(buffer).cast("B")
        if self._place >= self._length or not len(view):
            return 0
        number, at = divmod(self._place, CHUNK_BYTES)
        self._load(number)
        part = self._chunk[at : at + len(view)]
        view[: len(part)] = part
        self._place += len(part)
        return len(part)

    def _load(self, number: int) -> None:
        if number != self._held:
            self._source.seek(self._start + number * _SEALED_BYTES)
            sealed = _at_most(self._source, _SEALED_BYTES)
            self._chunk = _open_chunk(self._cipher, number, sealed, last=number == self._last)
            self._held = number


@dataclass(frozen=True)
class _Keys:
    body: bytes
    commitment: bytes

    @classmethod
    def of(cls, content_key: bytes, head: bytes) -> _Keys:
        """Expand the content key (random, 32 bytes) over everything that comes before the commitment."""
        digest = hashlib.sha256(head).digest()
        return cls(expand(content_key, _BODY + digest), expand(content_key, _COMMIT + digest))


def _opened(source: BinaryIO, own: OpenWith, now: dt.datetime) -> tuple[AESGCM, EnvelopeHeader]:
    """Read the header and return the cipher of the body; the source then is at the first chunk."""
    prefix = _exactly(source, PREFIX_BYTES)
    header = EnvelopeHeader.parse(prefix)
    wrapped = _exactly(source, WRAPPED_BYTES[header.wrapping])
    keys = _Keys.of(unwrap_key(wrapped, own, header.wrapping, prefix), prefix + wrapped)
    if not hmac.compare_digest(keys.commitment, _exactly(source, KEY_BYTES)):
        raise envelope_broken()
    if now >= header.expires_at:
        raise AccessDenied(
            f"The export expired at {header.expires_at.isoformat(timespec='seconds')}.",
            remedy="Ask for a new one.",
        )
    return AESGCM(keys.body), header


def _open_chunk(cipher: AESGCM, number: int, sealed: bytes, *, last: bool) -> bytes:
    try:
        chunk = cipher.decrypt(_nonce(number, last=last), sealed, None)
    except (InvalidTag, ValueError):
        raise envelope_broken() from None
    # Only an empty content has an empty last chunk, so that there is one envelope form of each content.
    if not chunk and number:
        raise envelope_broken()
    return chunk


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(_COUNTER_BYTES, "big") + bytes([last])


def _exactly(source: BinaryIO, count: int) -> bytes:
    found = _at_most(source, count)
    if len(found) != count:
        raise envelope_broken()
    return found


def _at_most(source: BinaryIO, count: int) -> bytes:
    """Read until there is enough or nothing more: a pipe gives less than it is asked for."""
    parts = bytearray()
    while len(parts) < count and (part := source.read(count - len(parts))):
        parts += part
    return bytes(parts)
