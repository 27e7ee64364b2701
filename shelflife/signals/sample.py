"""The canonical sample: one observation, as one row of an Arrow table.

The stored schema has no subject and no id: who a sample is about is the sealed block's locator, and the id is
computed from the content whenever it is needed.
"""

from __future__ import annotations

import hashlib
import json
from enum import IntFlag
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shelflife.signals.siphash import siphash128

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

MAX_BATCH_ROWS = 65_536
"""Most rows that a source adapter puts in one batch."""

UTC_MICROSECONDS = pa.timestamp("us", tz="UTC")


class QualityFlag(IntFlag):
    """What is odd about a sample that is still kept; stored as a bit set."""

    FUTURE = 1
    OUT_OF_RANGE = 2
    DUP_EXACT = 4
    DUP_CROSS_SOURCE = 8
    TZ_UNKNOWN = 16
    UNIT_ASSUMED = 32
    LOW_CONFIDENCE = 64
    TIME_ONLY = 128


SAMPLE_SCHEMA: pa.Schema = pa.schema(
    [
        ("signal", pa.string()),
        ("value_num", pa.float64()),
        ("value_code", pa.string()),
        ("unit_ucum", pa.string()),
        ("value_raw", pa.string()),
        ("unit_raw", pa.string()),
        ("comparator", pa.string()),
        ("start_utc", UTC_MICROSECONDS),
        ("end_utc", UTC_MICROSECONDS),
        ("utc_offset_min", pa.int16()),
        ("iana_tz", pa.string()),
        ("tz_basis", pa.string()),
        ("local_date", pa.date32()),
        ("statistic", pa.string()),
        ("window_s", pa.int32()),
        ("stage", pa.string()),
        ("parent_id", pa.string()),
        ("source_platform", pa.string()),
        ("source_app", pa.string()),
        ("device_make", pa.string()),
        ("device_model", pa.string()),
        ("device_sw", pa.string()),
        ("modality", pa.string()),
        ("source_record_id", pa.string()),
        ("source_modified_at", UTC_MICROSECONDS),
        ("record_path", pa.string()),
        ("quality_flags", pa.int32()),
    ]
)
"""Columns of a stored sample.

- `value_num` is in `unit_ucum`; `value_raw` and `unit_raw` are as received. One of `value_num`, `value_code` is set.
- `comparator` is `<` or `>` when the device only says that the value lies beyond its range.
- Intervals are half open; an instant has `end_utc` = `start_utc`. With `tz_basis` `unknown` the wall-clock time is
  read as UTC, `utc_offset_min` is null and `quality_flags` has `TZ_UNKNOWN`.
- `record_path` is the record's type in its source; for a row with a problem also its position (`EGV#17`).
"""

PARSED_SCHEMA: pa.Schema = pa.schema(
    [*SAMPLE_SCHEMA, ("alias_kind", pa.string()), ("alias", pa.string()), ("problem", pa.string())]
)
"""What a source adapter yields: the sample, who it is about, and what is wrong with it.

`alias` is the subject as the source names it. Both `alias` and `alias_kind` null mean the account that the file belongs
to; `alias_kind` alone means that the source should name somebody in this row and does not. `problem` is null for a
sample to land, else the reason for which the row goes to quarantine.
"""

IDENTITY: tuple[str, ...] = (
    "signal",
    "value_num",
    "value_code",
    "comparator",
    "stage",
    "statistic",
    "start_utc",
    "end_utc",
    "source_platform",
    "source_app",
    "device_make",
    "device_model",
    "source_record_id",
)
"""Columns that make two rows of one person the same observation, wherever in whichever file they stood."""

_NUMERIC = frozenset({"value_num", "start_utc", "end_utc"})
_ID_TEXTS = tuple(name for name in IDENTITY if name not in _NUMERIC and name != "source_record_id")
_NULL_WORD = 0x6E756C6C


