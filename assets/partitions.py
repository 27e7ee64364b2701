"""Dagster's partitions and how the estate's periods map to them.

A partition's key is the first day of its period. A period before the first partition or after the current one
belongs to the nearest partition, so that no period is out of reach: old entries and device clocks that run
ahead are derived like everything else.
"""

from __future__ import annotations

import datetime as dt
from types import MappingProxyType
from typing import TYPE_CHECKING

import dagster as dg

from shelflife.config import load_settings
from shelflife.lake.periods import days_of, period_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_FIRST_DAY = load_settings().first_partition
_FIRST_MONTH = _FIRST_DAY.replace(day=1)
_FIRST_MONDAY = _FIRST_DAY - dt.timedelta(days=_FIRST_DAY.weekday())
_EARLIEST: Mapping[str, dt.date] = MappingProxyType(
    {"day": _FIRST_DAY, "month": _FIRST_MONTH, "week": _FIRST_MONDAY}
)

# One more partition than has ended: the current day, month and week can be selected.
DAYS = dg.DailyPartitionsDefinition(start_date=_FIRST_DAY.isoformat(), end_offset=1)
MONTHS = dg.MonthlyPartitionsDefinition(start_date=_FIRST_MONTH.isoformat(), end_offset=1)
WEEKS = dg.WeeklyPartitionsDefinition(start_date=_FIRST_MONDAY.isoformat(), day_offset=1, end_offset=1)

GRAINS: Mapping[str, dg.TimeWindowPartitionsDefinition] = MappingProxyType(
    {"day": DAYS, "month": MONTHS, "week": WEEKS}
)
STEPS: Mapping[str, dt.timedelta] = MappingProxyType(
    {"day": dt.timedelta(days=1), "month": dt.timedelta(days=31), "week": dt.timedelta(days=7)}
)

# A month holds days that have not come yet.
OVERLAP = dg.TimeWindowPartitionMapping(allow_nonexistent_upstream_partitions=True)


def partition_key(period: str, grain: str, today: dt.date) -> str:
    """Return the key of the partition that a period belongs to.

    Args:
        period: "2026-11-23", "2026-11" or "2026-W48".
        grain: grain of the partitions: day, month or week. A longer period belongs to its first day's partition.
        today: the current day, UTC.
    """
    latest = days_of(period_of(today, grain))[0]
    return min(max(days_of(period)[0], _EARLIEST[grain]), latest).isoformat()


def ranges(keys: Iterable[str], grain: str, *, gap: int = 7) -> list[tuple[str, str]]:
    """Return the fewest (first, last) ranges that cover partition keys without a hole longer than `gap` partitions."""
    found: list[tuple[str, str]] = []
    for key in sorted(set(keys)):
        reach = STEPS[grain] * (gap + 1)
        if found and dt.date.fromisoformat(key) - dt.date.fromisoformat(found[-1][1]) <= reach:
            found[-1] = (found[-1][0], key)
        else:
            found.append((key, key))
    return found
