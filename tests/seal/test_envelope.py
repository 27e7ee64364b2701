"""Envelopes: what goes in comes out, in bounded memory, and whatever was touched does not open."""

from __future__ import annotations

import datetime as dt
import io
import tracemalloc
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shelflife.errors import AccessDenied, ConfigurationError, SealBroken
from shelflife.seal.envelope import (
    CHUNK_BYTES,
    EnvelopeReader,
    EnvelopeWriter,
    peek_header,
    read_envelope,
)
from shelflife.seal.envelope_header import PREFIX_BYTES, EnvelopeHeader, Wrapping
from shelflife.seal.envelope_keys import ExportPrivateKey, ExportPublicKey, Passphrase

MADE = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
EXPIRES = MADE + dt.timedelta(days=30)
KEY = ExportPrivateKey.generate(Wrapping.HPKE_X25519)
HYBRID = ExportPrivateKey.generate()
SEALED_BYTES = CHUNK_BYTES + 16
HEAD_BYTES = PREFIX_BYTES + 80 + 32


class Pipe(io.RawIOBase):
    """A sink and source that cannot seek, and that gives a few bytes at a time."""

    def __init__(self, content: bytes = b"", step: int = 1000) -> None:
        super().__init__()
        self.content, self.step = bytearray(content), step

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def write(self, data) -> int:
        self.content += data
        return len(data)

    def read(self, size: int = -1) -> bytes:
        count = min(size, self.step) if size >= 0 else self.step
        part, self.content = bytes(self.content[:count]), self.content[count:]
        return part


def sealed(content: bytes, to=None, *, pieces: tuple[int, ...] = ()) -> bytes:
    sink = Pipe()
    writer = EnvelopeWriter(
        sink, to or KEY.public_key(), export_id=bytes(16), made_at=MADE, expires_at=EXPIRES
    )
    at = 0
    for length in pieces:
        writer.write(content[at : at + length])
        at += length
    writer.write(content[at:])
    digest = writer.finish()
    import hashlib

    assert digest == hashlib.sha256(sink.content).digest()
    assert writer.size == len(sink.content)
    return bytes(sink.content)


def opened(envelope: bytes, own=KEY, now: dt.datetime = MADE) -> bytes:
    """Open an envelope in both ways, which must agree."""
    content = EnvelopeReader(io.BytesIO(envelope), own, now=now).read()
    assert b"".join(read_envelope(Pipe(envelope), own, now=now)) == content
    return content


def refused(envelope: bytes, own=KEY) -> None:
    for attempt in (
        lambda: EnvelopeReader(io.BytesIO(envelope), own, now=MADE).read(),
        lambda: list(read_envelope(Pipe(envelope), own, now=MADE)),
    ):
        with pytest.raises(SealBroken) as error:
            attempt()
        assert error.type is SealBroken
        assert error.value.what.startswith("The export does not open")


seeds = st.integers(0, 2**32)
lengths = st.one_of(
    st.integers(0, 200),
    st.integers(-2, 2).map(lambda d: CHUNK_BYTES + d),
    st.integers(-2, 2).map(lambda d: 3 * CHUNK_BYTES + d),
)


@given(lengths, st.lists(st.integers(0, 70_000), max_size=5), seeds)
@settings(max_examples=40)
def test_what_goes_in_comes_out(length, pieces, seed):
    content = Random(seed).randbytes(length)
    assert opened(sealed(content, pieces=tuple(pieces))) == content


