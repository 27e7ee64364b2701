"""A batch of samples to the plaintexts of its blocks: all work that can be is done once for the whole batch."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from shelflife.seal.arrays import (
    FLOAT,
    TEXT,
    binary,
    dense,
    family,
    integers,
    numbers,
    one_array,
    starts_of,
    validity,
)
from shelflife.seal.context import value_type
from shelflife.seal.floats import pack_floats
from shelflife.seal.integers import Packed, pack, prefers_steps
from shelflife.seal.layout import HEAD, KIND_MASK, MIXED, RELATIVE, Kind, varint, zigzag
from shelflife.seal.texts import pack_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shelflife.seal.arrays import Bools, Ints

_TIME_SCALES = {"s": (0,), "ms": (0, 1), "us": (0, 1, 2), "ns": (0, 1, 2, 3)}


@dataclass(frozen=True)
class Column:
    """One column of all blocks: tag and detail of each block, its segments, and the text constants by detail."""

    tags: Ints
    details: Ints
    segments: list[bytes | None]
    texts: list[bytes]

    def entry(self, block: int) -> bytes:
        """Return the shape entry of the column in this block."""
        tag, detail = int(self.tags[block]), int(self.details[block])
        kind = tag & KIND_MASK
        if kind == Kind.NULL:
            return bytes((tag,))
        entry = bytes((tag & 0xFF, tag >> 8))
        if kind == Kind.CONSTANT:
            return entry + varint(zigzag(detail))
        if kind == Kind.TEXT_CONSTANT:
            return entry + varint(len(self.texts[detail])) + self.texts[detail]
        return entry


def encode_blocks(samples: pa.Table, bounds: Ints) -> list[bytes]:
    """Return the plaintext of each block: rows `bounds[i]` up to `bounds[i + 1]` of `samples`.

    Raises:
        ConfigurationError: when a column's type cannot be stored.
    """
    blocks = len(bounds) - 1
    columns = list(_columns(samples, bounds)) if blocks else []
    carrying = [column.segments for column in columns if column.segments.count(None) < blocks]
    rows = np.diff(bounds).tolist()
    segments = zip(*carrying, strict=True) if carrying else ((),) * blocks
    shapes = _shapes(columns, blocks)
    return [
        _plaintext(count, shape, [one for one in own if one is not None])
        for count, shape, own in zip(rows, shapes, segments, strict=True)
    ]


def _plaintext(rows: int, shape: bytes, segments: list[bytes]) -> bytes:
    lengths = struct.pack(f"<{len(segments)}I", *map(len, segments))
    return b"".join((HEAD.pack(rows, len(shape)), shape, lengths, *segments))


def _shapes(columns: list[Column], blocks: int) -> Iterator[bytes]:
    """Yield the shape of each block. Few differ, so each is put together once and found again by its numbers."""
    varying = [one for one in columns if np.ptp(one.tags) or np.ptp(one.details)]
    numbers_of = np.zeros((blocks, 2 * len(varying)), np.int64)
    for at, column in enumerate(varying):
        numbers_of[:, 2 * at], numbers_of[:, 2 * at + 1] = column.tags, column.details
    width, keys = 16 * len(varying), numbers_of.tobytes()
    known: dict[bytes, bytes] = {}
    for block in range(blocks):
        key = keys[block * width : (block + 1) * width]
        shape = known.get(key)
        if shape is None:
            shape = known[key] = b"".join([column.entry(block) for column in columns])
        yield shape


def _columns(samples: pa.Table, bounds: Ints) -> Iterator[Column]:
    """Yield the columns; a timestamp without nulls is stored relative to the one before it of the same type."""
    earlier: dict[pa.DataType, Ints | None] = {}
    for name, kind in zip(range(samples.num_columns), samples.schema.types, strict=True):
        array = one_array(samples.column(name))
        if not pa.types.is_timestamp(kind):
            yield _column(array, kind, bounds)
            continue
        values = None if array.null_count else integers(array)
        yield _column(array, kind, bounds, earlier.get(kind), values)
        earlier[kind] = values


def _column(
    array: pa.Array, kind: pa.DataType, bounds: Ints, earlier: Ints | None = None, values: Ints | None = None
) -> Column:
    rows = np.diff(bounds)
    if array.null_count == len(array):
        nothing = np.zeros(len(rows), np.int64)
        return Column(nothing, nothing, [None] * len(rows), [])
    valid = validity(array) if array.null_count else None
    counts = rows if valid is None else np.diff(starts_of(valid.astype(np.int64))[bounds])
    live = np.flatnonzero(counts)
    tags, details = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.int64)
    segments: list[bytes | None] = [None] * len(rows)
    texts: list[bytes] = []
    if len(live):
        relative = earlier is not None and values is not None
        difference = values - earlier if values is not None and earlier is not None else None
        packed, texts = _packed(dense(array), kind, counts[live], difference)
        tags[live], details[live] = packed.tags | (RELATIVE if relative else 0), packed.details
        for at, segment in zip(live.tolist(), packed.segments, strict=True):
            segments[at] = segment
    if valid is not None:
        _mark_nulls(valid, bounds, np.flatnonzero((counts < rows) & (counts > 0)), tags, segments)
    return Column(tags, details, segments, texts)


def _packed(
    array: pa.Array, kind: pa.DataType, counts: Ints, difference: Ints | None
) -> tuple[Packed, list[bytes]]:
    if family(kind) == TEXT:
        return pack_text(array if pa.types.is_dictionary(array.type) else binary(array), counts)
    if family(kind) == FLOAT:
        return pack_floats(numbers(array), counts), []
    kind = value_type(kind)
    scales = _TIME_SCALES[kind.unit] if pa.types.is_timestamp(kind) else (0,)
    if difference is not None:
        return pack(difference, counts, steps=False, scales=scales), []
    values = integers(array)
    steps = pa.types.is_timestamp(kind) or prefers_steps(values, np.cumsum(counts) - counts)
    return pack(values, counts, steps=steps, scales=scales), []


def _mark_nulls(valid: Bools, bounds: Ints, mixed: Ints, tags: Ints, segments: list[bytes | None]) -> None:
    tags[mixed] |= MIXED
    for at in mixed.tolist():
        bitmap = np.packbits(valid[bounds[at] : bounds[at + 1]], bitorder="little").tobytes()
        segments[at] = bitmap + (segments[at] or b"")
