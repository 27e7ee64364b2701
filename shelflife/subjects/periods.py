"""Periods of ownership: from when until when a name was somebody's. Pure.

A period is half open, so that two people whose periods touch never share an instant; an open end is None. What is
stored of several periods is always sorted, apart and not empty.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from shelflife.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_FIRST = datetime.min.replace(tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Period:
    """A half-open stretch of time, [since, until).

    Attributes:
        since: aware start; none when there is no start.
        until: aware end, itself not part of the period; none when there is no end.

    Raises:
        ConfigurationError: the end is not after the start.
    """

    since: datetime | None = None
    until: datetime | None = None

    def __post_init__(self) -> None:
        """Refuse what holds no instant: it would be a period of nothing."""
        if self.start >= self.end:
            raise ConfigurationError(
                "A period ends before it begins.", remedy="Give an end that is later than the start."
            )

    @property
    def start(self) -> datetime:
        """The start, as a time that compares."""
        return _FIRST if self.since is None else self.since

    @property
    def end(self) -> datetime:
        """The end, as a time that compares."""
        return _LAST if self.until is None else self.until

    def contains(self, at: datetime) -> bool:
        """Tell whether an aware time lies within."""
        return self.start <= at < self.end

    def overlaps(self, other: Period) -> bool:
        """Tell whether the two share an instant; periods that only touch do not."""
        return self.start < other.end and other.start < self.end


Periods = tuple[Period, ...]
ALWAYS: Periods = (Period(),)
NEVER: Periods = ()


def united(periods: Iterable[Period]) -> Periods:
    """Return the same instants as sorted periods that neither overlap nor touch."""
    found: list[Period] = []
    for one in sorted(periods, key=lambda period: period.start):
        if found and one.start <= found[-1].end:
            last = found.pop()
            one = Period(last.since, one.until if one.end > last.end else last.until)  # noqa: PLW2901
        found.append(one)
    return tuple(found)


def without(periods: Iterable[Period], gone: Period) -> Periods:
    """Return the instants of `periods` that are not in `gone`."""
    left: list[Period] = []
    for one in periods:
        if not one.overlaps(gone):
            left.append(one)
            continue
        if one.start < gone.start:
            left.append(Period(one.since, gone.since))
        if gone.end < one.end:
            left.append(Period(gone.until, one.until))
    return united(left)


def common(periods: Iterable[Period], within: Period) -> Periods:
    """Return the instants of `periods` that are in `within`."""
    return united(
        Period(
            one.since if one.start >= within.start else within.since,
            one.until if one.end <= within.end else within.until,
        )
        for one in periods
        if one.overlaps(within)
    )


def overlap(first: Iterable[Period], second: Sequence[Period]) -> bool:
    """Tell whether any instant is in both."""
    return any(one.overlaps(other) for one in first for other in second)


def contain(periods: Iterable[Period], at: datetime) -> bool:
    """Tell whether an aware time lies within one of the periods."""
    return any(one.contains(at) for one in periods)


def last_end(periods: Sequence[Period]) -> datetime:
    """Return the end of the last period, as a time that compares; the first of all times when there is none."""
    return max((one.end for one in periods), default=_FIRST)


def as_text(periods: Iterable[Period]) -> list[list[str | None]]:
    """Return periods as lists of ISO 8601 times, for JSON."""
    return [[_text(one.since), _text(one.until)] for one in periods]


def from_text(stored: Iterable[Sequence[str | None]]) -> Periods:
    """Read what `as_text` wrote."""
    return tuple(Period(_time(since), _time(until)) for since, until in stored)


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat()


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
