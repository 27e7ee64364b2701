"""The statements that read the records of a Health Connect database, and what every record has: origin and time."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any

from shelflife.errors import SourceError
from shelflife.sources.device_labels import known_maker, known_model
from shelflife.sources.health_connect_database import quoted
from shelflife.sources.health_connect_tables import (
    APPLICATIONS,
    AWAKE_CODES,
    DEVICES,
    MANUAL_ENTRY,
    SLEEP,
    STAGES,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from shelflife.sources.clocks import Time
    from shelflife.sources.health_connect_database import Database
    from shelflife.sources.observations import Observation
    from shelflife.sources.source import ProfileFacts

_ORIGIN = ("uuid", "last_modified_time", "app_info_id", "device_info_id", "recording_method")
_INSTANT = ("time", "zone_offset", "time")
_INTERVAL = ("start_time", "start_zone_offset", "end_time")
_NULLABLE = frozenset({*_ORIGIN, "zone_offset", "start_zone_offset"})
_MOST_LABELS = 10_000
_OTHER_APP = "third_party"
_UUID_BYTES = 16
_LATEST_MS = 10**15
_MAX_OFFSET_S = 18 * 3600
_PACKAGE = re.compile(r"[A-Za-z]\w{0,40}(?:\.[A-Za-z]\w{0,40}){1,9}", re.ASCII)


class Records:
    """Reads tables of records.

    Args:
        database: the open database.
        profile: gets names of devices that may be their owners' own.
    """

    def __init__(self, database: Database, profile: ProfileFacts) -> None:
        self._database, self._profile = database, profile
        self._apps = {
            row_id: package if package and _PACKAGE.fullmatch(package) else _OTHER_APP
            for row_id, (package,) in self._labels(APPLICATIONS, ("package_name",))
        }
        self._devices = {
            row_id: (self._known(make, known_maker), self._known(model, known_model))
            for row_id, (make, model) in self._labels(DEVICES, ("manufacturer", "model"))
        }

    def own(
        self, table: str, wanted: Sequence[str], *, interval: bool
    ) -> Iterator[tuple[Sequence[Any], Observation]]:
        """Yield the columns `wanted` of each record of a table, and what every record has."""
        if self._database.has(table):
            names = (*_ORIGIN, *(_INTERVAL if interval else _INSTANT))
            yield from self._read(table, self._columns(table, (*wanted, *names), "t"), len(wanted))

    def within(
        self, table: str, parent: str, wanted: Sequence[str]
    ) -> Iterator[tuple[Sequence[Any], Observation]]:
        """Yield the columns `wanted` of each row of a table, and what the record has that it belongs to.

        Its id is the `parent_id` of the observation; start and end have to be replaced by those of the row.
        """
        if not self._database.has(table) or not self._database.has(parent):
            return
        columns = [*self._columns(table, wanted, "t"), *self._columns(parent, (*_ORIGIN, *_INTERVAL), "r")]
        join = f"LEFT JOIN {quoted(parent)} AS r ON r.row_id = t.parent_key"
        for values, observation in self._read(table, columns, len(wanted), join):
            observation["parent_id"] = observation["source_record_id"]
            observation["source_record_id"] = None
            yield values, observation

    def nights(self) -> Iterator[tuple[Sequence[Any], Observation]]:
        """Yield the milliseconds awake of each sleep session, null when it has no such stages, and the session."""
        if not self._database.has(STAGES):
            yield from (((None,), night) for _, night in self.own(SLEEP, (), interval=True))
        elif self._database.has(SLEEP):
            codes = ", ".join(str(code) for code in AWAKE_CODES)
            columns = ["a.awake", *self._columns(SLEEP, (*_ORIGIN, *_INTERVAL), "t")]
            join = (
                "LEFT JOIN (SELECT parent_key, sum(stage_end_time - stage_start_time) AS awake "
                f"FROM {quoted(STAGES)} NOT INDEXED WHERE stage_type IN ({codes}) GROUP BY parent_key) AS a "
                "ON a.parent_key = t.row_id"
            )
            yield from self._read(SLEEP, columns, 1, join)

    def _read(
        self, table: str, columns: Sequence[str], wanted: int, join: str = ""
    ) -> Iterator[tuple[Sequence[Any], Observation]]:
        for row in self._database.scan(table, columns, join):
            yield row[:wanted], self._observation(row[wanted:], table)

    def _observation(self, row: Sequence[Any], path: str) -> Observation:
        identity, modified, app, device, method, start, offset, end = row
        make, model = self._devices.get(device, (None, None))
        return {
            "source_record_id": _identity(identity),
            "modified": None if modified is None else instant(modified),
            "source_app": self._apps.get(app, _OTHER_APP),
            "device_make": make,
            "device_model": model,
            "modality": "self_reported" if method == MANUAL_ENTRY else "sensed",
            "start": instant(start),
            "end": instant(end),
            "offset_min": _minutes(offset),
            "path": path,
        }

    def _labels(self, table: str, wanted: Sequence[str]) -> Iterator[tuple[object, tuple[str | None, ...]]]:
        if self._database.has(table):
            columns = self._columns(table, ("row_id", *wanted), "t")
            for row_id, *texts in self._database.scan(table, columns, f"LIMIT {_MOST_LABELS}"):
                yield row_id, tuple(text if isinstance(text, str) else None for text in texts)

    def _known(self, text: str | None, known: Callable[[object], str | None]) -> str | None:
        """Return what is known of a maker or model; a text with more in it may be what its owner calls it."""
        found = known(text)
        if text and found != text:
            self._profile.note_source(text)
        return found

    def _columns(self, table: str, names: Sequence[str], alias: str) -> list[str]:
        """Return columns for a SELECT; what an older version of the database lacks is null.

        Raises:
            SourceError: a column is missing that there is no record without.
        """
        stored = self._database.columns(table)
        if not stored.issuperset(set(names) - _NULLABLE):
            raise SourceError(
                f"The table {table} lacks a column.",
                remedy="Give the export as the phone wrote it, unchanged.",
            )
        return [f"{alias}.{quoted(name)}" if name in stored else "NULL" for name in names]


def instant(milliseconds: object) -> Time:
    """Return a stored time in microseconds; what is no time as a text that none can be read from."""
    if milliseconds is None:
        return None
    if not isinstance(milliseconds, int) or abs(milliseconds) > _LATEST_MS:
        return "not a time"
    return milliseconds * 1000


def _minutes(seconds: object) -> int | None:
    return round(seconds / 60) if isinstance(seconds, int) and abs(seconds) <= _MAX_OFFSET_S else None


def _identity(stored: object) -> str | None:
    if isinstance(stored, bytes) and len(stored) == _UUID_BYTES:
        return str(uuid.UUID(bytes=stored))
    return None
