"""FIT files of Garmin and other makers: activities, all-day monitoring, heart beats, nights and scales.

Times are UTC; the device's own offset comes from `activity` or `monitoring_info`, which state both clocks. Times that
count from power-on, and the unset clock of 1989-12-31, are no times. A session is a workout with its distance and energy;
laps say the same again and are counted. Positions and altitudes are dropped and counted under `location`, and serial
numbers are never read. A scale that several people use names them by an index that belongs to the scale: its rows are
nobody's here. A damaged file is refused as a whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from shelflife.sources.fit_activity import Activity
from shelflife.sources.fit_messages import FileFacts, Message, microseconds, read_messages, survey
from shelflife.sources.fit_monitoring import Monitoring
from shelflife.sources.fit_types import SINGLE_VALUES, TYPES
from shelflife.sources.observations import Observations
from shelflife.sources.source import Parsing

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    import pyarrow as pa

    from shelflife.sources.observations import Observation
    from shelflife.sources.source import ByteSource, ProfileFacts

_LOCATION = ("lat", "long", "altitude")
"""How the names of fields end that say where somebody was."""
_STAGES = {"awake": "awake", "light": "light", "deep": "deep", "rem": "rem"}
_LONGEST_STAGE_S = 4 * 3600
_CALCULATING = 0xFFFE
"""Stored in place of a weight while the scale still measures (profile, type `weight`)."""
_ALIAS_KIND = "fit_user_profile"
_COMMON: Observation = {"source_platform": "garmin", "source_app": "fit", "modality": "sensed"}


class GarminFit:
    """Reads FIT files, and chains of them, in bounded memory."""

    name = "garmin_fit"
    title = "FIT file (Garmin and others)"
    subject_scope: Literal["file", "row"] = "file"
    types = TYPES

    def recognises(self, head: bytes) -> bool:
        """Return whether this is a FIT header."""
        return head[8:12] == b".FIT" and 12 <= head[0] <= 64

    def parse(self, source: ByteSource, *, now: dt.datetime, zone: str | None = None) -> Parsing:
        """Return the parse; the rows are about the file's account. The file is read twice, see `survey`."""

        def rows(parsing: Parsing) -> Iterator[pa.RecordBatch]:
            found = Observations(parsing, _COMMON, now=now, zone=zone)
            facts = survey(source)
            current: _FitFile | None = None
            for message in read_messages(source, verify=False):
                if current is None or current.number != message.file:
                    _finish(current, found)
                    current = _FitFile(message.file, facts[message.file], parsing.profile)
                taken = current.take(message)
                for one in taken:
                    found.add({**current.shared, **_since_power_on(message), **one})
                if not taken:
                    parsing.ignore(message.name)
                if any(name.endswith(_LOCATION) for name, raw in message.raws.items() if raw is not None):
                    parsing.ignore("location")
                yield from found.full()
            _finish(current, found)
            yield from found.rest()

        return Parsing(rows)


class _FitFile:
    """Turns the messages of one FIT file into observations.

    Attributes:
        number: its position in a chain of files.
        shared: what all its observations have: the device and the offset.
    """

    def __init__(self, number: int, facts: FileFacts, profile: ProfileFacts) -> None:
        self.number = number
        self.shared: Observation = {"offset_min": facts.offset_min, "tz_basis": "device"}
        self._facts, self._profile = facts, profile
        self._monitoring, activity = Monitoring(facts.offset_min), Activity(facts.sessions)
        self._stage_at: int | None = None
        self._readers = {
            "file_id": self._device,
            "file_creator": self._software,
            "user_profile": self._person,
            "record": activity.record,
            "event": activity.event,
            "session": activity.session,
            "hr": activity.stored_heart_rate,
            "hrv": activity.hrv,
            "beat_intervals": activity.beat_intervals,
            "raw_bbi": activity.raw_beats,
            "monitoring_info": self._monitoring_info,
            "monitoring": self._monitoring.read,
            "sleep_level": self._sleep_level,
            "weight_scale": self._weight,
        }

    def take(self, message: Message) -> list[Observation]:
        """Return what a message says; nothing when it holds no sample."""
        if message.name in SINGLE_VALUES:
            return _single(message)
        reader = self._readers.get(message.name)
        return [] if reader is None else reader(message)

    def rest(self) -> Iterator[Observation]:
        """Yield what waits for the end of the file."""
        yield from self._monitoring.rest()

    def _device(self, message: Message) -> list[Observation]:
        maker, product = message.word("manufacturer"), message.word("product")
        self.shared = {**self.shared, "device_make": maker, "device_model": product}
        return []

    def _software(self, message: Message) -> list[Observation]:
        version = message.number("software_version")
        self.shared = {**self.shared, "device_sw": None if version is None else f"{version / 100:.2f}"}
        return []

    def _person(self, message: Message) -> list[Observation]:
        if len(self._facts.people) == 1:
            name, gender = message.values.get("friendly_name"), message.word("gender")
            if isinstance(name, str):
                self._profile.note_source(name)
            self._profile.sex = gender if gender in {"female", "male"} else self._profile.sex
        return []

    def _monitoring_info(self, message: Message) -> list[Observation]:
        self._monitoring.time(message)
        return []

    def _sleep_level(self, message: Message) -> list[Observation]:
        """Read a level, which is that of the time since the message before; the first of a night has no length."""
        when, stage = message.time(), _STAGES.get(message.word("sleep_level") or "")
        before, self._stage_at = self._stage_at, when
        if stage is None:
            return []
        near = when is not None and before is not None and 0 <= when - before <= _LONGEST_STAGE_S
        return [
            {
                "signal": "sleep_stage",
                "value": stage,
                "value_raw": str(message.number("sleep_level")),
                "start": microseconds(before if near else when),
                "end": microseconds(when),
                "path": "sleep_level",
            }
        ]

    def _weight(self, message: Message) -> list[Observation]:
        weight = message.number("weight")
        if weight is None:
            return []
        measured = weight != _CALCULATING
        several = len(self._facts.people) > 1
        return [
            {
                "signal": "body_weight",
                "value": message.values["weight"],
                "unit": "kg",
                "start": microseconds(message.time()),
                "statistic": "instant",
                "path": "weight_scale.weight",
                "alias_kind": _ALIAS_KIND if several else None,
                "problem": "no_subject" if several else None if measured else "missing_value",
            }
        ]


def _finish(file: _FitFile | None, found: Observations) -> None:
    if file is not None:
        for one in file.rest():
            found.add({**file.shared, **one})


def _since_power_on(message: Message) -> Observation:
    """Return the seconds since power-on of a message without a time, so that its rows stay apart and in order."""
    seconds = message.number("timestamp")
    return (
        {} if seconds is None or message.time() is not None else {"source_record_id": f"power-on-{seconds}"}
    )


def _single(message: Message) -> list[Observation]:
    """Return the one number of a message that has one; zero and below say that there is none."""
    kind = SINGLE_VALUES[message.name]
    value = message.values.get(kind.field)
    if not isinstance(value, int | float) or (value <= 0 and not kind.signed):
        return []
    return [
        {
            "signal": kind.signal,
            "value": value,
            "unit": kind.unit,
            "start": microseconds(message.time(kind.time)),
            "statistic": kind.statistic,
            "window_s": kind.window_s,
            "path": f"{message.name}.{kind.field}",
        }
    ]
