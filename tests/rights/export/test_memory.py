"""Memory holds a batch, not a person: ten times the rows take no more of it."""

from __future__ import annotations

import dataclasses
import datetime as dt
import io
import tracemalloc

import numpy as np
import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shelflife.ledger.notes import VerifierKey
from shelflife.rights.export.columns import sample_columns
from shelflife.rights.export.contents import ExportTable
from shelflife.rights.export.package import Signer, write_package
from shelflife.signals.sample import SAMPLE_SCHEMA
from tests.rights.export.test_page import nothing

PRIVATE = Ed25519PrivateKey.generate()
SIGNER = Signer(VerifierKey.of("example.com/ledger", PRIVATE), PRIVATE)
FIRST = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


class Nowhere(io.RawIOBase):
    """A sink that only counts."""

    size = 0

    def writable(self) -> bool:
        return True

    def write(self, data) -> int:
        self.size += memoryview(data).nbytes
        return memoryview(data).nbytes


def day_of(number: int, rows: int) -> pa.Table:
    start = np.datetime64(FIRST.replace(tzinfo=None), "us") + np.arange(rows) * np.timedelta64(
        5_000_000, "us"
    )
    start = pa.array(start + np.timedelta64(number, "D"), pa.timestamp("us", "UTC"))
    columns = {
        "signal": pa.repeat(pa.scalar("heart_rate"), rows),
        "value_num": np.random.default_rng(number).integers(50, 120, rows).astype(float),
        "unit_ucum": pa.repeat(pa.scalar("/min"), rows),
        "start_utc": start,
        "end_utc": start,
        "local_date": pa.repeat(pa.scalar((FIRST + dt.timedelta(days=number)).date()), rows),
    }
    return pa.table(
        [columns.get(name, pa.nulls(rows, SAMPLE_SCHEMA.field(name).type)) for name in SAMPLE_SCHEMA.names],
        schema=SAMPLE_SCHEMA,
    )


def peak_of(days: int, rows: int) -> tuple[int, int]:
    """Export some days and return the most memory that Python held, and the bytes that came out."""

    def batches():
        return (day_of(number, rows) for number in range(days))

    table = ExportTable("heart", "samples", "one heart measurement", sample_columns("heart"), batches)
    contents = dataclasses.replace(nothing(), tables=(table,))
    sink = Nowhere()
    tracemalloc.start()
    packed = write_package(contents, sink, signer=SIGNER, subject_key=bytes(16), received_text=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert packed.rows == days * rows
    return peak, sink.size


@pytest.mark.slow
def test_ten_times_the_days_take_no_more_memory():
    small, large = peak_of(2, 500), peak_of(20, 500)
    assert large[1] > 5 * small[1]
    assert large[0] < small[0] + 1_500_000
