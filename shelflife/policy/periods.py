"""Where a period ends: calendar lengths, clocks that stand still, deadlines that roll.

The day of the event is not counted, a period of months ends on the day of the same number or the last one of the month
(Reg. (EEC, Euratom) 1182/71, Art. 3), and a clock that stood still runs on for what was left of it.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from shelflife.policy.calendars import Calendar
    from shelflife.policy.duration import Duration


@dataclass(frozen=True, order=True)
class Stop:
    """A time in which a clock stands still: from the day of a question to the day of its answer.

    Attributes:
        begins: the first day.
        ends: the day from which it runs again; `date.max` while the answer is awaited.
    """

    begins: dt.date
    ends: dt.date


def last_day(
    start: dt.date, length: Duration, *, stops: Iterable[Stop] = (), calendar: Calendar | None = None
) -> dt.date | None:
    """Return the last day of a period.

    Args:
        start: the day of the event, which is not counted.
        length: how long the period is.
        stops: when the clock stood still; a stop that begins after the end no longer matters.
        calendar: the working days that the end rolls to; it does not roll when absent.

    Returns:
        None while the clock stands still.
    """
    end = length.after(start)
    for stop in merged(stops, start):
        if stop.begins > _rolled(end, calendar):
            break
        if stop.ends == dt.date.max:
            return None
        end = _later(end, stop.ends - stop.begins)
    return _rolled(end, calendar)


def merged(stops: Iterable[Stop], start: dt.date) -> Sequence[Stop]:
    """Return the stops after `start`, by their beginning, those that touch or overlap as one."""
    found: list[Stop] = []
    for stop in sorted(stops):
        begins = max(stop.begins, start)
        if stop.ends <= begins:
            continue
        if found and begins <= found[-1].ends:
            found[-1] = Stop(found[-1].begins, max(found[-1].ends, stop.ends))
        else:
            found.append(Stop(begins, stop.ends))
    return found


def _rolled(day: dt.date, calendar: Calendar | None) -> dt.date:
    return day if calendar is None else calendar.roll(day)


def _later(day: dt.date, by: dt.timedelta) -> dt.date:
    return dt.date.max if dt.date.max - day < by else day + by
