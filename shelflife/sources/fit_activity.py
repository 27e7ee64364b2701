"""Activities in FIT files: sessions, the records within them, and heart beats."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from shelflife.signals.sample import QualityFlag
from shelflife.sources.fit_beats import BeatClock, StoredHeartRate
from shelflife.sources.fit_messages import microseconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shelflife.sources.fit_messages import Message
    from shelflife.sources.observations import Observation


class Activity:
    """Turns the messages of an activity into observations.

    Args:
        sessions: first and last second of each session of the file; what lies within names the session as its parent.
    """

    def __init__(self, sessions: Sequence[tuple[int, int]]) -> None:
        self._sessions = sorted(sessions)
        self._beats, self._stored = BeatClock(), StoredHeartRate()

    def record(self, message: Message) -> list[Observation]:
        """Read what was measured in a moment."""
        when = message.time()
        self._beats.state(None if when is None else when * 1000)
        readings = (
            ("heart_rate", "heart_rate", "bpm"),
            ("enhanced_respiration_rate", "respiratory_rate", "breaths/min"),
            ("core_temperature", "body_temperature", "degC"),
        )
        return [
            {
                "signal": signal,
                "value": message.values[name],
                "unit": unit,
                "start": microseconds(when),
                "statistic": "instant",
                "path": f"record.{name}",
                "parent_id": self._workout_at(when),
            }
            for name, signal, unit in readings
            # A sensor without contact reports zero.
            if message.values.get(name)
        ]

    def event(self, message: Message) -> list[Observation]:
        """Take the time of an event; it holds no sample."""
        when = message.time()
        self._beats.state(None if when is None else when * 1000)
        return []

    def session(self, message: Message) -> list[Observation]:
        """Read a workout with its distance and energy."""
        begin = message.time("start_time")
        elapsed = message.number("total_elapsed_time")
        when: Observation = {
            "start": microseconds(begin),
            "duration_us": None if elapsed is None else elapsed * 1000,
            "parent_id": _workout_id(begin),
        }
        sport = message.word("sport") or "generic"
        found: list[Observation] = [{**when, "signal": "workout", "value": sport, "path": "session"}]
        sums = (("total_distance", "distance", "m"), ("total_calories", "active_energy", "kcal"))
        found += [
            {
                **when,
                "signal": signal,
                "value": message.values[name],
                "unit": unit,
                "statistic": "sum",
                "path": f"session.{name}",
            }
            for name, signal, unit in sums
            if message.number(name) is not None
        ]
        return found

    def _workout_at(self, when: int | None) -> str | None:
        """Return the id of the session that a time lies in."""
        if when is None:
            return None
        place = bisect_right(self._sessions, (when, 1 << 40)) - 1
        inside = place >= 0 and when <= self._sessions[place][1]
        return _workout_id(self._sessions[place][0]) if inside else None

    def stored_heart_rate(self, message: Message) -> list[Observation]:
        """Read heart rates that a strap stored while it was out of reach, such as under water."""
        return [
            {
                "signal": "heart_rate",
                "value": value,
                "unit": "bpm",
                "start": when,
                "statistic": "instant",
                "path": "hr.filtered_bpm",
            }
            for when, value in self._stored.read(message)
            if value
        ]

    def hrv(self, message: Message) -> list[Observation]:
        """Read intervals between beats; places of the array that hold none are no intervals."""
        return [self._beat(length, "hrv.time") for length in message.numbers("time")]

    def beat_intervals(self, message: Message) -> list[Observation]:
        """Read intervals between beats with a time of their own."""
        self._beats.state(_milliseconds(message))
        return [self._beat(length, "beat_intervals.time") for length in message.numbers("time")]

    def raw_beats(self, message: Message) -> list[Observation]:
        """Read beats of 16 bits: 14 for the milliseconds, one for the quality, one for a gap (profile, `raw_bbi`)."""
        self._beats.state(_milliseconds(message))
        found: list[Observation] = []
        for data in message.numbers("data"):
            length, good, gap = data & 0x3FFF, data >> 14 & 1, data >> 15 & 1
            if gap:
                self._beats.after(length)
            else:
                flag = 0 if good else int(QualityFlag.LOW_CONFIDENCE)
                found.append({**self._beat(length, "raw_bbi.data"), "flags": flag})
        return found

    def _beat(self, milliseconds: int, path: str) -> Observation:
        ended = self._beats.after(milliseconds)
        whole, rest = divmod(ended or 0, 1000)
        start = microseconds(whole)
        return {
            "signal": "rr_interval",
            "value": milliseconds,
            # The stored number counts thousandths of a second, so that nothing is rounded.
            "unit": "ms",
            "start": None if ended is None or start is None else start + rest * 1000,
            "statistic": "instant",
            "path": path,
            "parent_id": None if ended is None else self._workout_at(whole),
        }


def _milliseconds(message: Message) -> int | None:
    when = message.time()
    return None if when is None else when * 1000 + (message.number("timestamp_ms") or 0)


def _workout_id(begin: int | None) -> str | None:
    return None if begin is None else f"session-{begin}"
