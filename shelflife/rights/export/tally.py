"""What the page says about a person's samples, counted batch by batch in memory that grows with days, not with rows.

Pure. Daily figures and charts leave out rows that are flagged as future, implausible, doubled, doubtful or without a
date, as the derived tables do; counts include them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from shelflife.signals.sample import QualityFlag

if TYPE_CHECKING:
    import datetime as dt

    import pyarrow as pa
    from numpy.typing import NDArray

UNUSABLE = (
    QualityFlag.FUTURE
    | QualityFlag.OUT_OF_RANGE
    | QualityFlag.DUP_EXACT
    | QualityFlag.DUP_CROSS_SOURCE
    | QualityFlag.LOW_CONFIDENCE
    | QualityFlag.TIME_ONLY
    | QualityFlag.COUNTED_ELSEWHERE
)
SLOTS = 48
"""Half hours of a day."""
_SLOT_MINUTES = 24 * 60 // SLOTS
_MOST_MG_DL = 1_000
_MOST_SOURCES = 2_000
_SOURCE = ("source_platform", "source_app", "device_make", "device_model", "device_sw")


@dataclass
class Days:
    """One number a day: how low, how high and how much in all."""

    low: float
    high: float
    total: float
    count: int

    @property
    def mean(self) -> float:
        """The mean of the day."""
        return self.total / self.count

    def join(self, other: Days) -> None:
        """Add readings of the same day."""
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        self.total, self.count = self.total + other.total, self.count + other.count


@dataclass
class SignalTally:
    """One signal: how many rows, between which local days, between which values.

    Attributes:
        days: the readings of each day, for signals that carry a number.
    """

    count: int = 0
    first: dt.date | None = None
    last: dt.date | None = None
    unit: str | None = None
    days: dict[dt.date, Days] = field(default_factory=dict)

    @property
    def low(self) -> float | None:
        """The lowest reading."""
        return min((day.low for day in self.days.values()), default=None)

    @property
    def high(self) -> float | None:
        """The highest reading."""
        return max((day.high for day in self.days.values()), default=None)

    @property
    def mean(self) -> float | None:
        """The mean of all readings."""
        count = sum(day.count for day in self.days.values())
        return sum(day.total for day in self.days.values()) / count if count else None


@dataclass
class Source:
    """One combination of platform, app and device, and the local days on which it first and last measured."""

    stream: str
    platform: str
    app: str
    make: str
    model: str
    software: str
    count: int = 0
    first: dt.date | None = None
    last: dt.date | None = None


@dataclass
class Tally:
    """Everything that is counted over one person's samples.

    Attributes:
        signals: by stream and signal.
        sources: by stream and the source's own words.
        other_sources: rows of sources beyond the bound on how many are listed.
        flags: rows by quality flag.
        glucose: how many readings of each whole mg/dL fell into each half hour of the local day.
        glucose_ranges: readings below 54, from 54 to below 70, from 70 to 180, to 250 and above 250 mg/dL (Battelino
            et al., Diabetes Care 2019;42:1593).
    """

    signals: dict[tuple[str, str], SignalTally] = field(default_factory=dict)
    sources: dict[tuple[str | None, ...], Source] = field(default_factory=dict)
    other_sources: int = 0
    flags: Counter[str] = field(default_factory=Counter)
    glucose: NDArray[np.int64] = field(default_factory=lambda: np.zeros((SLOTS, _MOST_MG_DL + 1), np.int64))
    glucose_ranges: NDArray[np.int64] = field(default_factory=lambda: np.zeros(5, np.int64))

    def add(self, stream: str, rows: pa.Table) -> None:
        """Count a batch of a stream's samples (`SAMPLE_SCHEMA`)."""
        frame = pl.DataFrame(pl.from_arrow(rows)).with_columns(
            flags=pl.col("quality_flags").fill_null(0).cast(pl.Int64)
        )
        frame = frame.with_columns(usable=(pl.col("flags") & int(UNUSABLE)) == 0)
        self._count_signals(stream, frame)
        self._count_sources(stream, frame)
        for flag in QualityFlag:
            hit = frame.filter((pl.col("flags") & int(flag)) != 0).height
            if hit:
                self.flags[str(flag.name)] += hit
        if stream == "glucose":
            self._count_glucose(frame)

    def of_stream(self, stream: str) -> dict[str, SignalTally]:
        """Return a stream's signals by name."""
        return {name: tally for (of, name), tally in self.signals.items() if of == stream}

    def span(self) -> tuple[dt.date, dt.date] | None:
        """Return the local days of the first and the last usable measurement."""
        known = [tally for tally in self.signals.values() if tally.first and tally.last]
        if not known:
            return None
        return (
            min(tally.first for tally in known if tally.first),
            max(tally.last for tally in known if tally.last),
        )

    def _count_signals(self, stream: str, frame: pl.DataFrame) -> None:
        usable = pl.col("usable")
        summed = frame.group_by("signal").agg(
            pl.len(),
            first=pl.col("local_date").filter(usable).min(),
            last=pl.col("local_date").filter(usable).max(),
            unit=pl.col("unit_ucum").drop_nulls().first(),
        )
        for name, count, first, last, unit in summed.iter_rows():
            tally = self.signals.setdefault((stream, name), SignalTally())
            tally.count += count
            tally.first, tally.last = _earlier(tally.first, first), _later(tally.last, last)
            tally.unit = tally.unit or unit
        number = pl.col("value_num")
        daily = (
            frame.filter(usable & number.is_not_null())
            .group_by("signal", "local_date")
            .agg(low=number.min(), high=number.max(), total=number.sum(), count=pl.len())
        )
        for name, date, low, high, total, count in daily.iter_rows():
            days = self.signals[stream, name].days
            found = Days(low, high, total, count)
            if date in days:
                days[date].join(found)
            else:
                days[date] = found

    def _count_sources(self, stream: str, frame: pl.DataFrame) -> None:
        day = pl.col("local_date").filter(pl.col("usable"))
        grouped = frame.group_by(*_SOURCE).agg(pl.len(), first=day.min(), last=day.max())
        for *words, count, first, last in grouped.sort(*_SOURCE, nulls_last=True).iter_rows():
            key = (stream, *words)
            if key not in self.sources and len(self.sources) >= _MOST_SOURCES:
                self.other_sources += count
                continue
            platform, app, make, model, software = (word or "" for word in words)
            source = self.sources.setdefault(key, Source(stream, platform, app, make, model, software))
            source.count += count
            source.first, source.last = _earlier(source.first, first), _later(source.last, last)

    def _count_glucose(self, frame: pl.DataFrame) -> None:
        readings = frame.filter(
            pl.col("usable")
            & (pl.col("signal") == "glucose_interstitial")
            & pl.col("value_num").is_not_null()
        )
        value = pl.col("value_num")
        edges = [value < 54, value < 70, value <= 180, value <= 250, value > 250]
        before: pl.Expr = pl.lit(value=False)
        for place, inside in enumerate(edges):
            self.glucose_ranges[place] += readings.filter(inside & ~before).height
            before = before | inside
        local = pl.col("start_utc") + pl.duration(
            minutes=pl.col("utc_offset_min").fill_null(0).cast(pl.Int64)
        )
        minute = local.dt.hour().cast(pl.Int64) * 60 + local.dt.minute().cast(pl.Int64)
        placed = readings.select(
            slot=minute // _SLOT_MINUTES,
            value=value.round().clip(0, _MOST_MG_DL).cast(pl.Int64),
        )
        np.add.at(self.glucose, (placed["slot"].to_numpy(), placed["value"].to_numpy()), 1)


def glucose_percentiles(counts: NDArray[np.int64], shares: tuple[float, ...]) -> list[list[float] | None]:
    """Return, for each half hour, the readings that these shares of all lie at or below; None without a reading."""
    found: list[list[float] | None] = []
    for row in counts:
        total = int(row.sum())
        if not total:
            found.append(None)
            continue
        upto = np.cumsum(row)
        found.append([float(np.searchsorted(upto, share * total)) for share in shares])
    return found


def _earlier(one: dt.date | None, other: dt.date | None) -> dt.date | None:
    return min((day for day in (one, other) if day is not None), default=None)


def _later(one: dt.date | None, other: dt.date | None) -> dt.date | None:
    return max((day for day in (one, other) if day is not None), default=None)
