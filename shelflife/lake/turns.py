"""Whether a row was observed within given periods, as far as its time can be known.

A wall-clock time of an unknown zone is stored as if it were UTC. Offsets lie between twelve hours west and fourteen
hours east of UTC (IANA time zone database), so that such a row was observed somewhere in twenty-six hours.
"""

from __future__ import annotations

import datetime as dt
from functools import reduce
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from shelflife.subjects.periods import Periods

EASTERNMOST = dt.timedelta(hours=14)
WESTERNMOST = dt.timedelta(hours=12)


def certainly_in(periods: Periods) -> pl.Expr:
    """Tell which rows start within one of some periods; false where it cannot be known."""
    first, last = _bounds()
    return _any([(first >= one.start) & (last < one.end) for one in periods])


def possibly_in(periods: Periods) -> pl.Expr:
    """Tell which rows may start within one of some periods; true where it cannot be known."""
    first, last = _bounds()
    return _any([(last >= one.start) & (first < one.end) for one in periods], unknown=True)


def _any(found: list[pl.Expr], *, unknown: bool = False) -> pl.Expr:
    nothing = pl.lit(value=False)
    return reduce(lambda left, right: left | right.fill_null(unknown), found, nothing)


def _bounds() -> tuple[pl.Expr, pl.Expr]:
    """Return the earliest and the latest that a row can have been observed; null when it does not say when."""
    start = pl.col("start_utc")
    known = pl.col("utc_offset_min").is_not_null()
    return (
        pl.when(known).then(start).otherwise(start - EASTERNMOST),
        pl.when(known).then(start).otherwise(start + WESTERNMOST),
    )
