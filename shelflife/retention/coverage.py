"""Coverage: which part of a raw partition a hold covers. Pure.

Rows of a stream lie in the partition of their local day, so the period decides. Quarantined rows lie in the month of
their arrival, whatever their day, and some have no readable day: a hold with days covers a part of each such partition.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Literal

from shelflife.lake.periods import days_of
from shelflife.lake.unseal import HELD, QUARANTINE

if TYPE_CHECKING:
    from shelflife.retention.holds import Hold

Coverage = Literal["none", "part", "whole"]


def coverage(hold: Hold, table_name: str, stream: str | None, period: str) -> Coverage:
    """Return whether a hold's streams and days cover a raw partition not at all, in part or as a whole.

    People are not looked at: a hold that names people covers only their rows of what is returned here.
    """
    if table_name.startswith(HELD) or stream not in hold.streams:
        return "none"
    first, last = hold.first_day or dt.date.min, hold.last_day or dt.date.max
    if table_name.startswith(QUARANTINE):
        return "whole" if (first, last) == (dt.date.min, dt.date.max) else "part"
    begins, end = days_of(period)
    ends = end - dt.timedelta(days=1)
    if last < begins or ends < first:
        return "none"
    return "whole" if first <= begins and ends <= last else "part"
