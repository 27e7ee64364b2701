"""Tables as CSV, NDJSON and Parquet, written batch by batch to a stream that cannot seek. Pure.

CSV is UTF-8 with a header, comma-separated, quoted where needed (RFC 4180). Times are ISO 8601 in UTC with microseconds,
days are ISO dates; a missing value is empty in CSV and null in NDJSON and Parquet.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_INSTANT = "%Y-%m-%dT%H:%M:%S%.6fZ"
# A row group of fewer rows would cost more in its footer than it saves in memory.
_GROUP_ROWS = 65_536
_SLICE_ROWS = 65_536


class Format(Protocol):
    """Writes rows to a sink and returns how many there were."""

    def __call__(self, batches: Iterable[pa.Table], sink: BinaryIO, /) -> int:
        """Write every batch."""


def write_csv(batches: Iterable[pa.Table], sink: BinaryIO) -> int:
    """Write rows as CSV; the header comes once."""
    rows = 0
    for part in _slices(batches):
        frame = _as_text(part)
        sink.write(frame.write_csv(include_header=rows == 0).encode())
        rows += frame.height
    return rows


def write_ndjson(batches: Iterable[pa.Table], sink: BinaryIO) -> int:
    """Write rows as one JSON object a line."""
    rows = 0
    for part in _slices(batches):
        frame = _as_text(part)
        sink.write(frame.write_ndjson().encode())
        rows += frame.height
    return rows


def write_parquet(batches: Iterable[pa.Table], sink: BinaryIO) -> int:
    """Write rows as Parquet (zstd), with timestamps in UTC."""
    rows = 0
    writer: pq.ParquetWriter | None = None
    try:
        for group in _groups(batches):
            if writer is None:
                writer = pq.ParquetWriter(_Counting(sink), group.schema, compression="zstd")
            writer.write_table(group)
            rows += group.num_rows
    finally:
        if writer is not None:
            writer.close()
    return rows


FORMATS: dict[str, Format] = {"csv": write_csv, "ndjson": write_ndjson, "parquet": write_parquet}
"""What a table can be written as, by the suffix of its file."""

MEDIA_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "ndjson": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
    "json": "application/json",
    "html": "text/html; charset=utf-8",
    "txt": "text/plain; charset=utf-8",
}


def _slices(batches: Iterable[pa.Table]) -> Iterator[pa.Table]:
    for part in batches:
        for start in range(0, part.num_rows, _SLICE_ROWS):
            yield part.slice(start, _SLICE_ROWS)


def _groups(batches: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Join small batches until they make a row group."""
    waiting: list[pa.Table] = []
    rows = 0
    for part in batches:
        waiting.append(part)
        rows += part.num_rows
        if rows >= _GROUP_ROWS:
            yield pa.concat_tables(waiting)
            waiting, rows = [], 0
    if waiting:
        yield pa.concat_tables(waiting)


def _as_text(part: pa.Table) -> pl.DataFrame:
    """Return rows with instants as text, so that every format spells them alike."""
    frame = pl.DataFrame(pl.from_arrow(part))
    return frame.with_columns(
        pl.col(pl.Datetime).dt.strftime(_INSTANT), pl.col(pl.Date).dt.strftime("%Y-%m-%d")
    )


class _Counting(io.RawIOBase):
    """Gives a sink the position that Arrow asks for."""

    def __init__(self, sink: BinaryIO) -> None:
        super().__init__()
        self._sink, self._place = sink, 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def write(self, data: Any) -> int:
        self._place += self._sink.write(data)
        return memoryview(data).nbytes
