"""Reading the plaintexts of blocks back into shapes and segments, believing nothing that they say."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from shelflife.seal.arrays import FLOAT, INTEGER, TEXT, Ints, family
from shelflife.seal.context import value_type
from shelflife.seal.layout import (
    HEAD,
    KIND_MASK,
    MAX_ROWS,
    MIXED,
    RELATIVE,
    SCALES,
    SEGMENTED,
    Kind,
    read_varint,
    unzigzag,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

_NUMERIC = frozenset((Kind.CONSTANT, Kind.OFFSET, Kind.DELTA))
_ALLOWED = {
    INTEGER: _NUMERIC,
    FLOAT: _NUMERIC | {Kind.RAW},
    TEXT: frozenset((Kind.TEXT_CONSTANT, Kind.TEXT_DICTIONARY, Kind.TEXT_PLAIN)),
}
_WIDTHS = frozenset((1, 2, 4, 8))


class Entry(NamedTuple):
    """What a shape says of one column. `segment` is which of the block's segments is its own, or -1."""

    kind: int
    relative: bool
    mixed: bool
    low: int
    high: int
    constant: int
    text: bytes
    segment: int


class Shape(NamedTuple):
    """The entries of a block's columns and how many segments they have."""

    entries: tuple[Entry, ...]
    segments: int


class Parsed(NamedTuple):
    """Blocks taken apart: how many rows each has, which shape, and its segments."""

    rows: Ints
    shapes: list[Shape]
    shape_of: Ints
    segments: list[list[memoryview]]


def parse_blocks(plaintexts: Sequence[bytes], schema: pa.Schema) -> Parsed:
    """Take the blocks apart.

    Raises:
        ValueError, IndexError, struct.error: when a block is not one.
    """
    numbers: dict[bytes, int] = {}
    shapes: list[Shape] = []
    rows, shape_of, segments = [], [], []
    for plaintext in plaintexts:
        count, length = HEAD.unpack_from(plaintext)
        entries = plaintext[HEAD.size : HEAD.size + length]
        number = numbers.get(entries)
        if number is None:
            number = numbers[entries] = len(shapes)
            shapes.append(_shape(entries, schema))
        rows.append(count)
        shape_of.append(number)
        segments.append(_segments(plaintext, HEAD.size + length, shapes[number].segments))
    if rows and max(rows) > MAX_ROWS:
        raise ValueError("rows")
    return Parsed(np.array(rows, np.int64), shapes, np.array(shape_of, np.int64), segments)


def _segments(plaintext: bytes, at: int, count: int) -> list[memoryview]:
    lengths = struct.unpack_from(f"<{count}I", plaintext, at)
    at += 4 * count
    if at + sum(lengths) != len(plaintext):
        raise ValueError("segments")
    view = memoryview(plaintext)
    found = []
    for length in lengths:
        found.append(view[at : at + length])
        at += length
    return found


def _shape(entries: bytes, schema: pa.Schema) -> Shape:
    found: list[Entry] = []
    at = segments = 0
    for kind in schema.types:
        entry, at = _entry(entries, at, kind, segments)
        segments += entry.segment >= 0
        found.append(entry)
    if at != len(entries):
        raise ValueError("shape")
    return Shape(tuple(found), segments)


def _entry(source: bytes, at: int, kind: pa.DataType, segment: int) -> tuple[Entry, int]:
    tag = source[at]
    stored, relative, mixed = tag & KIND_MASK, bool(tag & RELATIVE), bool(tag & MIXED)
    if tag == Kind.NULL:
        return Entry(stored, relative, mixed, 0, 0, 0, b"", -1), at + 1
    parameter, at = source[at + 1], at + 2
    low, high, constant, text = parameter & 0x0F, parameter >> 4, 0, b""
    if stored == Kind.CONSTANT:
        constant, at = read_varint(source, at)
        constant = unzigzag(constant)
    elif stored == Kind.TEXT_CONSTANT:
        length, at = read_varint(source, at)
        text, at = source[at : at + length], at + length
    owns = mixed or stored in SEGMENTED
    entry = Entry(stored, relative, mixed, low, high, constant, text, segment if owns else -1)
    _check(entry, kind)
    return entry, at


def _check(entry: Entry, kind: pa.DataType) -> None:
    group = family(kind)
    wide: dict[int, tuple[int, ...]] = {
        Kind.OFFSET: (entry.low,),
        Kind.DELTA: (entry.low,),
        Kind.TEXT_PLAIN: (entry.low,),
        Kind.TEXT_DICTIONARY: (entry.low, entry.high),
    }
    if entry.kind not in _ALLOWED[group] or not _WIDTHS.issuperset(wide.get(entry.kind, ())):
        raise ValueError("kind")
    if group != TEXT and entry.high >= len(SCALES):
        raise ValueError("scale")
    if entry.kind == Kind.RAW and entry.low * 8 != value_type(kind).bit_width:
        raise ValueError("width")
    if entry.relative and (entry.mixed or not pa.types.is_timestamp(kind)):
        raise ValueError("relative")
    if not -(1 << 63) <= entry.constant < 1 << 63:
        raise ValueError("constant")
