"""Samsung Health "Download personal data": one CSV file a table, most often all of them in one zip file.

Line 1 names the table, line 2 the columns, and each further line ends with a comma more than it has cells. Tables without
a signal are counted. Steps count once: of the daily sums only the one over all devices is landed, and intervals of steps
only when one device made all of them, because phone and watch count the same steps.
"""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING, Literal

from shelflife.errors import SourceError
from shelflife.sources.containers import open_content
from shelflife.sources.delimited import split_line, text_pieces
from shelflife.sources.observations import Observations
from shelflife.sources.samsung_tables import READERS
from shelflife.sources.source import Parsing, SourceType

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    import pyarrow as pa

    from shelflife.sources.observations import Observation
    from shelflife.sources.source import ByteSource

_TABLE = re.compile(r"com\.samsung\.s?health\.([a-z][a-z0-9_.]{1,60})")
_COLUMN_PREFIX = "com.samsung."
_OF_ONE_DEVICE = frozenset({"tracker.pedometer_step_count", "step_count"})
_WITHOUT_SIGNAL = frozenset(
    {
        "activity.day_summary",
        "blood_pressure",
        "ecg",
        "food_info",
        "food_intake",
        "height",
        "hrv",
        "nutrition",
        "skin_temperature",
        "sleep_combined",
        "stress",
        "tracker.pedometer_day_summary",
        "user_profile",
        "water_intake",
    }
)
"""Tables that are counted by name; any other is counted as `other`, since its name comes from the file."""
_COMMON: Observation = {"source_platform": "samsung_health", "modality": "sensed"}


class SamsungHealth:
    """Reads one table of a download."""

    name = "samsung_health"
    title = "Samsung Health download (CSV)"
    subject_scope: Literal["file", "row"] = "file"
    types = (
        SourceType("tracker.heart_rate", "heart_rate", "bpm", "mean", "Rows without a length are instants."),
        SourceType("tracker.heart_rate min", "heart_rate", "bpm", "min"),
        SourceType("tracker.heart_rate max", "heart_rate", "bpm", "max"),
        SourceType("tracker.oxygen_saturation", "spo2", "%", "mean", "Also lowest and highest of a night."),
        SourceType("respiratory_rate average", "respiratory_rate", "/min", "mean"),
        SourceType(
            "sleep sleep_duration",
            "sleep_episode",
            "min",
            "sum",
            "Rows without it are goals, and are counted.",
        ),
        SourceType("sleep sleep_score", "sleep_score", "score"),
        SourceType(
            "sleep_stage stage", "sleep_stage", note="40001 awake, 40002 light, 40003 deep, 40004 REM."
        ),
        SourceType("weight", "body_weight", "kg", "instant"),
        SourceType("body_temperature", "body_temperature", "degC", "instant"),
        SourceType("blood_glucose", "glucose_capillary", "mmol/L", "instant"),
        SourceType("exercise", "workout", note="Codes that are not confirmed keep their number."),
        SourceType("exercise distance", "distance", "m", "sum"),
        SourceType("exercise calorie", "active_energy", "kcal", "sum"),
        SourceType("exercise mean, min and max heart rate", "heart_rate", "bpm", "mean"),
        SourceType(
            "step_daily_trend count",
            "step_count",
            "steps",
            "sum",
            "Only the sum over all devices (`source_type` -2).",
        ),
        SourceType(
            "tracker.pedometer_step_count",
            "step_count",
            "steps",
            "sum",
            "Only when one device made all of them.",
        ),
        SourceType("hrv", None, note="Its values are in JSON files of their own."),
        SourceType("skin_temperature", None, note="An absolute temperature of the skin has no signal."),
    )

    def recognises(self, head: bytes) -> bool:
        """Return whether the first line names a Samsung Health table."""
        line = head.removeprefix(codecs.BOM_UTF8).splitlines()[:1]
        return bool(line) and _table(line[0].decode("utf-8", "replace")) is not None

    def parse(self, source: ByteSource, *, now: dt.datetime, zone: str | None = None) -> Parsing:
        """Return the parse; the rows are about the file's account."""

        def rows(parsing: Parsing) -> Iterator[pa.RecordBatch]:
            found = Observations(parsing, _COMMON, now=now, zone=zone)
            with open_content(source) as stream:
                table = _Table(_lines(text_pieces(stream)))
                reader = READERS.get(table.name)
                if table.name in _OF_ONE_DEVICE and _devices(source) > 1:
                    reader = None
                key = (
                    table.name
                    if reader is not None or table.name in _WITHOUT_SIGNAL | _OF_ONE_DEVICE
                    else "other"
                )
                for row, text in table.rows():
                    taken = [] if reader is None or not row else reader(row)
                    for one in taken:
                        found.add({**one, "path": f"{key}.{one.get('path')}"})
                    if row is None:
                        found.add({"value_raw": text, "path": key, "problem": "bad_record"})
                    elif not taken:
                        parsing.ignore(key)
                    yield from found.full()
            yield from found.rest()

        return Parsing(rows)


class _Table:
    """The lines of a table.

    Attributes:
        name: the table's name, see `READERS`.
    """

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        name = _table(next(lines, ""))
        header = split_line(next(lines, "")) or []
        if name is None or not any(header):
            raise SourceError(
                "A Samsung Health table has no header line.", remedy="Give the file as it was downloaded."
            )
        self.name = name
        names = [cell.strip() for cell in header]
        self._width = len(names) - (not names[-1])
        self._columns: dict[str, int] = {}
        for place, one in enumerate(names[: self._width]):
            short = one.rpartition(".")[2]
            # Where a table has a column both with and without its data type before it, that with it is the data type's.
            if short not in self._columns or one.startswith(_COLUMN_PREFIX):
                self._columns[short] = place

    def rows(self) -> Iterator[tuple[dict[str, str] | None, str]]:
        """Yield the cells that are not empty of each line, None for a line that is none; and the line's text."""
        for line in self._lines:
            cells = split_line(line)
            extra = [] if cells is None else cells[self._width :]
            if cells is None or len(cells) < self._width or len(extra) > 1 or any(extra):
                yield None, line
            else:
                yield (
                    {name: cells[place] for name, place in self._columns.items() if cells[place].strip()},
                    line,
                )


def _table(line: str) -> str | None:
    match = _TABLE.fullmatch(line.partition(",")[0].strip())
    return match[1] if match else None


def _lines(pieces: Iterator[bytes]) -> Iterator[str]:
    """Yield the lines that are not empty; a line ends at a line feed only, whatever a comment holds."""
    for piece in pieces:
        for line in piece.decode().split("\n"):
            if text := line.rstrip("\r"):
                yield text


def _devices(source: ByteSource) -> int:
    """Return how many devices (at most two are told apart) the rows of a table name."""
    seen: set[str | None] = set()
    with open_content(source) as stream:
        for row, _ in _Table(_lines(text_pieces(stream))).rows():
            if row is not None:
                seen.add(row.get("deviceuuid"))
            if len(seen) > 1:
                break
    return len(seen)
