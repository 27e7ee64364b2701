"""Measure groups and electrocardiograms of the Withings API as rows.

A value is `value` times ten to the power of `unit`. Category 2 is what the person aims at and no measurement. `attrib` says
how a group came to this person: by a device that cannot tell who stood on it (1), or typed in (2, and 4 when the account
was made). Source: Withings API reference, "Measure - Getmeas" and "Heart v2 - List".
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from shelflife.signals.sample import QualityFlag
from shelflife.sources.json_times import epoch_seconds
from shelflife.sources.json_values import mapping, record_id, sequence, text, whole
from shelflife.sources.source import SourceType
from shelflife.sources.vendor_json import unread
from shelflife.sources.withings_models import device_model

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from shelflife.sources.observations import Observation
    from shelflife.sources.vendor_json import Row

_MEASURES: Mapping[int, tuple[str, str]] = {
    1: ("body_weight", "kg"),
    11: ("heart_rate", "bpm"),
    54: ("spo2", "%"),
    71: ("body_temperature", "Cel"),
    123: ("vo2max", "mL/kg/min"),
}
MEASURE_TYPES: tuple[SourceType, ...] = (
    *(
        SourceType(
            f"measure type {number}",
            signal,
            unit,
            "instant",
            "Groups of `attrib` 1 and 4 are of low confidence." if number == 1 else "",
        )
        for number, (signal, unit) in _MEASURES.items()
    ),
    SourceType("measure type 12", None, note="A temperature; of what is not documented."),
    SourceType("measure type 73", None, note="A temperature of the skin, no deviation from a baseline."),
    SourceType("measure types of body composition and blood pressure", None),
    SourceType("measures of category 2", None, note="What the person aims at."),
    SourceType("heart list heart_rate", "heart_rate", "bpm", "instant"),
)
_OBJECTIVE = 2
_DOUBTFUL = frozenset({1, 4})
_BY_HAND = frozenset({2, 4})
_LARGEST_EXPONENT = 20
_LARGEST_TYPE = 999


def group_rows(group: Mapping[str, Any], zone: str | None) -> Iterator[Row]:
    """Yield a row for each measure of a group.

    Args:
        group: an item of `measuregrps`.
        zone: IANA zone of the account, as the response names it.
    """
    measures, attribution = sequence(group.get("measures")), whole(group.get("attrib"))
    if not measures:
        yield "measure group without measures"
    own_zone = text(group.get("timezone"))
    common: Observation = {
        "start": epoch_seconds(group.get("date")),
        "modified": epoch_seconds(group.get("modified")),
        "zone": own_zone or zone,
        "tz_basis": "sample" if own_zone else "account",
        "statistic": "instant",
        "source_record_id": record_id(group.get("grpid")),
        "device_model": device_model(group.get("model")),
        "modality": "self_reported" if attribution in _BY_HAND else "sensed",
        "flags": int(QualityFlag.LOW_CONFIDENCE) if attribution in _DOUBTFUL else 0,
    }
    objective = whole(group.get("category")) == _OBJECTIVE
    for measure in measures:
        yield "objective" if objective else _measure(mapping(measure), common)


def _measure(measure: Mapping[str, Any], common: Observation) -> Row:
    number = whole(measure.get("type"))
    if number is None:
        return unread(measure, "measure")
    if number not in _MEASURES:
        return f"measure type {number if 0 < number <= _LARGEST_TYPE else 'other'}"
    signal, unit = _MEASURES[number]
    return {
        **common,
        **_scaled(measure),
        "signal": signal,
        "unit": unit,
        "path": f"measure/{number}",
    }


def _scaled(measure: Mapping[str, Any]) -> Observation:
    """Return value and what was received, such as `79300e-3`; a value without its exponent has no known unit."""
    value, exponent = whole(measure.get("value")), whole(measure.get("unit"))
    if value is None:
        return {"value": None}
    if exponent is None or abs(exponent) > _LARGEST_EXPONENT:
        return {"value": value, "problem": "unknown_unit"}
    return {"value": str(Decimal(value).scaleb(exponent)), "value_raw": f"{value}e{exponent}"}


def electrocardiogram_rows(record: Mapping[str, Any]) -> Iterator[Row]:
    """Yield the heart rate of an electrocardiogram; its signal is another service's."""
    if not record.get("heart_rate"):
        yield "electrocardiogram without heart rate"
        return
    yield {
        "signal": "heart_rate",
        "value": record["heart_rate"],
        "unit": "bpm",
        "statistic": "instant",
        "start": epoch_seconds(record["timestamp"]),
        "zone": text(record.get("timezone")),
        "modified": epoch_seconds(record.get("modified")),
        "path": "heart",
    }
