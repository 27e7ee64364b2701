"""Blocks whose seal is right and whose content lies: what a hostile holder of a key could make."""

from __future__ import annotations

import contextlib
import struct

import numpy as np
import pyarrow as pa
import pytest
import zstandard
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from shelflife.errors import SealBroken
from shelflife.seal.arrays import from_text
from shelflife.seal.block_keys import block_key
from shelflife.seal.blocks import SEALED_SCHEMA, open_blocks
from shelflife.seal.context import FORMAT, file_context, row_context
from shelflife.seal.encoding import encode_blocks
from shelflife.seal.layout import MAX_ROWS, Kind
from shelflife.seal.locators import locators
from shelflife.seal.padding import pad

from .tables import CONTEXT, PARTITION_KEY, batches, people

CONSTANT = pa.schema([("value", pa.int64())])


def forged(padded: bytes, schema: pa.Schema) -> pa.Table:
    """Seal any bytes with the right keys, and open them."""
    keys, ids = people(1)
    (locator,) = locators(PARTITION_KEY, ids)
    key, commitment = block_key(
        PARTITION_KEY, keys[0], file_context(CONTEXT, schema) + row_context(0, locator)
    )
    body = FORMAT + AESGCM(key).encrypt(bytes(12), padded, None)
    columns = [[locator], [commitment], [body]]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, SEALED_SCHEMA, strict=True)]
    rows = pa.RecordBatch.from_arrays(arrays, schema=SEALED_SCHEMA)
    return open_blocks(rows, [0], keys, partition_key=PARTITION_KEY, context=CONTEXT, schema=schema)[0]


def plaintext(rows: int, shape: bytes, *segments: bytes) -> bytes:
    lengths = struct.pack(f"<{len(segments)}I", *map(len, segments))
    return struct.pack("<II", rows, len(shape)) + shape + lengths + b"".join(segments)


def compressed(content: bytes) -> bytes:
    return pad(zstandard.compress(content))


def test_the_forger_can_forge() -> None:
    shape = bytes((Kind.CONSTANT, 0, 2))
    assert forged(compressed(plaintext(3, shape)), CONSTANT)["value"].to_pylist() == [1, 1, 1]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 7,
        plaintext(MAX_ROWS + 1, bytes((Kind.CONSTANT, 0, 2))),
        plaintext(3, bytes((Kind.CONSTANT, 0, 2, 0))),
        plaintext(3, bytes((Kind.CONSTANT, 0))),
        plaintext(3, bytes((Kind.CONSTANT, 0)) + b"\xff" * 12),
        plaintext(3, bytes((Kind.CONSTANT, 0xF0, 2))),
        plaintext(3, bytes((Kind.CONSTANT, 0, 2)), b"extra"),
        plaintext(3, bytes((Kind.OFFSET, 1)), b"\0" * 10),
        plaintext(3, bytes((Kind.OFFSET, 3)), b"\0" * 17),
        plaintext(0, bytes((Kind.DELTA, 1)), b"\0" * 8),
        plaintext(3, bytes((Kind.TEXT_CONSTANT, 0, 1, 65))),
        plaintext(3, bytes((Kind.RAW, 8)), b"\0" * 24),
        plaintext(3, bytes((Kind.CONSTANT | 0x40, 0, 2))),
        plaintext(3, bytes((Kind.CONSTANT | 0x80, 0, 2)), b""),
        plaintext(3, bytes((9, 0))),
    ],
)
def test_lies_about_lengths_are_a_broken_seal(content: bytes) -> None:
    with pytest.raises(SealBroken):
        forged(compressed(content), CONSTANT)


@pytest.mark.parametrize(
    "segment",
    [
        struct.pack("<I", 1) + b"\x01A" + b"\0\x01\0",
        struct.pack("<I", 1 << 31) + b"\x01A" + b"\0\0\0",
        struct.pack("<I", 1) + b"\x02A" + b"\0\0\0",
        struct.pack("<I", 1) + b"\x01\xff" + b"\0\0\0",
        b"",
    ],
)
def test_lies_about_texts_are_a_broken_seal(segment: bytes) -> None:
    schema = pa.schema([("text", pa.string())])
    with pytest.raises(SealBroken):
        forged(compressed(plaintext(3, bytes((Kind.TEXT_DICTIONARY, 0x11)), segment)), schema)


@pytest.mark.parametrize("lengths", [[2], [0], [-1, 2], [1 << 31]])
def test_lengths_that_do_not_add_up_never_become_offsets(lengths: list[int]) -> None:
    with pytest.raises(ValueError, match="text"):
        from_text(np.array(lengths, np.int64), b"A")


def test_a_decompression_bomb_is_refused_before_it_goes_off() -> None:
    shape = bytes((Kind.CONSTANT, 0, 2))
    bomb = zstandard.ZstdCompressor().compressobj(size=(1 << 30) + 1)
    content = bomb.compress(bytes(1 << 20))
    for frame in (content, zstandard.compress(plaintext(3, shape))[:-1], b"", b"\0" * 40):
        with pytest.raises(SealBroken):
            forged(pad(frame), CONSTANT)


def test_a_frame_without_a_declared_size_or_with_something_after_it_is_refused() -> None:
    content = plaintext(3, bytes((Kind.CONSTANT, 0, 2)))
    unsized = zstandard.ZstdCompressor(write_content_size=False).compress(content)
    for frame in (unsized, zstandard.compress(content) + b"more"):
        with pytest.raises(SealBroken):
            forged(pad(frame), CONSTANT)


@pytest.mark.parametrize("padded", [b"", b"\0" * 64, pad(b"x" * 100) + b"\0", b"\x80"])
def test_wrong_padding_is_a_broken_seal(padded: bytes) -> None:
    with pytest.raises(SealBroken):
        forged(padded, CONSTANT)


@settings(max_examples=600, deadline=None)
@given(batches().filter(lambda batch: len(batch[1]) > 1), st.data())
def test_no_altered_plaintext_does_worse_than_break_the_seal(
    batch: tuple[pa.Table, np.ndarray], data: st.DataObject
) -> None:
    table, bounds = batch
    content = bytearray(data.draw(st.sampled_from(encode_blocks(table, np.asarray(bounds, np.int64)))))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    # A number of rows that is within the bound is honest as far as anybody can tell; keep it small here.
    if int.from_bytes(content[:4], "little") > 1 << 12:
        content[:4] = b"\x01\0\0\0"
    with contextlib.suppress(SealBroken):
        forged(compressed(bytes(content)), table.schema).validate(full=True)
