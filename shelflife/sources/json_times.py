"""Times as JSON documents write them: ISO 8601 text, whole seconds, and offsets beside them."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

from shelflife.sources.json_values import whole

if TYPE_CHECKING:
    from shelflife.sources.clocks import Time

_OFFSET = re.compile(r"([+-])(\d\d):?([0-5]\d)", re.ASCII)
_UTC = ("Z", "z", "+00:00", "+0000", "-00:00")
_SECOND = 1_000_000
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


def utc_instant(value: object) -> Time:
    """Return a time whose text says UTC (`Z`) as microseconds, so that its zone can come from elsewhere.

    A vendor that stores instants writes them in UTC wherever the person was. Any other text is returned as it is.
    """
    if not isinstance(value, str):
        return None
    if not value.endswith(_UTC):
        return value
    read = moment(value)
    return value if read is None else since_epoch(read)


def moment(value: object) -> dt.datetime | None:
    """Return an ISO 8601 date-time with its offset, if it has one; None for anything else."""
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        return dt.datetime.fromisoformat(value)
    except ValueError:
        return None


def since_epoch(moment: dt.datetime) -> int:
    """Return the microseconds since 1970-01-01T00:00Z of a date-time with an offset."""
    return (moment - _EPOCH) // _MICROSECOND


def later(start: dt.datetime, seconds: float) -> str:
    """Return the time so many seconds after a start, in ISO 8601 with the start's offset."""
    try:
        return (start + dt.timedelta(seconds=seconds)).isoformat()
    except OverflowError:
        return "beyond the calendar"


def offset_minutes(value: object) -> int | None:
    """Return the minutes east of UTC of `-05:00`, `+0530` or `Z`; None for anything else."""
    if not isinstance(value, str):
        return None
    return 0 if value in _UTC else signed_minutes(value)


def signed_minutes(text: str) -> int | None:
    """Return the minutes of a sign, hours and minutes such as `-05:00` or `+0530`; None for anything else."""
    match = _OFFSET.fullmatch(text)
    if match is None:
        return None
    minutes = int(match[2]) * 60 + int(match[3])
    return -minutes if match[1] == "-" else minutes


def epoch_seconds(value: object) -> int | None:
    """Return the microseconds of a time in whole seconds since 1970-01-01T00:00Z; None for anything else."""
    seconds = whole(value)
    return None if seconds is None else seconds * _SECOND
