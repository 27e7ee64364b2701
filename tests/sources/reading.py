"""Reading a file in a test: rows as a table, with the accounting checked on the way."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from shelflife.signals.sample import MAX_BATCH_ROWS, PARSED_SCHEMA
from shelflife.sources.registry import detect
from shelflife.sources.source import ByteSource, Parsing

if TYPE_CHECKING:
    from pathlib import Path

NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)


def read(
    content: bytes | Path, adapter: str | None = None, *, zone: str | None = None
) -> tuple[pa.Table, Parsing]:
    """Detect the format, parse everything and check that no record got lost."""
    source = ByteSource.from_bytes(content) if isinstance(content, bytes) else ByteSource.from_path(content)
    found = detect(source)
    assert adapter is None or found.name == adapter
    parsing = found.parse(source, now=NOW, zone=zone)
    batches = list(parsing)
    for batch in batches:
        assert batch.schema.equals(PARSED_SCHEMA)
        assert 0 < batch.num_rows <= MAX_BATCH_ROWS
        batch.validate(full=True)
    table = pa.Table.from_batches(batches, PARSED_SCHEMA)
    assert parsing.records == table.num_rows + parsing.ignored.total()
    return table, parsing


def rows_of(
    content: bytes | Path, adapter: str | None = None, *, zone: str | None = None
) -> list[dict[str, Any]]:
    """Return the parsed rows."""
    rows: list[dict[str, Any]] = read(content, adapter, zone=zone)[0].to_pylist()
    return rows


def problems(table: pa.Table) -> dict[str, int]:
    """Return how many rows have which problem."""
    counts = table.column("problem").drop_null().value_counts().to_pylist()
    return {entry["values"]: entry["counts"] for entry in counts}
