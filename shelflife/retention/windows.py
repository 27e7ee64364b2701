"""Retention windows: until when something is kept that was observed on some days. Pure.

Retention counts from the end of a partition's period, and days are people's local days: a day is over when it is
over everywhere on earth, twelve hours after it is over in UTC. Nothing is removed before that, in any time zone.
"""

from __future__ import annotations

import bisect
import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shelflife.lake.periods import days_of

if TYPE_CHECKING:
    from shelflife.policy.duration import Duration

# The last time zone in which a day ends is UTC-12:00 (IANA `Etc/GMT+12`).
_LAST_ZONE = dt.timedelta(hours=12)


@dataclass(frozen=True)
class Window:
    """How long a period is kept.

    Attributes:
        keep: the length.
        counts_from: the last day of the period.
        ends: the last day on which it is kept.
    """

    keep: Duration
    counts_from: dt.date
    ends: dt.date

    def is_over(self, now: dt.datetime) -> bool:
        """Tell whether its last day is over everywhere on earth."""
        return self.ends < day_everywhere(now)


def window_of(period: str, keep: Duration) -> Window:
    """Return the window of a period ("2026-11-23", "2026-11" or "2026-W48")."""
    last = days_of(period)[1] - dt.timedelta(days=1)
    return Window(keep, last, keep.after(last))


def day_everywhere(now: dt.datetime) -> dt.date:
    """Return the earliest day that it still is somewhere; every day before it is over everywhere."""
    return (now.astimezone(dt.UTC) - _LAST_ZONE).date()


def expired_through(keep: Duration, now: dt.datetime) -> dt.date | None:
    """Return the last day whose window is over; None when there is none."""
    today = day_everywhere(now)

    def is_kept(ordinal: int) -> bool:
        return keep.after(dt.date.fromordinal(ordinal)) >= today

    expired = bisect.bisect_left(range(1, today.toordinal()), x=True, key=is_kept)
    return dt.date.fromordinal(expired) if expired else None
