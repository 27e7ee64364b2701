"""The plaintext layout of a sealed block, version 1, as the encoder writes and the decoder reads it.

    rows u32 | shape length u32 | shape | one u32 length for each segment | the segments

All integers are little-endian. The shape has one entry a column, in schema order:

    tag u8 (kind | RELATIVE | MIXED) | parameter u8, unless the kind is NULL | what the kind adds

| kind | parameter | adds to the shape | segment |
|---|---|---|---|
| NULL | - | - | none: every value is null |
| CONSTANT | scale << 4 | zigzag varint: the value | none |
| OFFSET | scale << 4, width | - | least value i64, then unsigned distances from it |
| DELTA | scale << 4, width | - | first value i64, then signed steps (first step 0) |
| RAW | width | - | the bytes of the values |
| TEXT_CONSTANT | 0 | varint length, the value | none |
| TEXT_DICTIONARY | code width << 4, length width | - | count u32, lengths, values, codes |
| TEXT_PLAIN | length width | - | lengths, values |

Widths are in bytes. Values wider than a byte are stored as planes: all first bytes, then all second bytes, and so
on, because those compress better. A column tagged MIXED has nulls: its segment starts with a bitmap of which rows
have a value (least significant bit first) and only those are stored; it has a segment whatever its kind.
A column tagged RELATIVE stores the distance to the nearest earlier column of the same timestamp type.
For integers and times, distances and steps are multiplied by `SCALES[scale]`; for floating-point numbers, value,
distance and step are divided together by 10**scale, and the division is exact by construction.
"""

from __future__ import annotations

import struct
from enum import IntEnum

HEAD = struct.Struct("<II")


class Kind(IntEnum):
    """How one column of one block is stored."""

    NULL = 0
    CONSTANT = 1
    OFFSET = 2
    DELTA = 3
    RAW = 4
    TEXT_CONSTANT = 5
    TEXT_DICTIONARY = 6
    TEXT_PLAIN = 7


KIND_MASK = 0x0F
RELATIVE = 0x40
MIXED = 0x80
SEGMENTED = frozenset((Kind.OFFSET, Kind.DELTA, Kind.RAW, Kind.TEXT_DICTIONARY, Kind.TEXT_PLAIN))

SCALES = (1, 1_000, 1_000_000, 1_000_000_000)
DECIMALS = (0, 1, 2, 3)

# No block is larger; a sealed body that claims to be is refused before memory is set aside for it.
MAX_ROWS = 1 << 24
MAX_PLAINTEXT_BYTES = 1 << 30


def varint(value: int) -> bytes:
    """Return an unsigned integer as LEB128."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_varint(source: bytes, at: int) -> tuple[int, int]:
    """Return the LEB128 integer at `at` and the position after it; IndexError or ValueError when malformed."""
    value = shift = 0
    while shift < 70:
        byte = source[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError("varint")


def zigzag(value: int) -> int:
    """Map a signed 64-bit integer to an unsigned one, small for values near zero."""
    return (value << 1) ^ (value >> 63)


def unzigzag(value: int) -> int:
    """Return the inverse of `zigzag`."""
    return (value >> 1) ^ -(value & 1)
