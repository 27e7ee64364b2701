"""Tables, blocks and keys that the tests of sealing share."""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from shelflife.seal.blocks import BlockContext, open_blocks, seal_blocks
from shelflife.seal.locators import raw_ids

CONTEXT = BlockContext("raw", "samples", "heart/default", "2026-11-03", "heart", "0a" * 16)
PARTITION_KEY = bytes(range(32))
_LONG = 1 << 63

TYPES = [
    *[pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()],
    *[pa.float32(), pa.float64(), pa.bool_(), pa.date32(), pa.string(), pa.large_string(), pa.binary()],
    *[
        pa.binary(4),
        pa.timestamp("us", "UTC"),
        pa.timestamp("us", "UTC"),
        pa.timestamp("ns", "Europe/Berlin"),
    ],
    *[pa.timestamp("ms"), pa.dictionary(pa.int32(), pa.string()), pa.dictionary(pa.int8(), pa.int64())],
]


def values_of(kind: pa.DataType) -> st.SearchStrategy[Any]:
    """Return a strategy for the values of an Arrow type; times and integers as integers."""
    types = pa.types
    if types.is_dictionary(kind):
        return values_of(kind.value_type)
    if types.is_boolean(kind):
        return st.booleans()
    if types.is_floating(kind):
        width = kind.bit_width
        near = st.integers(-3000, 3000).map(lambda tenths: _narrow(tenths / 10, width))
        return near | st.floats(width=width) | st.sampled_from([-0.0, math.nan, math.inf])
    if types.is_string(kind) or types.is_large_string(kind):
        return st.sampled_from(["", "bpm", "Zürich"]) | st.text(max_size=12)
    if types.is_fixed_size_binary(kind):
        return st.binary(min_size=kind.byte_width, max_size=kind.byte_width)
    if types.is_binary(kind):
        return st.binary(max_size=300)
    unsigned = types.is_unsigned_integer(kind)
    low, high = (
        (0, 1 << kind.bit_width) if unsigned else (-(1 << kind.bit_width - 1), 1 << kind.bit_width - 1)
    )
    return st.integers(low, high - 1) | st.integers(0, 120) | st.sampled_from([low, high - 1])


@st.composite
def columns(draw: st.DrawFn, rows: int) -> pa.Array:
    """Draw a column: any type, often few values, sometimes none but nulls."""
    kind = draw(st.sampled_from(TYPES))
    value = values_of(kind)
    few = st.sampled_from(draw(st.lists(value, min_size=1, max_size=3)))
    one = draw(st.sampled_from([value, few, few, st.none() | value, st.none() | few, st.none()]))
    return array_of(draw(st.lists(one, min_size=rows, max_size=rows)), kind)


def array_of(values: list[Any], kind: pa.DataType) -> pa.Array:
    """Return an array of any of the types; times and dates are given as integers."""
    if pa.types.is_dictionary(kind):
        return pa.array(values, kind.value_type).dictionary_encode().cast(kind)
    if pa.types.is_temporal(kind):
        return pa.array(values, pa.int32() if pa.types.is_date32(kind) else pa.int64()).cast(kind)
    return pa.array(values, kind)


@st.composite
def batches(draw: st.DrawFn) -> tuple[pa.Table, np.ndarray]:
    """Draw a table and the bounds of its blocks, empty ones among them."""
    counts = draw(st.lists(st.integers(0, 9), max_size=5))
    rows = sum(counts)
    arrays = [draw(columns(rows)) for _ in range(draw(st.integers(1, 5)))]
    table = pa.table(arrays, names=[f"c{at}" for at in range(len(arrays))])
    if rows > 2 and draw(st.booleans()):
        cut = draw(st.integers(1, rows - 1))
        table = pa.concat_tables([table.slice(0, cut), table.slice(cut)])
    return table, np.cumsum([0, *counts])


def people(count: int, seed: int = 1) -> tuple[list[bytes], list[bytes]]:
    """Return stream keys and raw ids."""
    rng = np.random.default_rng(seed)
    return [rng.bytes(32) for _ in range(count)], [rng.bytes(16) for _ in range(count)]


def sealed(table: pa.Table, bounds: np.ndarray, **changed: Any) -> tuple[pa.RecordBatch, dict[bytes, bytes]]:
    """Seal a table; return the rows and the key of each raw id."""
    keys, ids = people(len(bounds) - 1)
    settings: dict[str, Any] = {"partition_key": PARTITION_KEY, "context": CONTEXT} | changed
    return seal_blocks(table, bounds, keys, ids, **settings), dict(zip(ids, keys, strict=True))


def opened(
    rows: pa.RecordBatch, key_of: dict[bytes, bytes], schema: pa.Schema, **changed: Any
) -> tuple[pa.Table, np.ndarray]:
    """Open all rows of a file, as a reader who finds keys by locator does."""
    owners = raw_ids(PARTITION_KEY, rows.column("locator").to_pylist())
    keys = [key_of.get(owner, bytes(32)) for owner in owners]
    settings: dict[str, Any] = {
        "partition_key": PARTITION_KEY,
        "context": CONTEXT,
        "schema": schema,
    } | changed
    return open_blocks(rows, range(rows.num_rows), keys, **settings)


def in_file_order(
    table: pa.Table, bounds: np.ndarray, rows: pa.RecordBatch
) -> tuple[list[pa.Table], list[int]]:
    """Return the blocks of the table in the order that their sealed rows have, and that order."""
    _, ids = people(len(bounds) - 1)
    order = [ids.index(owner) for owner in raw_ids(PARTITION_KEY, rows.column("locator").to_pylist())]
    return [table.slice(bounds[at], bounds[at + 1] - bounds[at]) for at in order], order


def exact(column: pa.ChunkedArray) -> list[Any]:
    """Return the values of a column such that every bit of a number counts."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_temporal(kind):
        column = column.cast(pa.int32() if pa.types.is_date32(kind) else pa.int64())
    return [struct.pack("<d", value) if isinstance(value, float) else value for value in column.to_pylist()]


def _narrow(value: float, width: int) -> float:
    return value if width == 64 else struct.unpack("<f", struct.pack("<f", value))[0]
