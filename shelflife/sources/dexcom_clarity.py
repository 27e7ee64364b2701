"""Dexcom Clarity CSV: one person a file, with the person's name and birth date as data rows.

The first rows (`FirstName`, `LastName`, `DateOfBirth`) go to the profile; device, alert and diary rows hold no glucose
and are counted. `EGV` rows are sensor readings, `Calibration` rows finger-stick values. Times are wall-clock times,
in the account's zone when it is known. `Low` and `High` mean beyond the sensor's 40 to 400 mg/dL. Serial numbers stay
out of samples.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shelflife.signals.units import GLUCOSE_MG_DL_PER_MMOL_L
from shelflife.sources.containers import open_content
from shelflife.sources.delimited import Lines, header_fields, read_lines
from shelflife.sources.profile_text import iso_date
from shelflife.sources.rows import Column, broken_batch, in_batches, parsed_batch, with_positions
from shelflife.sources.sensor_limits import sensor_glucose
from shelflife.sources.source import Parsing, SourceType
from shelflife.sources.times import iso_times
from shelflife.sources.wall_clock import in_account_zone

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    from shelflife.sources.source import ByteSource, ProfileFacts

_TIME = "Timestamp (YYYY-MM-DDThh:mm:ss)"
_EVENT, _PATIENT, _DEVICE = "Event Type", "Patient Info", "Source Device ID"
_GLUCOSE_UNITS = {"Glucose Value (mg/dL)": "mg/dL", "Glucose Value (mmol/L)": "mmol/L"}
_FACTORS = {"mg/dL": 1.0, "mmol/L": GLUCOSE_MG_DL_PER_MMOL_L}
_REQUIRED = {_TIME, _EVENT, _PATIENT, _DEVICE}
_SIGNALS = {"EGV": "glucose_interstitial", "Calibration": "glucose_capillary"}
_PROFILE = {"FirstName": "given_name", "LastName": "family_name", "DateOfBirth": "birth_date"}
_WITHOUT_GLUCOSE = (*_PROFILE, "Device", "Alert", "Insulin", "Carbs", "Exercise", "Health", "Notes", "Note")
_PHONE_APP = re.compile(r"(?:iPhone|iPad|Android) (G\d{1,2}\+?|ONE\+?)")
_CONSTANT: dict[str, Column] = {
    "unit_ucum": "mg/dL",
    "statistic": "instant",
    "source_platform": "dexcom",
    "source_app": "dexcom_clarity",
    "device_make": "Dexcom",
}


class DexcomClarity:
    """Reads a Clarity export."""

    name = "dexcom_clarity"
    title = "Dexcom Clarity"
    subject_scope: Literal["file", "row"] = "file"
    types = (
        SourceType(
            "EGV", "glucose_interstitial", "mg/dL or mmol/L", "instant", "`Low` and `High` get a comparator."
        ),
        SourceType("Calibration", "glucose_capillary", "mg/dL or mmol/L", "instant"),
    )

    def recognises(self, head: bytes) -> bool:
        """Return whether the header is Clarity's, in mg/dL or mmol/L."""
        return _accepts(header_fields(head))

    def parse(self, source: ByteSource, *, now: dt.datetime, zone: str | None = None) -> Parsing:
        """Return the parse; the rows are about the file's account, the name rows go to `profile`."""

        def rows(parsing: Parsing) -> Iterator[pa.RecordBatch]:
            with open_content(source) as stream:
                for lines in read_lines(stream, _accepts):
                    readings = _without_other_events(lines, parsing)
                    parsing.records += len(readings.positions) + len(lines.broken)
                    yield from in_batches(_samples(readings, parsing.profile, now, zone))
                    yield from in_batches(
                        broken_batch(lines.broken, lines.broken_positions, _CONSTANT, now=now)
                    )

        return Parsing(rows)


def _accepts(header: list[str]) -> bool:
    return _REQUIRED.issubset(header) and len(_GLUCOSE_UNITS.keys() & set(header)) == 1


def _without_other_events(lines: Lines, parsing: Parsing) -> Lines:
    """Count the rows that hold no glucose, take the profile out of them, and return the others."""
    event = lines.column(_EVENT)
    other = pc.fill_null(pc.is_in(event, value_set=pa.array(_WITHOUT_GLUCOSE)), fill_value=False)
    for row in lines.fields.select([_EVENT, _PATIENT]).filter(other).to_pylist():
        parsing.ignore(row[_EVENT])
        if row[_EVENT] in _PROFILE and row[_PATIENT]:
            _learn(parsing.profile, row[_EVENT], row[_PATIENT].strip())
    keep = np.flatnonzero(~np.asarray(other))
    positions = [lines.positions[row] for row in keep.tolist()]
    return Lines(lines.fields.take(pa.array(keep)), positions, lines.broken, lines.broken_positions)


def _learn(profile: ProfileFacts, event: str, text: str) -> None:
    setattr(profile, _PROFILE[event], iso_date(text) if event == "DateOfBirth" else text)


def _samples(lines: Lines, profile: ProfileFacts, now: dt.datetime, zone: str | None) -> pa.RecordBatch:
    glucose = next(name for name in _GLUCOSE_UNITS if name in lines.fields.column_names)
    text, unit = lines.column(glucose), _GLUCOSE_UNITS[glucose]
    signal = _signals(lines.column(_EVENT))
    times = in_account_zone(iso_times(lines.column(_TIME)), zone)
    columns = {
        **_CONSTANT,
        **times,
        **sensor_glucose(text, _FACTORS[unit]),
        "signal": signal,
        "value_raw": text,
        "unit_raw": unit,
        "device_model": _models(lines.column(_DEVICE), profile),
        "modality": pc.if_else(pc.equal(signal, "glucose_capillary"), "self_reported", "sensed"),
        "record_path": pc.coalesce(_known_events(lines.column(_EVENT)), pa.scalar("other")),
    }
    columns["problem"] = pc.coalesce(
        pc.if_else(pc.is_null(signal), "unknown_signal", pa.scalar(None, pa.string())),
        times["problem"],
        columns["problem"],
    )
    return with_positions(parsed_batch(len(text), columns, now=now), lines.positions)


def _signals(event: pa.Array) -> pa.Array:
    found = pc.index_in(event, value_set=pa.array(list(_SIGNALS)))
    return pa.array(list(_SIGNALS.values())).take(found)


def _known_events(event: pa.Array) -> pa.Array:
    return pc.if_else(
        pc.is_in(event, value_set=pa.array(list(_SIGNALS))), event, pa.scalar(None, pa.string())
    )


def _models(device: pa.Array, profile: ProfileFacts) -> pa.Array:
    """Return the sensor's model where a phone's application names it; other texts can be serial numbers."""
    encoded = device.dictionary_encode()
    matches = [_PHONE_APP.fullmatch(text.strip()) for text in encoded.dictionary.to_pylist()]
    for text, match in zip(encoded.dictionary.to_pylist(), matches, strict=True):
        if match is None:
            profile.note_source(text)
    models = pa.array([match[1] if match else None for match in matches], pa.string())
    return models.take(encoded.indices)
