"""What a key-value copy holds about one person: a small table as one sealed value.

    sealed value ( PADMÉ ( zstd ( Arrow IPC stream ) ) ), bound to copy, item and token

In a copy that is declared to be in clear the compressed stream is stored as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import zstandard

from shelflife.copies.protocol import TOKEN
from shelflife.seal.blocks import broken
from shelflife.seal.padding import pad, unpad
from shelflife.seal.values import open_value, seal_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shelflife.copies.protocol import Dataset

_LARGEST = 512 << 20
"""Bytes that a value may decompress to: as much as a Redis string can be."""


def by_person(dataset: Dataset) -> Iterator[tuple[bytes, pa.Table]]:
    """Yield each person's token and rows from rows that are ordered by token.

    The rows are copied: a slice of a table would carry bits of its neighbours along.
    """
    start = 0
    for run in pc.value_counts(dataset.rows.column(TOKEN)):
        length = run["counts"].as_py()
        yield run["values"].as_py(), dataset.rows.take(pa.array(range(start, start + length)))
        start += length


def encode(rows: pa.Table, key: bytes | None, place: Sequence[bytes | str]) -> bytes:
    """Return rows as one value.

    Args:
        rows: the rows.
        key: the item's key (32 bytes); None stores the value in clear.
        place: what the value is bound to.
    """
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    packed = zstandard.compress(sink.getvalue())
    return packed if key is None else seal_value(key, pad(packed), place)


def decode(value: bytes, key: bytes | None, place: Sequence[bytes | str]) -> pa.Table:
    """Return the rows of a value.

    Raises:
        SealBroken: the value was altered or moved, or this is not its key.
    """
    try:
        packed = value if key is None else unpad(open_value(key, value, place))
        if not 0 <= zstandard.frame_content_size(packed) <= _LARGEST:
            raise broken()
        return pa.ipc.open_stream(zstandard.decompress(packed)).read_all()
    except (ValueError, zstandard.ZstdError, pa.ArrowException):
        raise broken() from None
