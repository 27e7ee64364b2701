"""Sealed blocks: one subject's samples of one stream in one partition, encoded, compressed, padded, encrypted.

    body = format byte || AES-256-GCM(pad(zstd(plaintext)))         padding.py, layout.py
    key, commitment = HKDF of partition key, subject's stream key and context          block_keys.py

Everything that a block is bound to is in the context, the context is in the key, and the commitment proves the
key; the cipher therefore needs no associated data.
"""

from __future__ import annotations

import hmac
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shelflife.errors import ConfigurationError, SealBroken
from shelflife.seal.block_keys import KEY_BYTES, block_key
from shelflife.seal.context import FORMAT, BlockContext, file_context, row_context
from shelflife.seal.decoding import decode_blocks
from shelflife.seal.encoding import encode_blocks
from shelflife.seal.layout import MAX_PLAINTEXT_BYTES, MAX_ROWS
from shelflife.seal.locators import LOCATOR_BYTES, locators
from shelflife.seal.padding import pad, unpad

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

__all__ = [
    "SEALED_SCHEMA",
    "BlockContext",
    "FileOfBlocks",
    "broken",
    "open_blocks",
    "seal_blocks",
    "seal_files",
]

SEALED_SCHEMA = pa.schema(
    [
        pa.field("locator", pa.binary(LOCATOR_BYTES), nullable=False),
        pa.field("commitment", pa.binary(KEY_BYTES), nullable=False),
        pa.field("body", pa.binary(), nullable=False),
    ]
)
# A block's key encrypts one message in its life: the file id is fresh and the ordinal unique within the file, and
# both are in the key. A nonce that never repeats under its key may as well be a constant.
_NONCE = bytes(12)
_TAG_BYTES = 16
_LEVEL = 3


def broken() -> SealBroken:
    """Return the one error for all that can be wrong with sealed data; it says nothing about the data."""
    return SealBroken(
        "Sealed data does not open: it was altered, moved, swapped or cut short, or this is not its key.",
        remedy="Check that file, partition, stream and keys belong together; otherwise restore the file from a "
        "copy. Data whose key was destroyed stays closed.",
    )


@dataclass(frozen=True)
class FileOfBlocks:
    """What the blocks of one file are sealed with.

    Attributes:
        keys: the subject's key of this stream, 32 bytes, for each block.
        raw_ids: the subject's id in the raw zone, 16 bytes, for each block.
        partition_key: 32 bytes.
        context: what the blocks are bound to. Its file id is new: it is never used for another call.
    """

    keys: Sequence[bytes] = field(repr=False)
    raw_ids: Sequence[bytes] = field(repr=False)
    partition_key: bytes = field(repr=False)
    context: BlockContext


def seal_blocks(
    samples: pa.Table,
    bounds: npt.NDArray[np.integer],
    keys: Sequence[bytes],
    raw_ids: Sequence[bytes],
    *,
    partition_key: bytes,
    context: BlockContext,
) -> pa.RecordBatch:
    """Seal the rows of each subject into a block of one file; see `seal_files`."""
    [rows] = seal_files(samples, bounds, [FileOfBlocks(keys, raw_ids, partition_key, context)])
    return rows


def seal_files(
    samples: pa.Table, bounds: npt.NDArray[np.integer], files: Sequence[FileOfBlocks]
) -> Iterator[pa.RecordBatch]:
    """Seal the rows of each subject into a block, for several files at a time.

    Args:
        samples: a flat table; rows `bounds[i]` up to `bounds[i + 1]` belong to block i.
        bounds: one more than there are blocks, from 0 to the number of rows, never falling.
        files: the files, each of which takes as many of the blocks as it has keys, in their order.

    Yields:
        The rows of each sealed file (`SEALED_SCHEMA`), ordered by locator so that the order tells nothing. A row's
        position is part of its key: all of them are written to one file, in this order.

    Raises:
        ConfigurationError: when the arguments do not fit together or a column's type cannot be sealed.
    """
    edges = _checked_bounds(samples, bounds, files)
    plaintexts = encode_blocks(samples, edges)
    if any(len(plaintext) > MAX_PLAINTEXT_BYTES for plaintext in plaintexts):
        raise ConfigurationError("A block is larger than 1 GiB.", remedy="Seal fewer rows in one block.")
    start = 0
    for file in files:
        yield _sealed(plaintexts[start : start + len(file.keys)], file, samples.schema)
        start += len(file.keys)


