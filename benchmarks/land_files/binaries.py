"""Binary formats: FIT, Parquet and the database of Health Connect, written whole."""

from __future__ import annotations

import itertools
import struct
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.land_files.clock import beats
from tests.sources.synthetic.garmin_fit import crc, file_id
from tests.sources.synthetic.health_connect import Phone

if TYPE_CHECKING:
    from pathlib import Path

_FIT_EPOCH_S = 631_065_600
"""1989-12-31T00:00Z."""
_RECORD = struct.Struct("<BIBBI")


def garmin_fit(path: Path, size: int) -> None:
    """An activity with a record a second: heart rate, cadence and distance."""
    definition = b"\x40\0\0" + struct.pack("<HB", 20, 4) + bytes([253, 4, 0x86, 3, 1, 2, 4, 1, 2, 5, 4, 0x86])
    records = bytearray(file_id() + definition)
    for number, time, bpm in beats(1):
        records += _RECORD.pack(0, int(time.timestamp()) - _FIT_EPOCH_S, bpm, 80, number * 300)
        if len(records) >= size:
            break
    head = struct.pack("<2BHI4s", 14, 0x10, 2171, len(records), b".FIT")
    content = head + struct.pack("<H", crc(head)) + bytes(records)
    path.write_bytes(content + struct.pack("<H", crc(content)))


def canonical_parquet(path: Path, size: int) -> None:
    """Rows of the canonical exchange format; about 8 bytes a row."""
    count = max(size // 8, 1_000)
    chosen = list(itertools.islice(beats(), count))
    table = pa.table(
        {
            "signal": pa.array(["heart_rate"] * count).dictionary_encode(),
            "value": pa.array([float(bpm) for *_, bpm in chosen]),
            "unit": pa.array(["/min"] * count).dictionary_encode(),
            "start": pa.array([time for _, time, _ in chosen], pa.timestamp("us", "UTC")),
        }
    )
    pq.write_table(table, path, row_group_size=1_000_000)


def health_connect(path: Path, size: int) -> None:
    """A zipped database with heart rates, 1,000 a record; about 30 bytes a row before it is packed."""
    phone = Phone()
    moments = itertools.islice(beats(), size // 30)
    while chunk := list(itertools.islice(moments, 1_000)):
        times = [int(time.timestamp() * 1000) for _, time, _ in chunk]
        parent = phone.interval("heart_rate_record_table", start_time=times[0], end_time=times[-1] + 1)
        phone.database.executemany(
            "INSERT INTO heart_rate_record_series_table (parent_key, beats_per_minute, epoch_millis) VALUES (?, ?, ?)",
            [(parent, bpm, at) for at, (_, _, bpm) in zip(times, chunk, strict=True)],
        )
    path.write_bytes(phone.packed())
