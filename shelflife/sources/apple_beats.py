"""Intervals between heart beats from the beat lists inside an Apple Health export's heart rate variability records.

A list says for each beat the time of day, without date or zone, and the rate that its interval comes to, rounded to whole
beats a minute. The intervals (RR) are therefore differences between successive times, and each is dated to the instant of
the beat that ends it. The rate judges them: watches leave beats out, and a difference much longer than the rate allows
spans more than one interval.

Dating: the record's own interval decides. The first beat lies within it at exactly one instant whose minutes and seconds,
to the quarter of an hour, are those of the clock; no zone differs from another by anything else. So neither the hour nor
the zone of the clock is needed, which the export gets wrong: offsets in it are those of the day of exporting. The others
follow on the same clock, past midnight if need be, and have to stay within the record. What does not fit is not guessed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from shelflife.signals.vocabulary import SIGNALS
from shelflife.sources.apple_clock import DAY_US, clock_us

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BEAT = "InstantaneousBeatsPerMinute"
"""Name of the element."""

FIRST, GAP = f"{BEAT}/first", f"{BEAT}/gap"
"""Beats that end no interval: the first of a list, or the first after one that is unreadable; and after a gap."""

MOST_BEATS = 100_000
"""As many as a heart makes in a day; lists in exports hold those of a minute."""

_QUARTER_US = 15 * 60 * 1_000_000
# Dates in the export are cut to whole seconds.
_WHOLE_SECOND_US = 1_000_000
_PLAUSIBLE = SIGNALS["rr_interval"].plausible
LONGEST_US = int((_PLAUSIBLE or (0, 2500))[1] * 1000)
"""A longer time between two beats is taken for a gap."""

MOST_TIMES, LEAST_TIMES = 1.5, 0.5
"""How much longer or shorter than its rate says an interval may be. One missing beat doubles it, rounding of the rate and
the times moves it by less than a tenth."""

_RATE = re.compile(r"\s*(\d{1,3}(?:[.,]\d{1,3})?)\s*", re.ASCII)


class Beat(NamedTuple):
    """One beat as pulled: clock string, rate, and whether a list begins with it."""

    time: str | None
    rate: str | None
    begins: bool


@dataclass(frozen=True)
class BeatRow:
    """What a beat becomes.

    Attributes:
        beat: its place in the record, from 0.
        at_us: its instant, microseconds since 1970-01-01T00:00Z; None when it has none.
        interval_us: length of the interval that it ends; None when that is not known.
        problem: why it cannot be a sample, one of `signals.rules.PROBLEMS`.
        ignored: the key to count it under when it is no row.
    """

    beat: int
    at_us: int | None = None
    interval_us: int | None = None
    problem: str | None = None
    ignored: str | None = None


def intervals(beats: Sequence[Beat], start_us: int | None, end_us: int | None) -> Iterator[BeatRow]:
    """Yield what each beat of a record becomes.

    Args:
        beats: the beats in document order.
        start_us: start of the record, microseconds since 1970-01-01T00:00Z.
        end_us: its end.
    """
    clocks = [clock_us(beat.time) for beat in beats]
    window, problem = _dating(clocks, start_us, end_us)
    if window is None:
        yield from (BeatRow(number, problem=problem) for number in range(len(beats)))
        return
    before: int | None = None
    for number, (beat, clock) in enumerate(zip(beats, clocks, strict=True)):
        at_us = None if clock is None else window.instant(clock)
        if beat.begins:
            before = None
        yield _judge(number, beat, before, at_us)
        before = at_us


@dataclass(frozen=True)
class _Window:
    """The record's interval, and how far its first beat's clock is ahead of UTC."""

    opens_us: int
    closes_us: int
    ahead_us: int

    def instant(self, clock: int) -> int | None:
        """Return the instant of a clock reading within the window; None when it is not in it."""
        at_us = self.opens_us + (clock - self.ahead_us - self.opens_us) % DAY_US
        return at_us if at_us < self.closes_us else None


def _dating(
    clocks: Sequence[int | None], start_us: int | None, end_us: int | None
) -> tuple[_Window | None, str | None]:
    """Return where the beats belong, or why that cannot be said."""
    first = next((clock for clock in clocks if clock is not None), None)
    if first is None or start_us is None or end_us is None:
        return None, "bad_time"
    opens, closes = start_us - _WHOLE_SECOND_US, end_us + _WHOLE_SECOND_US
    at_us = opens + (first - opens) % _QUARTER_US
    if at_us >= closes:
        return None, "bad_time"
    if at_us + _QUARTER_US < closes:
        return None, "ambiguous_time"
    return _Window(opens, closes, first - at_us), None


def _judge(number: int, beat: Beat, before: int | None, at_us: int | None) -> BeatRow:
    if at_us is None:
        return BeatRow(number, problem="bad_time")
    if before is None:
        return BeatRow(number, at_us, ignored=FIRST)
    length = at_us - before
    rate = _RATE.fullmatch(beat.rate or "")
    per_minute = float(rate[1].replace(",", ".")) if rate else 0.0
    if not per_minute:
        return BeatRow(number, at_us, length, problem="bad_number")
    said = 60_000_000 / per_minute
    if length > min(LONGEST_US, MOST_TIMES * said):
        return BeatRow(number, at_us, ignored=GAP)
    return BeatRow(number, at_us, length, "value_conflict" if length < LEAST_TIMES * said else None)