def sample_ids(raw_id: bytes, table: pa.Table | pa.RecordBatch) -> pa.Array:
    """Return the deterministic id of each sample: the same content of the same subject has the same id.

    The id covers the columns of `IDENTITY`. It is SipHash-2-4 with 128-bit output (Aumasson and Bernstein, 2012)
    under the subject's raw id, so ids of two people cannot be compared.

    Args:
        raw_id: the subject's 16 raw bytes.
        table: rows with the columns of `SAMPLE_SCHEMA`.

    Returns:
        fixed_size_binary(16), one per row.
    """
    words = [
        _instants(table, "start_utc"),
        _instants(table, "end_utc"),
        *_numbers(table, "value_num"),
        *_texts(_joined_codes(table)),
        *_record_words(table),
    ]
    digest = siphash128(raw_id, words)
    return pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(16), table.num_rows, [None, pa.py_buffer(np.ascontiguousarray(digest))]
    )


def parsed_table(batches: Iterable[pa.RecordBatch]) -> pa.Table:
    """Return batches of parsed rows as one table."""
    return pa.Table.from_batches(list(batches), PARSED_SCHEMA)


def _flat(table: pa.Table | pa.RecordBatch, name: str) -> pa.Array:
    column = table.column(name)
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _instants(table: pa.Table | pa.RecordBatch, name: str) -> NDArray[np.uint64]:
    micros = pc.fill_null(pc.cast(_flat(table, name), pa.int64()), np.iinfo(np.int64).min)
    return np.asarray(micros).view(np.uint64)


def _numbers(table: pa.Table | pa.RecordBatch, name: str) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    column = _flat(table, name)
    # Adding zero turns -0.0 into 0.0, which is the same value and must be the same id.
    values = np.asarray(pc.fill_null(column, 0.0)) + 0.0
    return values.view(np.uint64), np.asarray(pc.cast(pc.is_valid(column), pa.uint8())).astype(np.uint64)


def _record_words(table: pa.Table | pa.RecordBatch) -> list[NDArray[np.uint64]]:
    """Return two words for the source's record id, none where no row has one."""
    record = _flat(table, "source_record_id")
    if record.null_count == len(record):
        return [np.full(len(record), _NULL_WORD, np.uint64)] * 2
    return list(_texts(record))


def _joined_codes(table: pa.Table | pa.RecordBatch) -> pa.Array:
    """Return the few-valued text columns as one dictionary column of their unambiguous concatenation."""
    columns = [_flat(table, name) for name in _ID_TEXTS]
    groups = np.zeros(table.num_rows, np.int64)
    first = np.arange(min(table.num_rows, 1))
    for column in columns:
        encoded = column.dictionary_encode(null_encoding="encode")
        if len(encoded.dictionary) > 1:
            groups = groups * len(encoded.dictionary) + np.asarray(encoded.indices)
            # Renumbered after each column, so that the product of the cardinalities cannot overflow.
            _, first, groups = np.unique(groups, return_index=True, return_inverse=True)
    rows = zip(*(column.take(pa.array(first)).to_pylist() for column in columns), strict=True)
    texts = pa.array([json.dumps(row) for row in rows], pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(groups, pa.int64()), texts)


def _texts(column: pa.Array) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return two words a row: the first 128 bits of BLAKE2b of the text, hashed once for each distinct text."""
    encoded = column if isinstance(column, pa.DictionaryArray) else column.dictionary_encode()
    codes = np.asarray(pc.fill_null(encoded.indices, len(encoded.dictionary)))
    texts = encoded.dictionary.to_pylist()
    digests = b"".join(hashlib.blake2b(text.encode(), digest_size=16).digest() for text in texts)
    pairs = np.frombuffer(digests, "<u8").reshape(-1, 2)
    pairs = np.vstack([pairs, np.full((1, 2), _NULL_WORD, np.uint64)])[codes]
    return pairs[:, 0], pairs[:, 1]