@given(lengths, st.integers(0, 2**40), seeds)
@settings(max_examples=60)
def test_a_flipped_bit_anywhere_is_refused(length, place, seed):
    envelope = bytearray(sealed(Random(seed).randbytes(length)))
    place %= len(envelope) * 8
    envelope[place // 8] ^= 1 << place % 8
    refused(bytes(envelope))


@given(lengths, st.integers(1, 2**40), seeds)
@settings(max_examples=60)
def test_a_cut_anywhere_is_refused(length, cut, seed):
    envelope = sealed(Random(seed).randbytes(length))
    refused(envelope[: len(envelope) - (cut - 1) % len(envelope) - 1])


@pytest.mark.parametrize("whole_chunks", [1, 2])
def test_a_cut_at_the_edge_of_a_chunk_is_refused(whole_chunks):
    envelope = sealed(bytes(3 * CHUNK_BYTES))
    refused(envelope[: HEAD_BYTES + whole_chunks * SEALED_BYTES])
    refused(envelope[:HEAD_BYTES])


def test_the_commitment_counts():
    envelope = bytearray(sealed(b"content"))
    for place in range(HEAD_BYTES - 32, HEAD_BYTES):
        envelope[place] ^= 1
        refused(bytes(envelope))
        envelope[place] ^= 1
    assert opened(bytes(envelope)) == b"content"


def test_what_is_added_is_refused():
    envelope = sealed(bytes(CHUNK_BYTES))
    refused(envelope + b"x")
    refused(envelope + envelope[HEAD_BYTES:])


def test_chunks_moved_repeated_or_left_out_are_refused():
    envelope = sealed(bytes(4 * CHUNK_BYTES))
    head, body = envelope[:HEAD_BYTES], envelope[HEAD_BYTES:]
    a, b, c, d = (body[at : at + SEALED_BYTES] for at in range(0, len(body), SEALED_BYTES))
    assert opened(head + a + b + c + d) == bytes(4 * CHUNK_BYTES)
    for wrong in (b + a + c + d, a + a + c + d, a + c + d, d + b + c + a, b + c + d):
        refused(head + wrong)


def test_the_body_of_another_envelope_is_refused():
    one, other = sealed(b"one content"), sealed(b"the content")
    refused(one[:HEAD_BYTES] + other[HEAD_BYTES:])
    refused(one[: HEAD_BYTES - 32] + other[HEAD_BYTES - 32 :])
    refused(one[:PREFIX_BYTES] + other[PREFIX_BYTES:HEAD_BYTES] + one[HEAD_BYTES:])


@pytest.mark.parametrize(
    ("own", "to"), [(KEY, None), (HYBRID, HYBRID.public_key()), (Passphrase("a b c d e f g"),) * 2]
)
def test_only_the_right_key_opens(own, to):
    envelope = sealed(b"content", to)
    assert opened(envelope, own) == b"content"
    for other in (
        ExportPrivateKey.generate(Wrapping.HPKE_X25519),
        ExportPrivateKey.generate(),
        Passphrase("another phrase"),
    ):
        refused(envelope, other)


def test_an_envelope_that_was_never_finished_does_not_open():
    sink = io.BytesIO()
    writer = EnvelopeWriter(sink, KEY.public_key(), export_id=bytes(16), made_at=MADE, expires_at=EXPIRES)
    writer.write(bytes(2 * CHUNK_BYTES + 5))
    writer.close()
    refused(sink.getvalue())
    with pytest.raises(ValueError):
        writer.write(b"more")


def test_an_expired_envelope_is_refused_and_only_then():
    envelope = sealed(b"content")
    assert opened(envelope, now=EXPIRES - dt.timedelta(seconds=1)) == b"content"
    for now in (EXPIRES, EXPIRES + dt.timedelta(days=1)):
        with pytest.raises(AccessDenied, match="expired"):
            opened(envelope, now=now)
        # A wrong key learns nothing, not even that.
        with pytest.raises(SealBroken):
            opened(envelope, HYBRID, now=now)


def test_the_expiry_cannot_be_moved():
    envelope = sealed(b"content")
    header = EnvelopeHeader.parse(envelope[:PREFIX_BYTES])
    later = EnvelopeHeader(header.wrapping, header.export_id, MADE, EXPIRES + dt.timedelta(days=9))
    refused(later.prefix() + envelope[PREFIX_BYTES:])


def test_a_header_can_be_looked_at():
    source = io.BytesIO(sealed(b"content", HYBRID.public_key()))
    header = peek_header(source)
    assert (header.wrapping, header.expires_at) == (Wrapping.HPKE_MLKEM768_X25519, EXPIRES)
    assert EnvelopeReader(source, HYBRID, now=MADE).read() == b"content"
    with pytest.raises(SealBroken):
        peek_header(io.BytesIO(b"no envelope"))


@given(st.integers(0, 3 * CHUNK_BYTES), st.integers(0, 3 * CHUNK_BYTES))
@settings(max_examples=40)
def test_any_part_can_be_read(start, length):
    content = bytes(range(256)) * (3 * CHUNK_BYTES // 256)
    reader = EnvelopeReader(io.BytesIO(ENVELOPE_OF_THREE), KEY, now=MADE)
    reader.seek(start)
    assert io.BufferedReader(reader).read(length) == content[start : start + length]


ENVELOPE_OF_THREE = sealed(bytes(range(256)) * (3 * CHUNK_BYTES // 256))


def test_memory_does_not_grow_with_the_content():
    class Nowhere(io.RawIOBase):
        def write(self, data) -> int:
            return len(data)

    block = bytes(1_000_000)
    tracemalloc.start()
    writer = EnvelopeWriter(
        Nowhere(), KEY.public_key(), export_id=bytes(16), made_at=MADE, expires_at=EXPIRES
    )
    for _ in range(64):
        writer.write(block)
    writer.finish()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4_000_000


@pytest.mark.parametrize("key", [KEY, HYBRID])
def test_keys_as_text(key):
    assert ExportPrivateKey.parse(key.text() + "\n") == key
    public = key.public_key()
    assert ExportPublicKey.parse(public.text()) == public
    assert key.raw.hex() not in repr(key)
    for wrong in (key.text(), public.text()[:-8], public.text().replace("x25519", "x448"), "", "a:b:c"):
        with pytest.raises(ConfigurationError):
            ExportPublicKey.parse(wrong)
    with pytest.raises(ConfigurationError):
        ExportPrivateKey.parse(public.text())


def test_bad_arguments_are_refused():
    with pytest.raises(ConfigurationError):
        Passphrase.new("short")
    with pytest.raises(ConfigurationError):
        sealed(b"", ExportPublicKey(Wrapping.HPKE_X25519, bytes(32)))
    for made, expires in ((MADE, MADE), (EXPIRES, MADE), (MADE.replace(tzinfo=None), EXPIRES)):
        with pytest.raises(ConfigurationError):
            EnvelopeWriter(
                io.BytesIO(), KEY.public_key(), export_id=bytes(16), made_at=made, expires_at=expires
            )
