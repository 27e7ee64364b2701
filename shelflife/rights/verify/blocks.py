"""A second reader of sealed files: the container, the key of each row, and the days that a row's samples are of.

    row         locator (16) | commitment (32) | body
    prk         HKDF-Extract(salt = partition key, key = the person's key for the stream)
    commitment  HKDF-Expand(prk, "shelflife/v1/commit" || context)
    key         HKDF-Expand(prk, "shelflife/v1/block" || context)
    context     0x01, zone, table, retention class, period, stream, file id, schema digest, ordinal (u64), locator;
                each after its length (u32, big-endian)
    body        0x01 || AES-256-GCM, nonce of zeros, of: zstd frame || 0x80 || zeros
    plaintext   rows (u32) | length of the shape (u32) | shape | one length (u32) a segment | segments

The schema digest is SHA-256 over the names and types of the columns, each after its length. Of the columns only the
local date is decoded; the shape says how each is stored, so the others are stepped over.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from shelflife.rights.verify.primitives import expanded, mac, opened, prefixed
from shelflife.signals.sample import SAMPLE_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from shelflife.rights.verify.survey import PartitionRow

COLUMNS = ("locator", "commitment", "body")
_QUARANTINED = ("problem", "string")
_DAY = "local_date"
_EPOCH = dt.date(1970, 1, 1)
_CONSTANT, _OFFSET, _DELTA, _TEXT_CONSTANT = 1, 2, 3, 5
_SEGMENTED = frozenset((2, 3, 4, 6, 7))
_MIXED = 0x80


@dataclass(frozen=True)
class SealedRow:
    """One row of a sealed file."""

    ordinal: int
    locator: bytes
    commitment: bytes
    body: bytes


@dataclass(frozen=True)
class Samples:
    """What an opened row holds: how many samples, and the first and last local day; none without any day."""

    count: int
    earliest: dt.date | None
    latest: dt.date | None


def read_rows(path: Path) -> list[SealedRow] | None:
    """Read the rows of a sealed file; None when it is not one.

    Raises:
        FileNotFoundError: there is no file.
    """
    try:
        with path.open("rb") as source:
            table = pq.ParquetFile(source, pre_buffer=False).read()
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, ValueError):
        return None
    if tuple(table.schema.names) != COLUMNS or any(column.null_count for column in table.columns):
        return None
    rows = zip(*(table.column(name).to_pylist() for name in COLUMNS), strict=True)
    return [SealedRow(at, *row) for at, row in enumerate(rows)]


def file_context(home: PartitionRow, file_id: str) -> bytes:
    """Return the part of the context that all rows of a file share."""
    place = (home.zone, home.table_name, home.retention_class, home.period, home.stream or "", file_id)
    described = [part.encode() for column in columns_of(home.table_name) for part in column]
    digest = hashlib.sha256(prefixed(described)).digest()
    return prefixed([b"\x01", *(part.encode() for part in place), digest])


def columns_of(table_name: str) -> list[tuple[str, str]]:
    """Return name and type of the columns that the rows of a raw table hold."""
    columns = [(field.name, str(field.type)) for field in SAMPLE_SCHEMA]
    return [*columns, _QUARANTINED] if "quarantine_" in table_name else columns


def open_row(row: SealedRow, shared: bytes, partition_key: bytes, stream_key: bytes) -> bytes | None:
    """Return the plaintext of a row; None when these are not its keys, or it was altered."""
    secret = mac(partition_key, stream_key)
    context = shared + prefixed([struct.pack(">Q", row.ordinal), row.locator])
    if expanded(secret, b"shelflife/v1/commit" + context) != row.commitment or row.body[:1] != b"\x01":
        return None
    key = expanded(secret, b"shelflife/v1/block" + context)
    padded = opened(key, bytes(12), row.body[1:], None)
    if padded is None:
        return None
    try:
        return zstandard.ZstdDecompressor().decompress(padded.rstrip(b"\0")[:-1])
    except zstandard.ZstdError:
        return None


def samples_of(plain: bytes, columns: Sequence[tuple[str, str]]) -> Samples | None:
    """Return count and days of the samples of an opened row; None when the layout is not sound."""
    try:
        rows, length = struct.unpack_from("<II", plain)
        days = _days(plain[8 : 8 + length], plain, 8 + length, rows, columns)
    except (struct.error, IndexError, ValueError):
        return None
    if days.size == 0:
        return Samples(rows, None, None)
    earliest, latest = (_EPOCH + dt.timedelta(days=int(day)) for day in (days.min(), days.max()))
    return Samples(rows, earliest, latest)


def _days(
    shape: bytes, plain: bytes, lengths_at: int, rows: int, columns: Sequence[tuple[str, str]]
) -> NDArray[np.int64]:
    """Step over the shape to the local date and decode it; absent dates are left out."""
    at, segment, wanted = 0, 0, None
    for name, _ in columns:
        tag = shape[at]
        kind = tag & 0x0F
        parameter, number, at = (shape[at + 1], 0, at + 2) if kind else (0, 0, at + 1)
        if kind in (_CONSTANT, _TEXT_CONSTANT):
            number, at = _varint(shape, at)
        if kind == _TEXT_CONSTANT:
            at += number
        has_segment = kind in _SEGMENTED or bool(tag & _MIXED)
        if name == _DAY:
            wanted = (tag, parameter, number, segment if has_segment else None)
        segment += has_segment
    if wanted is None or wanted[0] == 0:
        return np.empty(0, np.int64)
    tag, parameter, number, own = wanted
    stored = b"" if own is None else _segment(plain, lengths_at, segment, own)
    return _integers(tag, parameter, number, stored, rows)


def _segment(plain: bytes, lengths_at: int, count: int, own: int) -> bytes:
    lengths = struct.unpack_from(f"<{count}I", plain, lengths_at)
    start = lengths_at + 4 * count + sum(lengths[:own])
    return plain[start : start + lengths[own]]


def _integers(tag: int, parameter: int, number: int, stored: bytes, rows: int) -> NDArray[np.int64]:
    """Decode a column of whole numbers."""
    kind, width, unit = tag & 0x0F, parameter & 0x0F, 1_000 ** (parameter >> 4)
    if kind == _CONSTANT:
        return np.array([(number >> 1) ^ -(number & 1)], np.int64)
    count = rows
    if tag & _MIXED:
        bitmap = np.frombuffer(stored[: (rows + 7) // 8], np.uint8)
        count = int(np.unpackbits(bitmap, bitorder="little")[:rows].sum())
        stored = stored[(rows + 7) // 8 :]
    if kind not in (_OFFSET, _DELTA):
        raise ValueError("a date is stored as offsets or steps")
    [base] = struct.unpack_from("<q", stored)
    steps = _from_planes(stored[8:], count, width, signed=kind == _DELTA) * unit
    days: NDArray[np.int64] = int(base) + (np.cumsum(steps) if kind == _DELTA else steps)
    return days


def _from_planes(stored: bytes, count: int, width: int, *, signed: bool) -> NDArray[np.int64]:
    """Put values together whose first bytes stand first, then the second bytes, and so on."""
    wide = np.zeros((count, 8), np.uint8)
    if width:
        wide[:, :width] = np.frombuffer(stored, np.uint8, count=width * count).reshape(width, count).T
        if signed:
            wide[:, width:] = np.where(wide[:, width - 1 : width] & 0x80, 0xFF, 0)
    values: NDArray[np.int64] = wide.view("<i8")[:, 0]
    return values


def _varint(source: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = source[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
