"""Pulling the records out of an Apple Health export.xml as a stream, in bounded memory.

The document type is cut off before the XML parser sees the file: iOS 16 and later write one that is not well formed,
and without it there is nothing to expand. Entity declarations are refused outright.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from xml.parsers import expat

from shelflife.errors import SourceError
from shelflife.sources.apple_types import SIGNAL_OF_TYPE, WORKOUT_TYPE, type_key, workout_code

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shelflife.sources.containers import ByteStream
    from shelflife.sources.source import Parsing

TYPE, VALUE, UNIT, SOURCE, DEVICE, START, END, CREATED, ENTERED, ZONE, RECORD_ID, POSITION = range(12)
"""Places in a pulled row."""

PulledRow = list["str | int | None"]
_READ_BYTES = 256 * 1024
_LONGEST_TOKEN = 1024 * 1024
_LONGEST_PROLOG = 1024 * 1024
_DEEPEST = 12
_ROOT = b"<HealthData"
_ENTITY = re.compile(rb"<!ENTITY", re.IGNORECASE)
# Raw control characters are not XML, but some iOS versions write them (U+000B in names).
_CONTROL = bytes(byte for byte in range(1, 32) if byte not in b"\t\n\r")
_WITHOUT_CONTROL = bytes.maketrans(_CONTROL, b" " * len(_CONTROL))
_NO_RECORDS = frozenset({"ExportDate", "Me"})
_COUNTED_CHILDREN = frozenset(
    {"InstantaneousBeatsPerMinute", "WorkoutRoute", "WorkoutEvent", "WorkoutActivity"}
)
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
        rows: rows pulled and not taken yet.
        export_date: text of the ExportDate element.
    """

    def __init__(self, parsing: Parsing) -> None:
        self.rows: list[PulledRow] = []
        self.export_date: str | None = None
        self.me: dict[str, str] = {}
        self._parsing = parsing
        self._depth = 0
        self._row: PulledRow | None = None
        self._workout: dict[str, object] | None = None
        self._parser = expat.ParserCreate("utf-8")
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = _refuse
        self._parser.EntityDeclHandler = _refuse

    def read(self, stream: ByteStream) -> Iterator[None]:
        """Read the stream, pausing after each piece so that the caller can take the rows.

        Raises:
            SourceError: it is not a well-formed export, or one made to exhaust memory.
        """
        chunk, cut = _after_prolog(stream)
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
        if self._workout is not None and self._depth == 1 and name == "Workout":
            if self._row is not None:
                self._row[VALUE] = json.dumps(self._workout, ensure_ascii=False)
            self._workout = None

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
        ]
        self.rows.append(self._row)

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
        elif name in _COUNTED_CHILDREN:
            self._parsing.ignore(name)
        elif name == "WorkoutStatistics" and self._workout is not None and self._depth == 3:
            facts = {key: attributes[key] for key in _STATISTIC_FACTS if key in attributes}
            statistics = self._workout.setdefault("statistics", [])
            if isinstance(statistics, list):
                statistics.append(facts)


def _check_root(name: str) -> None:
    if name != "HealthData":
        raise SourceError("The XML is not a health export.", remedy="Give the export.xml of Apple Health.")


def _refuse(*_: object) -> None:
    raise SourceError(
        "The XML declares entities or a second document type.",
        remedy="Health exports do not; this file is made to harm. Do not land it.",
    )


def _after_prolog(stream: ByteStream) -> tuple[bytes, int]:
    """Return the bytes from the root element on that were read, and how many came before."""
    seen = b""
    while (found := seen.find(_ROOT)) < 0:
        chunk = stream.read(_READ_BYTES)
        if not chunk or len(seen) > _LONGEST_PROLOG:
            raise SourceError(
                "There is no HealthData element where an export has it.",
                remedy="Give the export.xml of Apple Health, as UTF-8 and unchanged.",
            )
        seen += chunk
    if _ENTITY.search(seen, 0, found):
        _refuse()
    return seen[found:], found
