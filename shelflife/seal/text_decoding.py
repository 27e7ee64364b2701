"""Text of many blocks back to one Arrow array, by way of one dictionary for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from shelflife.seal.arrays import Ints, from_text
from shelflife.seal.context import value_type
from shelflife.seal.layout import Kind

if TYPE_CHECKING:
    from shelflife.seal.decoding import Cells
    from shelflife.seal.shapes import Entry

_COUNT_BYTES = 4
_MACHINE = {1: "<u1", 2: "<u2", 4: "<u4"}


def unpack_text(cells: Cells, rows: Ints, kind: pa.DataType) -> pa.Array:
    """Return the column's values as an array of `kind`.

    Raises:
        ValueError, pa.ArrowException: when the segments do not hold what the entries say.
    """
    single = _single_constant(cells)
    if single is not None and not pa.types.is_dictionary(kind):
        value = pa.array([single], pa.binary()).cast(kind)
        return pa.repeat(value[0], int(rows.sum()))
    codes, values = _codes(cells)
    return _array(codes, values, cells, kind)


def _single_constant(cells: Cells) -> bytes | None:
    """Return the only value of the column, when every block has the same constant and nothing is null."""
    if cells.valid is not None or not cells.entries:
        return None
    first = cells.entries[0]
    same = all(
        entry is first or (entry.kind, entry.text) == (first.kind, first.text) for entry in cells.entries
    )
    return first.text if same and first.kind == Kind.TEXT_CONSTANT else None


def _codes(cells: Cells) -> tuple[Ints, pa.Array]:
    known: dict[bytes, int] = {}
    pieces: list[pa.Array] = []
    codes: list[Ints] = []
    size = 0
    for entry, count, segment in zip(cells.entries, cells.counts.tolist(), cells.segments, strict=True):
        if entry.kind == Kind.TEXT_CONSTANT:
            if len(segment):
                raise ValueError("segment")
            if entry.text not in known:
                known[entry.text] = size
                pieces.append(pa.array([entry.text], pa.binary()))
                size += 1
            codes.append(np.broadcast_to(np.int64(known[entry.text]), count))
        elif entry.kind != Kind.NULL:
            values, own = _varying(entry, count, segment)
            pieces.append(values)
            codes.append(own + size)
            size += len(values)
    values = pa.concat_arrays(pieces) if pieces else pa.array([], pa.binary())
    return np.concatenate(codes) if codes else np.zeros(0, np.int64), values


def _varying(entry: Entry, count: int, segment: memoryview) -> tuple[pa.Array, Ints]:
    if entry.kind == Kind.TEXT_PLAIN:
        return _values(segment, count, entry.low), np.arange(count)
    size = int.from_bytes(segment[:_COUNT_BYTES], "little")
    data_end = len(segment) - count * entry.high
    if data_end < _COUNT_BYTES:
        raise ValueError("segment")
    codes = _planes(segment[data_end:], count, entry.high)
    if count and int(codes.max()) >= size:
        raise ValueError("code")
    return _values(segment[_COUNT_BYTES:data_end], size, entry.low), codes


def _values(source: memoryview, count: int, width: int) -> pa.Array:
    if count * width > len(source):
        raise ValueError("segment")
    return from_text(_planes(source[: count * width], count, width), bytes(source[count * width :]))


def _planes(source: memoryview, count: int, width: int) -> Ints:
    table = np.frombuffer(source, np.uint8).reshape(width, count)
    return np.ascontiguousarray(table.T).view(_MACHINE[width]).reshape(count).astype(np.int64)


def _array(codes: Ints, values: pa.Array, cells: Cells, kind: pa.DataType) -> pa.Array:
    target = value_type(kind)
    if cells.valid is not None:
        spread = np.zeros(len(cells.valid), np.int64)
        spread[cells.valid] = codes
        indices = pa.array(spread, mask=~cells.valid)
    else:
        indices = pa.array(codes)
    texts = values.cast(target)
    if pa.types.is_dictionary(kind):
        unified = texts.dictionary_encode()
        return pa.DictionaryArray.from_arrays(unified.indices.take(indices), unified.dictionary).cast(kind)
    return texts.take(indices)
