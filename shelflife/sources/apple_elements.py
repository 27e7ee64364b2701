"""Pulling the records out of an Apple Health export.xml as a stream, in bounded memory.

The document type is cut off before the XML parser sees the file: iOS 16 and later write one that is not well formed,
and without it there is nothing to expand. Entity declarations are refused outright.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from xml.parsers import expat

from shelflife.errors import SourceError
from shelflife.sources.apple_beats import BEAT, MOST_BEATS, Beat
from shelflife.sources.apple_prolog import after_prolog, refuse
from shelflife.sources.apple_types import BEAT_TYPES, SIGNAL_OF_TYPE, WORKOUT_TYPE, type_key, workout_code

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shelflife.sources.containers import ByteStream
    from shelflife.sources.source import Parsing

TYPE, VALUE, UNIT, SOURCE, DEVICE, START, END, CREATED, ENTERED, ZONE, RECORD_ID, POSITION, BEATS = range(13)
"""Places in a pulled row; all before `POSITION` are texts."""

PulledRow = list["str | int | list[Beat] | None"]
_READ_BYTES = 256 * 1024
_LONGEST_TOKEN = 1024 * 1024
_DEEPEST = 12
_CHARACTERS_OF_A_ROW = 512
"""A row with more text than most records have counts as several, so that memory stays bounded."""
_MOST_STATISTICS = 256
# Raw control characters are not XML, but some iOS versions write them (U+000B in names).
_CONTROL = bytes(byte for byte in range(1, 32) if byte not in b"\t\n\r")
_WITHOUT_CONTROL = bytes.maketrans(_CONTROL, b" " * len(_CONTROL))
_NO_RECORDS = frozenset({"ExportDate", "Me"})
_COUNTED_CHILDREN = frozenset({BEAT, "WorkoutRoute", "WorkoutEvent", "WorkoutActivity"})
_BEAT_LIST = "HeartRateVariabilityMetadataList"
_KNOWN_CHILDREN = frozenset(
    {"Correlation", "ActivitySummary", "ClinicalRecord", "Audiogram", "VisionPrescription", "StateOfMind"}
)
_METADATA = {
    "HKWasUserEntered": ENTERED,
    "HKTimeZone": ZONE,
    "HKExternalUUID": RECORD_ID,
    "HKMetadataKeySyncIdentifier": RECORD_ID,
}
_WORKOUT_FACTS = (
    "duration",
    "durationUnit",
    "totalDistance",
    "totalDistanceUnit",
    "totalEnergyBurned",
    "totalEnergyBurnedUnit",
)
_STATISTIC_FACTS = ("type", "average", "minimum", "maximum", "sum", "unit")


class ExportReader:
    """Turns XML events into rows and counts.

    Attributes:
        waiting: how many rows and beats are pulled and not taken yet; long texts count as further ones.
        export_date: text of the ExportDate element.
    """

    def __init__(self, parsing: Parsing) -> None:
        self.waiting = 0
        self.export_date: str | None = None
        self.me: dict[str, str] = {}
        self._parsing = parsing
        self._depth = 0
        self._rows: list[PulledRow] = []
        self._row: PulledRow | None = None
        self._beats: list[Beat] = []
        self._list_begins = False
        self._workout: dict[str, object] | None = None
        self._parser = expat.ParserCreate("utf-8")
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = refuse
        self._parser.EntityDeclHandler = refuse

    def read(self, stream: ByteStream) -> Iterator[None]:
        """Read the stream, pausing after each piece so that the caller can take the rows.

        Raises:
            SourceError: it is not a well-formed export, or one made to exhaust memory.
        """
        chunk, cut = after_prolog(stream)
        fed = 0
        while chunk:
            if b"\0" in chunk:
                raise SourceError(f"A zero byte after byte {cut + fed}.", remedy="This is not an XML file.")
            fed += len(chunk)
            self._feed(chunk.translate(_WITHOUT_CONTROL), last=False, cut=cut)
            if fed - self._parser.CurrentByteIndex > _LONGEST_TOKEN:
                raise SourceError(
                    f"One element is longer than {_LONGEST_TOKEN} bytes (byte {cut + fed}).",
                    remedy="No health export has one; the file is damaged or hostile.",
                )
            yield
            chunk = stream.read(_READ_BYTES)
        self._feed(b"", last=True, cut=cut)
        yield

    def take(self, most: int) -> list[PulledRow]:
        """Return at most so many of the rows that are complete; each comes with its beats."""
        taken, self._rows = self._rows[:most], self._rows[most:]
        self.waiting = sum(map(_weight, self._rows))
        return taken

    def _feed(self, chunk: bytes, *, last: bool, cut: int) -> None:
        try:
            self._parser.Parse(chunk, last)
        except expat.ExpatError:
            raise SourceError(
                f"The XML is truncated or not well formed (byte {cut + self._parser.ErrorByteIndex}).",
                remedy="Export the data again on the phone; do not edit the file.",
            ) from None

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if name == "Record" and self._depth == 2:
            self._record(attributes)
        elif name == "MetadataEntry":
            self._metadata(attributes)
        elif self._depth == 2:
            self._top_level(name, attributes)
        elif self._depth == 1:
            _check_root(name)
        else:
            self._nested(name, attributes)

    def _end(self, name: str) -> None:
        self._depth -= 1
        if self._depth != 1 or self._row is None:
            return
        if self._workout is not None and name == "Workout":
            self._row[VALUE] = json.dumps(self._workout, ensure_ascii=False)
            self._workout = None
        if self._beats:
            self._row[BEATS], self._beats = self._beats, []
        self._rows.append(self._row)
        self.waiting += _weight(self._row)
        self._row = None

    def _record(self, attributes: dict[str, str]) -> None:
        record_type = attributes.get("type")
        if record_type is None or record_type not in SIGNAL_OF_TYPE or record_type == WORKOUT_TYPE:
            self._row = None
            self._parsing.ignore(type_key(record_type))
            return
        self._parsing.records += 1
        self._push(record_type, attributes.get("value"), attributes.get("unit"), attributes)

    def _push(
        self, record_type: str, value: str | None, unit: str | None, attributes: dict[str, str]
    ) -> None:
        get = attributes.get
        self._row = [
            record_type,
            value,
            unit,
            get("sourceName"),
            get("device"),
            get("startDate"),
            get("endDate"),
            get("creationDate"),
            None,
            None,
            None,
            self._parsing.records,
            None,
        ]

    def _metadata(self, attributes: dict[str, str]) -> None:
        place = _METADATA.get(attributes.get("key", ""))
        # Entries deeper than a top-level record describe something else, such as a workout's route.
        if place is not None and self._row is not None and self._depth == 3:
            self._row[place] = attributes.get("value")

    def _top_level(self, name: str, attributes: dict[str, str]) -> None:
        self._row = None
        if name == "Workout":
            self._parsing.records += 1
            self._workout = {key: attributes[key] for key in _WORKOUT_FACTS if key in attributes}
            self._push(WORKOUT_TYPE, None, workout_code(attributes.get("workoutActivityType")), attributes)
        elif name == "ExportDate":
            self.export_date = attributes.get("value")
        elif name == "Me":
            self.me = attributes
        else:
            self._parsing.ignore(name if name in _KNOWN_CHILDREN else "other")

    def _nested(self, name: str, attributes: dict[str, str]) -> None:
        if self._depth > _DEEPEST:
            raise SourceError(
                f"Elements are nested deeper than {_DEEPEST}.",
                remedy="No health export is; do not land this file.",
            )
        if name == "Record":
            self._parsing.ignore("Correlation/Record")
        elif name == BEAT and self._depth == 4 and self._row is not None and self._row[TYPE] in BEAT_TYPES:
            self._beat(attributes)
        elif name == _BEAT_LIST:
            self._list_begins = True
        elif name in _COUNTED_CHILDREN:
            self._parsing.ignore(name)
        elif name == "Location":
            self._parsing.ignore("WorkoutRoute/Location")
        elif name == "WorkoutStatistics" and self._workout is not None and self._depth == 3:
            self._statistic(self._workout, attributes)

    def _beat(self, attributes: dict[str, str]) -> None:
        if len(self._beats) >= MOST_BEATS:
            raise SourceError(
                f"A record holds more than {MOST_BEATS} heart beats.",
                remedy="No health export has one; the file is damaged or hostile.",
            )
        self._parsing.records += 1
        self._beats.append(Beat(attributes.get("time"), attributes.get("bpm"), self._list_begins))
        self._list_begins = False

    def _statistic(self, workout: dict[str, object], attributes: dict[str, str]) -> None:
        statistics = workout.setdefault("statistics", [])
        if isinstance(statistics, list) and len(statistics) < _MOST_STATISTICS:
            statistics.append({key: attributes[key] for key in _STATISTIC_FACTS if key in attributes})
        else:
            self._parsing.ignore("WorkoutStatistics")


def _weight(row: PulledRow) -> int:
    beats = row[BEATS]
    texts = sum(map(len, filter(None, row[:POSITION])))  # type: ignore[arg-type]  # texts, see `POSITION`
    return 1 + (len(beats) if isinstance(beats, list) else 0) + texts // _CHARACTERS_OF_A_ROW


def _check_root(name: str) -> None:
    if name != "HealthData":
        raise SourceError("The XML is not a health export.", remedy="Give the export.xml of Apple Health.")
