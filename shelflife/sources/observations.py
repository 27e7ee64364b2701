"""Turning observations that an adapter pulls one by one into batches of parsed rows.

An adapter says what it read, in the words and units that it read it in; times, zones, units, numbers and what is wrong
with any of them are worked out here, a batch at a time and the same way for every format.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shelflife.signals.sample import MAX_BATCH_ROWS, UTC_MICROSECONDS, QualityFlag
from shelflife.signals.units import to_canonical
from shelflife.signals.vocabulary import SIGNALS, STAGES
from shelflife.sources.clocks import Stated, Time, read_times
from shelflife.sources.rows import numbers, parsed_batch, with_positions
from shelflife.sources.zones import is_zone

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from shelflife.sources.source import Parsing

_NO_TEXT = pa.scalar(None, pa.string())
_NO_NUMBER = pa.scalar(None, pa.float64())


class Observation(TypedDict, total=False):
    """What an adapter says about one row; only what it knows.

    Attributes:
        signal: name of the signal.
        value: the number as received (text, int, float or Decimal), or the code of a coded signal.
        unit: the unit as received, for numbers.
        start: start, see `Time`.
        end: end; `start` when absent.
        duration_us: length in microseconds, where the source gives that instead of an end.
        offset_min: minutes east of UTC, where the source gives them beside the time.
        zone: IANA zone of this row, where the source names it.
        tz_basis: where offset or zone come from; `sample` when absent.
        value_raw: what was received, where it differs from `value` (a vendor's code for a stage).
        comparator: `<` or `>`.
        statistic: what the number says about its interval.
        window_s: seconds that a statistic covers, where start and end do not say so.
        parent_id: episode, workout or other record that the row is a part of.
        source_app: label of the application; never a name that a person chose.
        device_make: maker of the device.
        device_model: model of the device; never a serial number.
        device_sw: its software version.
        modality: `sensed` or `self_reported`.
        source_record_id: the source's own id.
        modified: when the source last changed it, see `Time`.
        path: the record's type in its source.
        flags: quality flags that only the adapter can know.
        alias_kind: kind of `alias`.
        alias: whom the row is about, where rows name people.
        problem: why the row cannot be a sample, one of `signals.rules.PROBLEMS`.
    """

    signal: str | None
    value: str | float | Decimal | None
    unit: str | None
    start: Time
    end: Time
    duration_us: int | None
    offset_min: int | None
    zone: str | None
    tz_basis: str | None
    value_raw: str | None
    comparator: str | None
    statistic: str | None
    window_s: int | None
    parent_id: str | None
    source_platform: str | None
    source_app: str | None
    device_make: str | None
    device_model: str | None
    device_sw: str | None
    modality: str | None
    source_record_id: str | None
    modified: Time
    path: str | None
    flags: int
    alias_kind: str | None
    alias: str | None
    problem: str | None


_TEXTS = (
    "comparator",
    "statistic",
    "parent_id",
    "source_platform",
    "source_app",
    "device_make",
    "device_model",
    "device_sw",
    "modality",
    "source_record_id",
    "alias_kind",
    "alias",
)


_RECEIVED = ("value", "unit", "value_raw")
_MOST_CHARACTERS = 16 << 20
"""What the texts of waiting observations may come to: one that is set aside is kept as it was received."""
_LONGEST_US = 10**16
"""Three centuries: a longer length is no length, and would lead out of the calendar."""


class Observations:
    """Collects observations and yields them as batches of `PARSED_SCHEMA`.

    Args:
        parsing: counts a record for each observation that is added.
        common: what every observation has unless it says otherwise.
        now: what counts as the present.
        zone: the account's IANA zone, for wall-clock times; see `SourceAdapter.parse`.
        formats: strptime formats of times as text; ISO 8601 when none are given.
    """

    def __init__(
        self,
        parsing: Parsing,
        common: Observation,
        *,
        now: dt.datetime,
        zone: str | None = None,
        formats: Sequence[str] = (),
    ) -> None:
        self._parsing, self._common, self._now = parsing, common, now
        self._zone = zone if is_zone(zone) else None
        self._formats = formats
        self._rows: list[Observation] = []
        self._positions: list[int] = []
        self._characters = 0

    def add(self, observation: Observation) -> None:
        """Take one observation, which is one record of the source."""
        self._parsing.records += 1
        self._positions.append(self._parsing.records)
        self._rows.append(observation)
        for name in _RECEIVED:
            if isinstance(received := observation.get(name), str):
                self._characters += len(received)

    def full(self) -> Iterator[pa.RecordBatch]:
        """Yield a batch for every `MAX_BATCH_ROWS` observations that wait, or for fewer with long texts.

        Call it after each observation or each few.
        """
        while len(self._rows) >= MAX_BATCH_ROWS or self._characters > _MOST_CHARACTERS:
            yield self._take(min(MAX_BATCH_ROWS, len(self._rows)))

    def rest(self) -> Iterator[pa.RecordBatch]:
        """Yield what is left at the end of the file."""
        yield from self.full()
        if self._rows:
            yield self._take(len(self._rows))

    def _take(self, count: int) -> pa.RecordBatch:
        rows, self._rows = self._rows[:count], self._rows[count:]
        positions, self._positions = self._positions[:count], self._positions[count:]
        self._characters = 0
        columns = _columns(rows, self._common, self._zone, self._formats)
        return with_positions(parsed_batch(count, columns, now=self._now), positions)


def _columns(
    rows: Sequence[Observation], common: Observation, zone: str | None, formats: Sequence[str]
) -> dict[str, pa.Array]:
    given = set[str]().union(*rows)

    def column(name: str) -> list[Any]:
        default = common.get(name)
        return [row.get(name, default) for row in rows] if name in given else [default] * len(rows)

    signal = _text_array(column("signal"))
    values = [_as_text(value) for value in column("value")]
    text, unit = pa.array(values, pa.string()), _text_array(column("unit"))
    raw = _text_array(column("value_raw"))
    when, doubtful = _times(column, zone, formats)
    flags = np.array([flag or 0 for flag in column("flags")], np.int32)
    flags |= np.where(doubtful, int(QualityFlag.LOCAL_TIME_DOUBTFUL), 0).astype(np.int32)
    what = _values(signal, text, unit)
    found = {
        **{name: _text_array(column(name)) for name in _TEXTS},
        **what,
        **when,
        "signal": signal,
        "value_raw": pc.coalesce(raw, text),
        "window_s": pa.array(column("window_s"), pa.int32()),
        "record_path": _text_array(column("path")),
        "quality_flags": pa.array(flags),
    }
    own = _text_array(column("problem"))
    unknown = pc.if_else(
        pc.is_in(signal, value_set=pa.array(list(SIGNALS))), _NO_TEXT, pa.scalar("unknown_signal")
    )
    found["problem"] = pc.coalesce(own, unknown, when["problem"], what["problem"])
    return found


def _values(signal: pa.Array, text: pa.Array, unit: pa.Array) -> dict[str, pa.Array]:
    coded = pc.is_in(
        signal, value_set=pa.array([name for name, known in SIGNALS.items() if known.kind == "coded"])
    )
    number, problem = numbers(pc.if_else(coded, _NO_TEXT, text))
    number, canonical = to_canonical(signal, number, unit)
    missing = pc.if_else(pc.is_null(text), "missing_value", _NO_TEXT)
    no_unit = pc.if_else(pc.is_null(canonical), "unknown_unit", _NO_TEXT)
    stage = pc.and_(coded, pc.fill_null(pc.equal(signal, "sleep_stage"), fill_value=False))
    # A word that is no stage may be anybody's; it stays in what was received.
    other = pc.and_(stage, pc.and_(pc.is_valid(text), pc.invert(pc.is_in(text, value_set=pa.array(STAGES)))))
    missing = pc.if_else(other, "unknown_code", missing)
    text = pc.if_else(other, _NO_TEXT, text)
    return {
        "value_num": pc.if_else(coded, _NO_NUMBER, number),
        "value_code": pc.if_else(coded, text, _NO_TEXT),
        "unit_ucum": pc.if_else(coded, _NO_TEXT, canonical),
        "unit_raw": pc.if_else(coded, _NO_TEXT, unit),
        "stage": pc.if_else(stage, text, _NO_TEXT),
        "problem": pc.if_else(coded, missing, pc.coalesce(problem, no_unit)),
    }


def _times(
    column: Callable[[str], list[Any]], zone: str | None, formats: Sequence[str]
) -> tuple[dict[str, pa.Array], NDArray[np.bool_]]:
    """Return start, end, offset, zone, basis and problem of each row, and which wall-clock times are doubtful."""
    stated = Stated(column("offset_min"), column("zone"), column("tz_basis"), zone, formats)
    start, modified = read_times(column("start"), stated), read_times(column("modified"), stated)
    given_ends = column("end")
    end = read_times(given_ends, stated)
    absent = np.array([value is None for value in given_ends], bool)
    lengths = [value or 0 for value in column("duration_us")]
    endless = np.array([abs(value) > _LONGEST_US for value in lengths], bool) & absent
    length = pa.array([0 if abs(value) > _LONGEST_US else value for value in lengths], pa.int64())
    computed = pc.cast(pc.add(pc.cast(start.utc, pa.int64()), length), UTC_MICROSECONDS)
    bad_end = pc.if_else(pc.or_(pa.array(absent), pc.is_null(end.problem)), _NO_TEXT, "bad_time")
    bad_end = pc.if_else(pa.array(endless), "bad_time", bad_end)
    columns = {
        "start_utc": start.utc,
        "end_utc": pc.if_else(pa.array(absent), computed, end.utc),
        "utc_offset_min": start.offset_min,
        "iana_tz": start.zone,
        "tz_basis": start.basis,
        "source_modified_at": modified.utc,
        "problem": pc.coalesce(start.problem, bad_end),
    }
    return columns, start.doubtful | (end.doubtful & ~absent)


def _text_array(values: Sequence[str | None]) -> pa.Array:
    try:
        return pa.array(values, pa.string())
    except (pa.ArrowException, TypeError, UnicodeError):
        return pa.array([_as_text(value) for value in values], pa.string())


def _as_text(value: object) -> str | None:
    """Return a received value as text; anything but text and numbers becomes a text that no signal accepts."""
    if value is None:
        return None
    if isinstance(value, str):
        # A lone surrogate is valid JSON and no valid text.
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return type(value).__name__
    return str(value)
