"""Turning the rows of a Health Connect database into observations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shelflife.errors import SourceError
from shelflife.sources import health_connect_tables as known
from shelflife.sources.health_connect_select import Records, instant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shelflife.sources.health_connect_database import Database
    from shelflife.sources.observations import Observation
    from shelflife.sources.source import Parsing

_LONGEST_TEXT = 64
# Android's Double.MIN_VALUE and -1 stand for a number that was not given; so does a heart at rest that does not beat.
_SMALLEST, _ABSENT = 1e-300, -1
_RATES = frozenset({"heart_rate", "resting_heart_rate"})
_SIGNED = frozenset({"skin_temperature_delta", "body_temperature"})


def observations(database: Database, parsing: Parsing) -> Iterator[Observation]:
    """Yield what every table holds; what becomes no row is counted in `ignored`.

    Raises:
        SourceError: it is another database, or damaged.
    """
    main = {known.SLEEP, known.EXERCISE, known.GLUCOSE, *(table.name for table in known.RECORDS)}
    if not database.has(known.APPLICATIONS) or not database.tables & main:
        raise SourceError(
            "A database is not that of Health Connect.", remedy="Give the export as the phone wrote it."
        )
    records = Records(database, parsing.profile)
    for table in known.RECORDS:
        yield from _numbers(records, table)
    for series in known.SERIES:
        yield from _series(records, series)
    yield from _glucose(records)
    yield from _nights(records)
    yield from _stages(records, parsing)
    yield from _exercises(records)
    _count_others(database, parsing, main)


def _numbers(records: Records, table: known.RecordTable) -> Iterator[Observation]:
    for (value,), record in records.own(table.name, (table.column,), interval=table.interval):
        number = _number(table.signal, value)
        yield {**record, **number, "unit": table.unit, "statistic": table.statistic}


def _series(records: Records, table: known.SeriesTable) -> Iterator[Observation]:
    wanted = (table.column, "epoch_millis")
    for (value, moment), record in records.within(table.name, table.parent, wanted):
        when: Observation = {"start": instant(moment), "end": instant(moment)}
        number = _number(table.signal, value)
        yield {**record, **when, **number, "unit": table.unit, "statistic": "instant"}


def _glucose(records: Records) -> Iterator[Observation]:
    for (value, specimen), record in records.own(known.GLUCOSE, ("level", "specimen_source"), interval=False):
        # The codes are stored as text.
        signal = known.GLUCOSE_OF_SPECIMEN.get(str(specimen))
        app = record["source_app"] or ""
        if str(specimen) == known.UNKNOWN_SPECIMEN and app.startswith(known.SENSOR_PACKAGES):
            signal = "glucose_interstitial"
        yield {**record, **_number(signal, value), "unit": "mmol/L", "statistic": "instant"}


def _nights(records: Records) -> Iterator[Observation]:
    for (awake,), record in records.nights():
        start, end = record["start"], record["end"]
        night: Observation = {**record, "signal": "sleep_episode", "unit": "ms", "statistic": "sum"}
        if isinstance(start, int) and isinstance(end, int):
            night["value"] = (end - start) // 1000 - (awake if isinstance(awake, int) else 0)
        yield night


def _stages(records: Records, parsing: Parsing) -> Iterator[Observation]:
    wanted = ("stage_type", "stage_start_time", "stage_end_time")
    for (code, start, end), record in records.within(known.STAGES, known.SLEEP, wanted):
        if code == known.UNKNOWN_STAGE:
            parsing.ignore(f"{known.STAGES}/unknown")
            continue
        when: Observation = {"start": instant(start), "end": instant(end)}
        stage = known.STAGE_OF_CODE.get(code) if isinstance(code, int) else None
        yield {**record, **when, **_coded("sleep_stage", code, stage)}


def _exercises(records: Records) -> Iterator[Observation]:
    for (code,), record in records.own(known.EXERCISE, ("exercise_type",), interval=True):
        known_code = isinstance(code, int) and 0 <= code < len(known.EXERCISES)
        yield {**record, **_coded("workout", code, known.EXERCISES[code] if known_code else None)}


def _number(signal: str | None, value: object) -> Observation:
    """Return signal and value, the latter missing where a number stands for none."""
    given = value if isinstance(value, int | float) else _as_text(value)
    missing = isinstance(given, int | float) and (
        0 < abs(given) < _SMALLEST
        or (given == _ABSENT and signal not in _SIGNED)
        or (given == 0 and signal in _RATES)
    )
    if missing:
        return {"signal": signal, "value": None, "value_raw": str(given), "problem": "missing_value"}
    return {"signal": signal, "value": given}


def _coded(signal: str, code: object, name: str | None) -> Observation:
    return {
        "signal": signal,
        "value": name,
        "value_raw": _as_text(code),
        "problem": "unknown_code" if name is None else None,
    }


def _as_text(value: object) -> str | None:
    if value is None:
        return None
    return "bytes" if isinstance(value, bytes) else str(value)[:_LONGEST_TEXT]


def _count_others(database: Database, parsing: Parsing, main: set[str]) -> None:
    """Count the records that hold no sample, and those that only hold the samples of a series."""
    parents = {table.parent for table in known.SERIES}
    for name in (*known.UNUSED, *sorted(parents)):
        if rows := database.count(name):
            parsing.ignore(name, rows)
    read = main | parents | {known.STAGES, *known.UNUSED, *(table.name for table in known.SERIES)}
    for name in sorted(database.tables - read):
        # Later versions have further types of records.
        if name.endswith(known.RECORD_TABLE_ENDS) and (rows := database.count(name)):
            parsing.ignore("other_record_table", rows)
