"""Dates without a clock time: the interval of the local day."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shelflife.sources.observations import Observation


def local_day(date: str) -> Observation:
    """Return start and end of a local day (`YYYY-MM-DD`), which has no offset."""
    try:
        following = dt.date.fromisoformat(date) + dt.timedelta(days=1)
    except (ValueError, OverflowError):
        return {"start": date, "problem": "bad_time"}
    return {"start": f"{date}T00:00:00", "end": f"{following.isoformat()}T00:00:00"}
