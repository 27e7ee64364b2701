"""The rows of the erasure benchmark: heart rates of many people, the same for every peer and every run."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.erase_peers.peer import Rows

if TYPE_CHECKING:
    from pathlib import Path

FIRST_DAY = dt.date(2026, 11, 1)
SEED = 20261101
_DAY_MICROSECONDS = 86_400_000_000


def people_of(people: int) -> list[str]:
    """Return everyone's id (the text of a random UUID), sorted."""
    rng = np.random.default_rng(SEED)
    return sorted(str(uuid.UUID(bytes=rng.bytes(16), version=4)) for _ in range(people))


def victims_of(people: int, count: int) -> list[str]:
    """Return whom to erase: scattered, the same people in every run."""
    chosen = np.random.default_rng(SEED + count).choice(people, count, replace=False)
    everyone = people_of(people)
    return [everyone[number] for number in sorted(chosen)]


def write_rows(folder: Path, people: int, rows: int, days: int) -> Rows:
    """Write one Parquet file a day, each with the same number of rows for everyone.

    Args:
        folder: an empty folder.
        people: how many people.
        rows: how many rows in all, about.
        days: how many days.

    Raises:
        ValueError: that is less than a row for everyone on every day.
    """
    each = rows // people // days
    if each < 1:
        raise ValueError("There must be a row for everyone on every day.")
    everyone = pa.array(people_of(people))
    for day in range(days):
        date = FIRST_DAY + dt.timedelta(days=day)
        pq.write_table(_day(everyone, date, each), folder / f"{date}.parquet", compression="zstd")
    return Rows(folder)


def _day(everyone: pa.Array, date: dt.date, each: int) -> pa.Table:
    people = len(everyone)
    rng = np.random.default_rng([SEED, date.toordinal()])
    rows = people * each
    wander = np.cumsum(rng.normal(0, 0.8, (people, each)), axis=1)
    pulse = np.clip(np.round(74 + 6 * wander + rng.normal(0, 1, (people, each))), 38, 195).ravel()
    # Whole seconds of the day, in order, none twice for a person.
    gaps = rng.integers(1, 86_400 // each, (people, each)) if each < 43_200 else np.ones((people, each), int)
    seconds = np.cumsum(gaps, axis=1).ravel() - 1
    start = (date - dt.date(1970, 1, 1)).days * _DAY_MICROSECONDS + seconds * 1_000_000
    person = pa.array(np.repeat(np.arange(people), each))
    watches = np.random.default_rng(SEED).choice(["Watch6,1", "Watch7,2", "Pixel Watch 2"], people)

    def constant(text: str) -> pa.Array:
        return pa.repeat(pa.scalar(text), rows)

    return pa.table(
        {
            "subject": everyone.take(person),
            "signal": constant("heart_rate"),
            "value": pulse,
            "unit": constant("/min"),
            "start": pa.array(start).cast(pa.timestamp("us", "UTC")),
            "statistic": constant("instant"),
            "platform": constant("apple_health"),
            "app": constant("com.apple.health"),
            "device_make": constant("Apple Inc."),
            "device_model": pa.array(watches).take(person),
            "device_software": constant("11.2"),
            "modality": constant("ppg"),
        }
    )
