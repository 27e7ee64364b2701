"""When heart beats of a FIT file happened: intervals come without times, between messages that have them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shelflife.sources.fit_messages import microseconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shelflife.sources.fit_messages import Message

_TICKS = 1024
"""Ticks a second of `hr.event_timestamp` (profile)."""
_LOW_BITS = 0xFFF
_TOLERANCE_MS = 5_000
"""Intervals of an unbroken recording add up to the time between its messages within a second or two; more is a gap."""


class BeatClock:
    """Places RR intervals in time.

    The first interval begins at the latest time that a message before it states; each further one begins where the last
    one ended, so that the intervals stay exactly as long as they are. When a message states a time that is more than
    5 s away from where the intervals have come to (the sensor lost beats, or recording was paused), the next
    interval begins at that time. A beat's time is thus right to a few seconds, its distance to the next to a
    millisecond.
    """

    def __init__(self) -> None:
        self._stated: int | None = None
        self._at: int | None = None

    def state(self, milliseconds: int | None) -> None:
        """Take the time of a message; None for a message without one."""
        if milliseconds is None:
            return
        self._stated = milliseconds
        if self._at is not None and abs(self._at - milliseconds) > _TOLERANCE_MS:
            self._at = None

    def after(self, milliseconds: int) -> int | None:
        """Let an interval pass and return when it ended; None when no time was stated so far."""
        begin = self._stated if self._at is None else self._at
        if begin is None:
            return None
        self._at = begin + milliseconds
        return self._at


class StoredHeartRate:
    """Places the heart rates of `hr` messages, which count 1/1024 s from the beginning of the strap's recording.

    The first message gives a count and the time that belongs to it; the others give the low 12 bits of the count of each
    of their heart rates, which wrap after 4 s (FIT SDK, `hr.event_timestamp_12`).
    """

    def __init__(self) -> None:
        self._begin_us: int | None = None
        self._begin_ticks = 0
        self._ticks = 0

    def read(self, message: Message) -> Iterator[tuple[int | None, Any]]:
        """Yield the time, in microseconds since 1970, and the heart rate of each place of a message."""
        rates = message.values.get("filtered_bpm")
        rates = rates if isinstance(rates, tuple) else (rates,)
        packed = message.raws.get("event_timestamp_12")
        if isinstance(packed, tuple):
            for low, rate in zip(_twelve_bits(packed), rates, strict=False):
                self._ticks += (low - self._ticks) & _LOW_BITS
                yield self._time(), rate
            return
        if (ticks := message.number("event_timestamp")) is not None:
            self._begin_us = microseconds(message.time())
            self._begin_ticks = self._ticks = ticks
        yield self._time(), rates[0]

    def _time(self) -> int | None:
        passed = (self._ticks - self._begin_ticks) * 1_000_000 // _TICKS
        return None if self._begin_us is None else self._begin_us + passed


def _twelve_bits(packed: tuple[int, ...]) -> Iterator[int]:
    whole = int.from_bytes(bytes(packed), "little")
    for place in range(len(packed) * 8 // 12):
        yield whole >> (12 * place) & _LOW_BITS
