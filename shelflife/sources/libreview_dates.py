"""In which order a LibreView export writes day and month, as the file itself proves it.

The account's setting decides whether 03-04-2024 is in April or in March, and no line of the file says so. What proves it:

1. **The calendar.** A row that only one order makes a date (31-03-2024) proves that order.
2. **The steps of the sensor.** It records every 15 minutes, through midnight. Where consecutive historic rows of one
   device are at most an hour apart over a midnight in one order, and more than a day apart in the other (the same day of
   the next month), the file goes on without a gap in the first and breaks off at every midnight for a month in the
   other. Three such midnights, and none that says the reverse, prove the order.

Proofs of both orders in one file prove nothing. A year first (2024/03/31) needs no proof.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import polars as pl
import pyarrow as pa

if TYPE_CHECKING:
    from shelflife.sources.delimited import Lines
    from shelflife.sources.libreview_header import Columns

Order: TypeAlias = Literal["day", "month"]
"""Which of the two comes first."""

_SHAPE = r"^\s*(\d{1,4})[-/.](\d{1,2})[-/.](\d{1,4})[ T,]+(\d{1,2}):(\d\d)(?::(\d\d))?(?:[ \u00a0\u202f]*([AaPp])\.?[Mm]\.?)?\s*$"
_NIGHTS = 3
_HOUR, _DAY = 3_600_000_000, 86_400_000_000
_HISTORIC = "0"


@dataclass
class Evidence:
    """What the rows of a file say about the order, gathered piece by piece.

    Attributes:
        day_first: rows that are dates with the day first only.
        month_first: rows that are dates with the month first only.
        day_first_nights: midnights that only the day first makes continuous.
        month_first_nights: midnights that only the month first makes continuous.
    """

    day_first: int = 0
    month_first: int = 0
    day_first_nights: int = 0
    month_first_nights: int = 0
    _last: pl.DataFrame | None = None

    def add(self, lines: Lines, columns: Columns) -> None:
        """Take the rows of the next piece of the file."""
        texts = series(lines.column(columns.time))
        day, month = read_clock(texts, "day"), read_clock(texts, "month")
        plain = ~year_first(texts)
        self.day_first += int((day.is_not_null() & month.is_null() & plain).sum())
        self.month_first += int((month.is_not_null() & day.is_null() & plain).sum())
        rows = pl.DataFrame(
            {
                "device": series(lines.column(columns.serial)).fill_null(""),
                "day": day,
                "month": month,
                "kept": (series(lines.column(columns.kind)).str.strip_chars() == _HISTORIC).fill_null(
                    value=False
                ),
            }
        ).filter(pl.col("kept") & pl.col("day").is_not_null() & pl.col("month").is_not_null())
        self._nights(rows if self._last is None else pl.concat([self._last, rows]))
        self._last = rows.tail(1) if len(rows) else self._last

    def _nights(self, rows: pl.DataFrame) -> None:
        same = pl.col("device") == pl.col("device").shift(1)
        steps = rows.select(
            day=pl.col("day").diff().abs(),
            month=pl.col("month").diff().abs(),
            same=same,
            turned=pl.col("day") // _DAY != pl.col("day").shift(1) // _DAY,
        ).filter(pl.col("same") & pl.col("turned"))
        self.day_first_nights += steps.filter((pl.col("day") <= _HOUR) & (pl.col("month") > _DAY)).height
        self.month_first_nights += steps.filter((pl.col("month") <= _HOUR) & (pl.col("day") > _DAY)).height

    @property
    def order(self) -> Order | None:
        """The order that is proved; None when neither is."""
        if self.day_first or self.month_first:
            return _only(self.day_first, self.month_first, 1)
        return _only(self.day_first_nights, self.month_first_nights, _NIGHTS)


def _only(day: int, month: int, needed: int) -> Order | None:
    if day >= needed and not month:
        return "day"
    return "month" if month >= needed and not day else None


def year_first(texts: pl.Series) -> pl.Series:
    """Return which texts begin with the year, so that no order is in question."""
    return texts.str.contains(r"^\s*\d{4}[-/.]").fill_null(value=False)


def read_clock(texts: pl.Series, order: Order) -> pl.Series:
    """Read wall-clock times in 24-hour or 12-hour form; a year in front is read as one in any case.

    Args:
        texts: times as received.
        order: what comes first where the year does not.

    Returns:
        Microseconds, the clock's reading taken as UTC; null where the text is no time in this order.
    """
    parts = texts.str.extract_groups(_SHAPE).struct.unnest()
    parts.columns = ["first", "second", "third", "hour", "minute", "second_of_minute", "half"]
    front = pl.col("first").str.len_bytes() == 4
    day, month = ("first", "second") if order == "day" else ("second", "first")
    number = {name: pl.col(name).cast(pl.Int32, strict=False) for name in parts.columns if name != "half"}
    afternoon = pl.col("half").str.to_lowercase() == "p"
    twelve = pl.col("half").is_not_null()
    hour = (
        pl.when(twelve)
        .then(number["hour"] % 12 + pl.when(afternoon).then(12).otherwise(0))
        .otherwise(number["hour"])
    )
    fits = pl.when(twelve).then(number["hour"].is_between(1, 12)).otherwise(number["hour"] < 24)
    whole_year = (pl.when(front).then(pl.col("first")).otherwise(pl.col("third"))).str.len_bytes() == 4
    text = pl.format(
        "{}-{}-{}T{}:{}:{}",
        pl.when(front).then(pl.col("first")).otherwise(pl.col("third")),
        pl.when(front).then(pl.col("second")).otherwise(pl.col(month)).str.zfill(2),
        pl.when(front).then(pl.col("third")).otherwise(pl.col(day)).str.zfill(2),
        hour.cast(pl.String).str.zfill(2),
        pl.col("minute"),
        pl.col("second_of_minute").fill_null("00"),
    )
    iso = parts.select(iso=pl.when(fits & whole_year).then(text)).to_series()
    return iso.str.to_datetime("%Y-%m-%dT%H:%M:%S", time_unit="us", strict=False).cast(pl.Int64)


def series(column: pa.Array) -> pl.Series:
    """Return a column of text as a Polars series."""
    found = pl.from_arrow(pa.chunked_array([column], pa.string()))
    assert isinstance(found, pl.Series)  # noqa: S101 (narrows the type: a chunked array becomes a series)
    return found.cast(pl.String)