def _sealed(plaintexts: Sequence[bytes], file: FileOfBlocks, schema: pa.Schema) -> pa.RecordBatch:
    found = locators(file.partition_key, file.raw_ids)
    shared = file_context(file.context, schema)
    compress = zstandard.ZstdCompressor(level=_LEVEL, write_content_size=True).compress
    commitments, bodies = [], []
    order = sorted(range(len(found)), key=found.__getitem__)
    for ordinal, at in enumerate(order):
        context = shared + row_context(ordinal, found[at])
        key, commitment = block_key(file.partition_key, file.keys[at], context)
        padded = pad(compress(plaintexts[at]))
        commitments.append(commitment)
        bodies.append(FORMAT + AESGCM(key).encrypt(_NONCE, padded, None))
    columns = [[found[at] for at in order], commitments, bodies]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, SEALED_SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=SEALED_SCHEMA)


def open_blocks(
    rows: pa.Table | pa.RecordBatch,
    ordinals: Sequence[int],
    keys: Sequence[bytes],
    *,
    partition_key: bytes,
    context: BlockContext,
    schema: pa.Schema,
    columns: Sequence[str] | None = None,
) -> tuple[pa.Table, npt.NDArray[np.int64]]:
    """Open sealed rows.

    Args:
        rows: rows of a sealed file, any of them, in any order.
        ordinals: the position in its file of each of the rows.
        keys: the subject's key of this stream for each row; find the subject with `raw_ids`.
        partition_key: 32 bytes.
        context: what the blocks were bound to when they were sealed.
        schema: the schema of the samples that were sealed: same names, types and order. A column may be asked
            for as a dictionary of the sealed type, or the reverse.
        columns: the columns to return; all when absent. Columns that are left out are not decoded.

    Returns:
        The samples of all rows, end to end, and their bounds (one more than there are rows).

    Raises:
        SealBroken: when anything at all is not as it was sealed.
        ConfigurationError: when `columns` names one that the schema does not have.
    """
    names = schema.names if columns is None else list(columns)
    if not set(names) <= set(schema.names):
        raise ConfigurationError(
            "A column to read is not in the schema.", remedy="Ask for columns that exist."
        )
    plaintexts = _opened(rows, ordinals, keys, partition_key, file_context(context, schema))
    try:
        return decode_blocks(plaintexts, schema, names)
    except (ValueError, IndexError, OverflowError, struct.error, pa.ArrowException):
        raise broken() from None


def _opened(
    rows: pa.Table | pa.RecordBatch,
    ordinals: Sequence[int],
    keys: Sequence[bytes],
    partition_key: bytes,
    shared: bytes,
) -> list[bytes]:
    if rows.schema.names != SEALED_SCHEMA.names or not len(ordinals) == len(keys) == rows.num_rows:
        raise broken()
    sealed = zip(*(rows.column(name).to_pylist() for name in SEALED_SCHEMA.names), strict=True)
    decompress = zstandard.ZstdDecompressor().decompress
    plaintexts = []
    try:
        for (locator, commitment, body), ordinal, key in zip(sealed, ordinals, keys, strict=True):
            own, expected = block_key(partition_key, key, shared + row_context(int(ordinal), locator))
            if not hmac.compare_digest(expected, commitment) or body[:1] != FORMAT:
                raise broken()
            frame = unpad(AESGCM(own).decrypt(_NONCE, memoryview(body)[1:], None))
            if not 0 <= zstandard.frame_content_size(frame) <= MAX_PLAINTEXT_BYTES:
                raise broken()
            plaintexts.append(decompress(frame, allow_extra_data=False))
    except (InvalidTag, ValueError, TypeError, OverflowError, zstandard.ZstdError):
        raise broken() from None
    return plaintexts


def _checked_bounds(
    samples: pa.Table, bounds: npt.NDArray[np.integer], files: Sequence[FileOfBlocks]
) -> npt.NDArray[np.int64]:
    edges = np.asarray(bounds, np.int64)
    rows = np.diff(edges)
    whole = len(edges) > 0 and edges[0] == 0 and edges[-1] == samples.num_rows
    fitting = all(len(file.keys) == len(file.raw_ids) for file in files)
    blocks = sum(len(file.keys) for file in files)
    if not whole or not fitting or len(rows) != blocks or (rows < 0).any() or (rows > MAX_ROWS).any():
        raise ConfigurationError(
            "The bounds of the blocks do not fit the samples, the keys or the ids.",
            remedy="Give one key and one id for each block, and bounds from 0 to the number of rows.",
        )
    if any(len(key) != KEY_BYTES for file in files for key in (file.partition_key, *file.keys)):
        raise ConfigurationError(
            "A key is not 32 bytes long.", remedy="Pass keys as the key tree returns them."
        )
    return edges
