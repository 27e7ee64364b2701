"""Turning pulled Apple Health records, and the heart beats inside them, into parsed rows, a batch at a time."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shelflife.signals.units import FRACTION, to_canonical
from shelflife.sources import apple_elements as place
from shelflife.sources.apple_intervals import interval_columns
from shelflife.sources.apple_types import (
    GLUCOSE_TYPE,
    OXYGEN_TYPE,
    SIGNAL_OF_TYPE,
    SLEEP_TYPE,
    STAGE_OF_VALUE,
    WORKOUT_TYPE,
    Device,
    app_label,
    is_sensor,
    names_somebody,
    read_device,
)
from shelflife.sources.json_values import digest
from shelflife.sources.rows import in_batches, numbers, parsed_batch, with_positions
from shelflife.sources.times import Times, iso_times
from shelflife.sources.zones import offsets_at

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from shelflife.sources.apple_elements import PulledRow
    from shelflife.sources.source import Parsing, ProfileFacts

_NO_TEXT = pa.scalar(None, pa.string())
_NO_NUMBER = pa.scalar(None, pa.float64())
_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
# The reader has replaced control characters by spaces, so this one is in no name.
_SEPARATOR = "\x1f"
_CONTENT = ("record_path", "start_utc", "end_utc", "value_raw", "source_app", "device_model")
_POINTER = r"^<<HKDevice: 0x[0-9a-fA-F]+>"


def apple_batches(
    pulled: Sequence[PulledRow], parsing: Parsing, *, now: dt.datetime, zone: str | None
) -> Iterator[pa.RecordBatch]:
    """Yield pulled records as parsed rows, then the intervals between the heart beats that they hold.

    Args:
        pulled: rows of `ExportReader`.
        parsing: its profile gets the names of devices and sources, which are personal; beats that end no interval are
            counted in `ignored`.
        now: the earlier of now and the export date.
        zone: IANA zone of the account, for records that name none.
    """
    *by_place, positions, beats = zip(*pulled, strict=True)
    text = [pa.array(column, pa.string()) for column in by_place]
    columns = _record_columns(text, parsing.profile, zone)
    rows = np.array([number for number, held in enumerate(beats) if held], np.int64)
    columns["source_record_id"] = _parent_ids(columns, rows)
    yield with_positions(parsed_batch(len(pulled), columns, now=now), positions)
    if len(rows):
        found = interval_columns(
            columns, [(row, positions[row], beats[row]) for row in rows.tolist()], parsing
        )
        for batch in in_batches(parsed_batch(len(found.positions), found.columns, now=now)):
            taken = found.positions[: batch.num_rows]
            del found.positions[: batch.num_rows]
            yield with_positions(batch, taken)


def _record_columns(text: Sequence[pa.Array], profile: ProfileFacts, zone: str | None) -> dict[str, Any]:
    kind, value, unit = text[place.TYPE], text[place.VALUE], text[place.UNIT]
    app, make, model, software = _origins(text[place.SOURCE], text[place.DEVICE], profile)
    start, end = iso_times(text[place.START]), iso_times(text[place.END])
    signal = _signals(kind, app)
    columns = {
        **_values(kind, signal, value, unit),
        **_zones(start, text[place.ZONE], zone),
        "signal": signal,
        "statistic": _mapped(kind, lambda name: SIGNAL_OF_TYPE[name][1]),
        "value_raw": value,
        "start_utc": start.utc,
        "end_utc": end.utc,
        "source_platform": "apple_health",
        "source_app": app,
        "device_make": make,
        "device_model": model,
        "device_sw": software,
        "modality": pc.if_else(_is(text[place.ENTERED], "1"), "self_reported", "sensed"),
        "source_record_id": _record_ids(text[place.RECORD_ID]),
        "source_modified_at": iso_times(text[place.CREATED]).utc,
        "record_path": kind,
    }
    columns["problem"] = pc.coalesce(start.problem, end.problem, columns["problem"])
    return columns


def _values(kind: pa.Array, signal: pa.Array, value: pa.Array, unit: pa.Array) -> dict[str, pa.Array]:
    """Return the number in its canonical unit, or the code, of each record."""
    sleep, workout = _is(kind, SLEEP_TYPE), _is(kind, WORKOUT_TYPE)
    coded = pc.or_(sleep, workout)
    number, problem = numbers(pc.if_else(coded, _NO_TEXT, value))
    # Apple writes a saturation of 97 % as unit "%" and value 0.97.
    fraction = pc.and_(_is(kind, OXYGEN_TYPE), pc.fill_null(pc.less_equal(number, 1), fill_value=False))
    source_unit = pc.if_else(pc.and_(fraction, _is(unit, "%")), FRACTION, unit)
    number, unit_ucum = to_canonical(signal, number, source_unit)
    stage = _mapped(pc.if_else(sleep, value, _NO_TEXT), STAGE_OF_VALUE.get)
    code = pc.if_else(workout, unit, stage)
    code_problem = pc.if_else(pc.is_null(code), "unknown_code", _NO_TEXT)
    number_problem = pc.coalesce(problem, pc.if_else(pc.is_null(unit_ucum), "unknown_unit", _NO_TEXT))
    return {
        "value_num": pc.if_else(coded, _NO_NUMBER, number),
        "value_code": code,
        "unit_ucum": unit_ucum,
        "unit_raw": pc.if_else(coded, _NO_TEXT, unit),
        "stage": stage,
        "problem": pc.if_else(coded, code_problem, number_problem),
    }


def _zones(start: Times, zone: pa.Array, account: str | None) -> dict[str, pa.Array]:
    """Return offset, zone and basis: the record's own zone, else the account's, else the offset of the exporting phone."""
    count = len(zone)
    offset = np.asarray(pc.fill_null(start.offset_min, 0)).astype(np.int16)
    basis = np.where(np.asarray(pc.is_valid(start.offset_min)), "export", "unknown").astype(object)
    stated, names = basis == "export", np.full(count, None, object)
    shifts = offsets_at(account, start.utc)
    if shifts is not None:
        placed = basis == "export"
        offset[placed], names[placed], basis[placed] = np.asarray(shifts)[placed], account, "account"
    # The zone of a wall-clock time without an offset says nothing: no export has one, and nothing was placed by it.
    for name, rows in _rows_by_text(pc.if_else(pa.array(stated), zone, _NO_TEXT)):
        own = offsets_at(name, start.utc.take(pa.array(rows)))
        if own is not None:
            offset[rows], names[rows], basis[rows] = own, name, "sample"
    known = pa.array(basis != "unknown")
    return {
        "utc_offset_min": pc.if_else(known, pa.array(offset), pa.scalar(None, pa.int16())),
        "iana_tz": pa.array(names, pa.string()),
        "tz_basis": pa.array(basis, pa.string()),
    }


def _rows_by_text(column: pa.Array) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Yield each distinct text with its rows, in time that does not grow with the number of texts times that of rows."""
    encoded = column.dictionary_encode()
    codes = np.asarray(pc.fill_null(encoded.indices, -1))
    order = np.argsort(codes, kind="stable")
    names = encoded.dictionary.to_pylist()
    ends = np.searchsorted(codes[order], np.arange(len(names) + 1))
    for code, name in enumerate(names):
        yield name, order[ends[code] : ends[code + 1]]


