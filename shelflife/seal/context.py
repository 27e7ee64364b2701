"""What a sealed block is bound to: where it lives, who it is for, and the shape of its columns."""

from __future__ import annotations

import hashlib
from dataclasses import astuple, dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterable

FORMAT = b"\x01"
_LENGTH_BYTES = 4


@dataclass(frozen=True)
class BlockContext:
    """The place of the blocks of one file. A block opens only in the place that it was sealed for.

    `file_id` is used for a single call of `seal_blocks`: it is what makes the key of every block unique.
    """

    zone: str
    table: str
    retention_class: str
    period: str
    stream: str
    file_id: str


def length_prefixed(fields: Iterable[bytes]) -> bytes:
    """Return the fields joined, each after its length (4 bytes, big-endian), so that no two lists look alike."""
    return b"".join(len(field).to_bytes(_LENGTH_BYTES, "big") + field for field in fields)


def value_type(kind: pa.DataType) -> pa.DataType:
    """Return the type of the values: a dictionary-encoded column is sealed as its values."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def schema_digest(schema: pa.Schema) -> bytes:
    """Return 32 bytes that stand for the names, value types and order of the columns."""
    return _digest_of(schema.remove_metadata())


@lru_cache(maxsize=64)
def _digest_of(schema: pa.Schema) -> bytes:
    described = (part.encode() for field in schema for part in (field.name, str(value_type(field.type))))
    return hashlib.sha256(length_prefixed(described)).digest()


def file_context(context: BlockContext, schema: pa.Schema) -> bytes:
    """Return the part of the key context that all blocks of a file share."""
    place = (str(part).encode() for part in astuple(context))
    return length_prefixed((FORMAT, *place, schema_digest(schema)))


def row_context(ordinal: int, locator: bytes) -> bytes:
    """Return the part of the key context that one row adds: its position in the file and its locator."""
    return length_prefixed((ordinal.to_bytes(8, "big"), locator))
