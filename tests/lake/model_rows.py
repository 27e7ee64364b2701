"""Builds small relations for the models, and runs one."""

from __future__ import annotations

import datetime as dt
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from shelflife.lake.models import ATTRIBUTES_SCHEMA, STREAM_SCHEMA, load_models, run_model

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shelflife.lake.models import Model

SQL = Path(__file__).parents[2] / "sql"
DAY = dt.date(2026, 11, 3)
MIDNIGHT = dt.datetime(2026, 11, 3, tzinfo=dt.UTC)


@cache
def models() -> Mapping[str, Model]:
    return load_models(SQL)


def pid(number: int) -> bytes:
    return number.to_bytes(16, "big")


def sample(
    signal: str, value: float | None, start: float, end: float | None = None, **more: object
) -> dict[str, object]:
    """One sample of person 1; start and end in minutes from midnight of DAY."""
    begins = MIDNIGHT + dt.timedelta(minutes=start)
    ends = begins if end is None else MIDNIGHT + dt.timedelta(minutes=end)
    row = {"pid": pid(1), "signal": signal, "value_num": value, "start_utc": begins, "end_utc": ends}
    return {**row, "local_date": DAY, "quality_flags": 0, **more}


def stream(rows: Sequence[Mapping[str, object]]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=STREAM_SCHEMA)


def attributes(rows: Sequence[Mapping[str, object]]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=ATTRIBUTES_SCHEMA)


def run(name: str, rows: Sequence[Mapping[str, object]]) -> list[dict[str, object]]:
    model = models()[name]
    return run_model(model, {model.reads[0]: stream(rows)}).to_pylist()


def one(name: str, rows: Sequence[Mapping[str, object]]) -> dict[str, object]:
    found = run(name, rows)
    assert len(found) == 1
    return found[0]
