"""The canonical sample: one observation, as one row of an Arrow table.

The stored schema has no subject and no id: who a sample is about is the sealed block's locator, and the id is
computed from the content whenever it is needed.
"""

from __future__ import annotations

import hashlib
import json
from enum import IntFlag

import pyarrow as pa
import pyarrow.compute as pc

MAX_BATCH_ROWS = 65_536
"""Most rows that a source adapter puts in one batch."""

UTC_MICROSECONDS = pa.timestamp("us", tz="UTC")


class QualityFlag(IntFlag):
    """What is odd about a sample that is still kept; stored as a bit set.

    `DUP_CROSS_SOURCE` (another source reports the same observation and goes before this one) and `COUNTED_ELSEWHERE` (an
    aggregate beside the samples of its interval, or the reverse) depend on what else is landed, so they are never stored: whoever
    reads the rows of a person has them set by `signals.overlap`. `LOCAL_TIME_DOUBTFUL` marks wall-clock times that
    exist twice or not at all in their zone.
    """

    FUTURE = 1
    OUT_OF_RANGE = 2
    DUP_EXACT = 4
    DUP_CROSS_SOURCE = 8
    TZ_UNKNOWN = 16
    UNIT_ASSUMED = 32
    LOW_CONFIDENCE = 64
    TIME_ONLY = 128
    LOCAL_TIME_DOUBTFUL = 256
    COUNTED_ELSEWHERE = 512


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


def sample_ids(raw_id: bytes, table: pa.Table | pa.RecordBatch) -> pa.Array:
    """Return the deterministic id of each sample: the same content of the same subject has the same id.

    The id covers the columns of `IDENTITY`. It is keyed BLAKE2b (RFC 7693) with 128-bit output over their JSON, under
    the subject's raw id, so ids of two people cannot be compared.

    Args:
        raw_id: the subject's 16 raw bytes.
        table: rows with the columns of `SAMPLE_SCHEMA`.

    Returns:
        fixed_size_binary(16), one per row.
    """
    rows = zip(*(_identity(table, name) for name in IDENTITY), strict=True)
    digests = [hashlib.blake2b(json.dumps(row).encode(), key=raw_id, digest_size=16).digest() for row in rows]
    return pa.array(digests, pa.binary(16))


def _identity(table: pa.Table | pa.RecordBatch, name: str) -> list[int | float | str | None]:
    column = table.column(name)
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    if pa.types.is_floating(column.type):
        # Adding zero turns -0.0 into 0.0, which is the same value and must be the same id.
        column = pc.add(column, 0.0)
    values: list[int | float | str | None] = column.to_pylist()
    return values
