"""Samsung Health minute data: JSON files that the tables of a download refer to (`binning_data`, `live_data`).

Each is a list of points with times in milliseconds since 1970 and no offset. Which data they hold shows in the names of
their numbers. HRV is nowhere else: the table of that name only refers to these files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from shelflife.sources.containers import open_content
from shelflife.sources.json_stream import items, paths
from shelflife.sources.json_values import whole
from shelflife.sources.observations import Observations
from shelflife.sources.samsung_tables import UNREADABLE
from shelflife.sources.source import Parsing, SourceType

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    import pyarrow as pa

    from shelflife.sources.observations import Observation
    from shelflife.sources.source import ByteSource

_NUMBERS = (
    ("heart_rate", "heart_rate", "bpm", "mean"),
    ("heart_rate_min", "heart_rate", "bpm", "min"),
    ("heart_rate_max", "heart_rate", "bpm", "max"),
    ("spo2", "spo2", "%", "mean"),
    ("sdnn", "hrv_sdnn", "ms", "sdnn"),
    ("rmssd", "hrv_rmssd", "ms", "rmssd"),
)
_MARKS = ("heart_rate", "spo2", "sdnn", "rmssd")
_NONE = (None, 0, -1)
"""What stands for "no value"."""
_COMMON: Observation = {
    "source_platform": "samsung_health",
    "source_app": "samsung_health",
    "modality": "sensed",
}


class SamsungBinning:
    """Reads the points of one JSON file."""

    name = "samsung_health_binning"
    title = "Samsung Health minute data (JSON)"
    subject_scope: Literal["file", "row"] = "file"
    types = tuple(
        SourceType(
            name,
            signal,
            unit,
            statistic,
            "Points without a length are instants." if statistic == "mean" else "",
        )
        for name, signal, unit, statistic in _NUMBERS
    )

    def recognises(self, head: bytes) -> bool:
        """Return whether this is a list of points with one of the known numbers."""
        found = paths(head)
        return "item.start_time" in found and any(
            f"item.{name}" in found and not any(one.startswith(f"item.{name}.") for one in found)
            for name in _MARKS
        )

    def parse(self, source: ByteSource, *, now: dt.datetime, zone: str | None = None) -> Parsing:
        """Return the parse; the rows are about the file's account."""

        def rows(parsing: Parsing) -> Iterator[pa.RecordBatch]:
            found = Observations(parsing, _COMMON, now=now, zone=zone)
            with open_content(source) as stream:
                for _, point in items(stream, ("item",)):
                    if not isinstance(point, dict):
                        found.add({"path": "point", "problem": "bad_record"})
                        continue
                    taken = _points(point)
                    for one in taken:
                        found.add(one)
                    if not taken:
                        parsing.ignore("point")
                    yield from found.full()
            yield from found.rest()

        return Parsing(rows)


def _points(point: dict[str, Any]) -> list[Observation]:
    start, end = _instant(point.get("start_time")), _instant(point.get("end_time"))
    lasting = isinstance(end, int) and end != start
    return [
        {
            "signal": signal,
            "value": point[name],
            "unit": unit,
            "start": start,
            "end": end,
            "statistic": statistic if lasting or statistic in {"sdnn", "rmssd"} else "instant",
            "path": name,
        }
        for name, signal, unit, statistic in _NUMBERS
        # The lowest and the highest value of a moment say nothing.
        if point.get(name) not in _NONE and (lasting or statistic not in {"min", "max"})
    ]


def _instant(value: object) -> int | str | None:
    milliseconds = whole(value)
    if milliseconds is None:
        return None if value is None else UNREADABLE
    return milliseconds * 1000
