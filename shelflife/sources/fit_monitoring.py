"""All-day monitoring in FIT files: short times, and counters that run from local midnight.

A `monitoring` message states, for one type of activity, what was counted since local midnight. What lies between two
readings is landed as a sum over the time from one to the other, all types together, so that sums never overlap. A first
reading reaches back to local midnight; what an earlier file of the same day has of it lies within and is recognised
later. A counter that falls was set back at midnight.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shelflife.sources.fit_messages import microseconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shelflife.sources.fit_messages import Message
    from shelflife.sources.observations import Observation

_DAY = 86_400
_WITH_STEPS = frozenset({"walking", "running"})
"""Types of activity whose cycles are steps (FIT SDK profile, `monitoring.cycles`, subfield `steps`)."""
_UNITS = {"step_count": "steps", "distance": "cm", "active_energy": "kcal"}
_PATHS = {
    "step_count": "monitoring.steps",
    "distance": "monitoring.distance",
    "active_energy": "monitoring.active_calories",
}


@dataclass
class _Counter:
    """One quantity: what each type of activity has come to, when it was last read, and what is not handed on yet."""

    totals: dict[str, int] = field(default_factory=dict)
    day: int | None = None
    read_at: int | None = None
    pending: Observation | None = None
    pending_value: int = 0
    pending_at: int | None = None


class Monitoring:
    """Follows the monitoring messages of one FIT file.

    Args:
        offset_min: minutes east of UTC; None leaves local midnight unknown, so that a first reading goes to quarantine
            as `ambiguous_time`.
    """

    def __init__(self, offset_min: int | None) -> None:
        self._offset_min = offset_min
        self._full_time: int | None = None
        self._counters = {signal: _Counter() for signal in _UNITS}

    def time(self, message: Message) -> int | None:
        """Return a message's time; `timestamp_16` holds the low 16 bits of it, and wraps after 18 hours."""
        full, low = message.time(), message.number("timestamp_16")
        if full is not None:
            self._full_time = full
        elif low is not None and self._full_time is not None:
            self._full_time += (low - self._full_time) & 0xFFFF
        return full if low is None else self._full_time

    def read(self, message: Message) -> list[Observation]:
        """Return what a message says and what it completes; a sum of counters comes with a later reading."""
        when = self.time(message)
        found: list[Observation] = []
        heart = message.values.get("heart_rate")
        # A watch that is not worn reports zero.
        if heart:
            found.append(
                {
                    "signal": "heart_rate",
                    "value": heart,
                    "unit": "bpm",
                    "start": microseconds(when),
                    "statistic": "instant",
                    "path": "monitoring.heart_rate",
                }
            )
        kind = message.word("activity_type") or "unknown"
        for signal, total in _totals(message, kind).items():
            found += self._count(signal, kind, total, when)
        return found

    def rest(self) -> Iterator[Observation]:
        """Yield what waits for a later reading, at the end of the file."""
        for counter in self._counters.values():
            if counter.pending is not None:
                yield counter.pending
                counter.pending = None

    def _count(self, signal: str, kind: str, total: int, when: int | None) -> list[Observation]:
        counter = self._counters[signal]
        if when is None:
            return [_row(signal, total, None, None, "no_time")]
        day = None if self._offset_min is None else self._day(when)
        before = counter.totals.get(kind, 0)
        fell = total < before or (day is not None and counter.day is not None and day > counter.day)
        if fell:
            # All types start again at once, and one that was busier than yesterday does not show it by falling.
            counter.totals.clear()
            before = 0
        grown, counter.totals[kind], counter.day = total - before, total, day
        if counter.pending is not None and counter.pending_at == when and not fell:
            # Two types of activity are read at once: one sum, or their intervals would lie within each other.
            counter.pending_value += grown
            counter.pending["value"] = counter.pending_value
            return []
        done = [] if counter.pending is None else [counter.pending]
        start, problem = self._since(counter.read_at, when, fell=fell)
        counter.pending, counter.pending_value = _row(signal, grown, start, when, problem), grown
        counter.pending_at = counter.read_at = when
        return done

    def _since(self, read_at: int | None, when: int, *, fell: bool) -> tuple[int, str | None]:
        """Return where the interval of a reading begins."""
        if read_at is not None and (read_at > when or not fell):
            return min(read_at, when), None
        if self._offset_min is None:
            return when, "ambiguous_time"
        midnight = self._day(when) * _DAY - self._offset_min * 60
        return (midnight if read_at is None else max(midnight, read_at)), None

    def _day(self, when: int) -> int:
        """Return the local day as a number; a reading at midnight belongs to the day that ends."""
        return (when + (self._offset_min or 0) * 60 - 1) // _DAY


def _totals(message: Message, kind: str) -> dict[str, int]:
    """Return the counters that a message states, in the units of `_UNITS`."""
    found: dict[str, int] = {}
    cycles = message.number("cycles")
    steps = message.number("cycles_16") if cycles is None else cycles
    # The stored number of cycles of a walker or runner is the number of steps, without the scale of other cycles.
    if steps is not None and kind in _WITH_STEPS:
        found["step_count"] = steps
    centimeters, hundreds = message.number("distance"), message.number("distance_16")
    if centimeters is not None:
        found["distance"] = centimeters
    elif hundreds is not None:
        found["distance"] = hundreds * 100 * 100
    energy = message.number("active_calories")
    if energy is not None:
        found["active_energy"] = energy
    return found


def _row(signal: str, value: int, start: int | None, end: int | None, problem: str | None) -> Observation:
    return {
        "signal": signal,
        "value": value,
        "unit": _UNITS[signal],
        "start": microseconds(start),
        "end": microseconds(end),
        "statistic": "sum",
        "path": _PATHS[signal],
        "problem": problem,
    }
