"""Polar AccessLink API: JSON as it answers, one object or a list of them.

Read are exercises with their samples, continuous heart rate, sleep, Nightly Recharge and daily activity. Names come with
hyphens in older answers and with underscores in newer ones. Times are those of the device's clock: exercises and sleep
say its offset, the others do not. What names a person or a device (`polar_user`, `device_id`) is never read, routes are
dropped and counted under `location`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from shelflife.sources.containers import open_content, read_head
from shelflife.sources.json_stream import items, paths
from shelflife.sources.observations import Observations
from shelflife.sources.polar_exercise import exercise
from shelflife.sources.polar_night import night, recharge
from shelflife.sources.polar_values import TYPES, day_after, is_date, number
from shelflife.sources.source import Parsing

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator

    import pyarrow as pa

    from shelflife.sources.observations import Observation
    from shelflife.sources.source import ByteSource

    _Reader = Callable[[dict[str, Any], Callable[[str], None]], Iterator[Observation]]

_PLACES = ("nights.item", "recharges.item", "heart_rates.item", "item", "")
"""Where the objects of an answer lie: in a list by a name, in a list, or the answer is the object."""
_SHAPES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("sleep", ("sleep_start_time", "sleep_end_time", "light_sleep")),
    ("heart_rate", ("date", "heart_rate_samples.item.sample_time")),
    ("recharge", ("date", "beat_to_beat_avg", "heart_rate_variability_avg")),
    ("exercise", ("upload_time", "start_time", "duration", "sport")),
    ("activity", ("active_calories", "active_steps")),
    ("activity", ("active_calories", "steps", "distance_from_steps")),
)
"""Names that tell the kinds of objects apart."""
_COMMON: Observation = {
    "source_platform": "polar",
    "source_app": "polar_accesslink",
    "device_make": "Polar",
    "modality": "sensed",
}


class Polar:
    """Reads an answer of AccessLink."""

    name = "polar"
    title = "Polar AccessLink JSON"
    subject_scope: Literal["file", "row"] = "file"
    types = TYPES

    def recognises(self, head: bytes) -> bool:
        """Return whether the first object has the names of one of the kinds that are read."""
        return _place(head) is not None

    def parse(self, source: ByteSource, *, now: dt.datetime, zone: str | None = None) -> Parsing:
        """Return the parse; the rows are about the file's account."""

        def rows(parsing: Parsing) -> Iterator[pa.RecordBatch]:
            found = Observations(parsing, _COMMON, now=now, zone=zone)
            with open_content(source) as stream:
                place = _place(read_head(stream))
            with open_content(source) as stream:
                for _, one in items(stream, ("" if place is None else place,)):
                    for observation in _observations(one, parsing.ignore):
                        found.add(observation)
                        yield from found.full()
            yield from found.rest()

        return Parsing(rows)


def _place(head: bytes) -> str | None:
    """Return where the objects lie; None when they are of no kind that is read."""
    found = {path.replace("-", "_") for path in paths(head)}
    for place in _PLACES:
        inside = f"{place}." if place else ""
        if any(all(inside + name in found for name in names) for _, names in _SHAPES):
            return place
    return None


def _observations(one: Any, ignore: Callable[[str], None]) -> Iterator[Observation]:
    """Yield what an object says; one of no kind is a bad record."""
    if not isinstance(one, dict):
        yield {"path": "object", "problem": "bad_record"}
        return
    values = {name.replace("-", "_"): value for name, value in one.items()}
    reader = _reader(values)
    if reader is None:
        ignore("object")
        return
    taken = False
    for observation in reader(values, ignore):
        taken = True
        yield observation
    if not taken:
        ignore("object")


def _reader(values: dict[str, Any]) -> _Reader | None:
    """Return the reader of an object by what sets its kind apart, since not every answer has every value."""
    if "sleep_start_time" in values:
        return night
    if isinstance(values.get("heart_rate_samples"), list):
        return _continuous
    if "beat_to_beat_avg" in values or "ans_charge" in values or "heart_rate_variability_avg" in values:
        return recharge
    if "sport" in values:
        return exercise
    return _activity if "active_calories" in values else None


def _continuous(values: dict[str, Any], ignore: Callable[[str], None]) -> Iterator[Observation]:
    """Read the heart rates of a day, about one in five minutes."""
    day = values.get("date")
    for sample in values["heart_rate_samples"]:
        if not isinstance(sample, dict):
            yield {"path": "heart_rate_samples", "problem": "bad_record"}
            continue
        rate = number(sample.get("heart_rate", sample.get("heart-rate")))
        if rate is None:
            ignore("heart_rate_samples")
            continue
        clock = sample.get("sample_time", sample.get("sample-time"))
        yield {
            "signal": "heart_rate",
            "value": rate,
            "unit": "bpm",
            "start": f"{day}T{clock}",
            "statistic": "instant",
            "path": "heart_rate_samples",
        }


def _activity(values: dict[str, Any], ignore: Callable[[str], None]) -> Iterator[Observation]:
    """Read the sums of a local day; total `calories` include the metabolic rate at rest and are left out."""
    given = values.get("date", values.get("start_time"))
    day = given[:10] if isinstance(given, str) and is_date(given[:10]) else None
    sums = (
        ("active_steps", "step_count", "steps"),
        ("steps", "step_count", "steps"),
        ("active_calories", "active_energy", "kcal"),
        ("distance_from_steps", "distance", "m"),
    )
    for name, signal, unit in sums:
        if values.get(name) is None:
            continue
        yield {
            "signal": signal,
            "value": values[name],
            "unit": unit,
            "start": None if day is None else f"{day}T00:00:00",
            "end": None if day is None else f"{day_after(day)}T00:00:00",
            "statistic": "sum",
            "path": name,
        }
    if "calories" in values:
        ignore("calories")