def _signals(kind: pa.Array, app: pa.Array) -> pa.Array:
    signal = _mapped(kind, lambda name: SIGNAL_OF_TYPE[name][0])
    sensor = _mapped(app, lambda label: "glucose_interstitial" if is_sensor(label) else None)
    return pc.if_else(_is(kind, GLUCOSE_TYPE), pc.coalesce(sensor, signal), signal)


def _origins(source: pa.Array, device: pa.Array, profile: ProfileFacts) -> list[pa.Array]:
    """Return label of the application, make, model and software; the names go to the profile."""
    # The pointer differs from process to process: without it few distinct texts remain.
    stable = pc.replace_substring_regex(device, _POINTER, "<<HKDevice>")
    joined = pc.binary_join_element_wise(
        source, stable, _SEPARATOR, null_handling="replace", null_replacement=""
    )
    codes = joined.dictionary_encode()
    origins = [_origin(pair, profile) for pair in codes.dictionary.to_pylist()]
    columns = zip(*origins, strict=True)
    return [pa.array(column, pa.string()).take(codes.indices) for column in columns]


def _origin(pair: str, profile: ProfileFacts) -> tuple[str | None, ...]:
    source, _, device_text = pair.partition(_SEPARATOR)
    device = read_device(device_text) if device_text else Device(None, None, None, None)
    for name in (source, device.name or ""):
        if name and names_somebody(name):
            profile.note_source(name)
    return app_label(source, device), device.make, device.model, device.software


def _record_ids(ids: pa.Array) -> pa.Array:
    """Return random ids as they are and others as digests: some applications put account names into them."""
    if ids.null_count == len(ids):
        return ids
    return pa.array(
        [text if text is None or _UUID.fullmatch(text) else digest(text) for text in ids.to_pylist()]
    )


def _parent_ids(columns: Mapping[str, Any], rows: NDArray[np.int64]) -> pa.Array:
    """Return the ids, with one made of the content for those records (`rows`) that hold beats and have none.

    The same record of a later export has to get the same id, whatever offset that writes the dates with.
    """
    ids = columns["source_record_id"]
    if not len(rows):
        return ids
    made = ids.to_pylist()
    content = [columns[name] for name in _CONTENT]
    for row in rows.tolist():
        made[row] = made[row] or digest(repr([str(column[row].as_py()) for column in content]))
    return pa.array(made, pa.string())


def _mapped(column: pa.Array, mapping: Callable[[str], str | None]) -> pa.Array:
    encoded = column.dictionary_encode()
    return pa.array([mapping(text) for text in encoded.dictionary.to_pylist()], pa.string()).take(
        encoded.indices
    )


def _is(column: pa.Array, text: str) -> pa.Array:
    return pc.fill_null(pc.equal(column, text), fill_value=False)
