"""Samples as a FHIR R4 Bundle of Observations, written one resource at a time. Pure.

Sources: hl7.org/fhir/R4 (Observation, Bundle, Device); HL7 Personal Health Device and CGM 1.0.0 implementation guides.
Only signals with an established LOINC code become Observations; dictionary.json lists the codes. Where a source gave no
time zone, the wall-clock time stands as UTC, and the Observation's note says so.
"""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from shelflife.rights.export.labels import FLAG_LABELS, SIGNAL_LABELS, UNIT_LABELS, readable
from shelflife.rights.export.markup import sentence
from shelflife.signals.sample import QualityFlag, sample_ids
from shelflife.signals.vocabulary import SIGNALS

if TYPE_CHECKING:
    from typing import BinaryIO

    import pyarrow as pa

    from shelflife.rights.export.contents import Facts

Resource = dict[str, Any]
Words = Mapping[str, Any]

_LOINC, _UCUM = "http://loinc.org", "http://unitsofmeasure.org"
_CATEGORIES = "http://terminology.hl7.org/CodeSystem/observation-category"
_GENDERS = {"female": "female", "male": "male", "other": "other"}
_CATEGORY_OF: Mapping[str, str] = MappingProxyType(
    {
        "heart_rate": "vital-signs",
        "resting_heart_rate": "vital-signs",
        "hrv_sdnn": "vital-signs",
        "respiratory_rate": "vital-signs",
        "spo2": "vital-signs",
        "body_temperature": "vital-signs",
        "body_weight": "vital-signs",
        "glucose_interstitial": "laboratory",
        "glucose_capillary": "laboratory",
    }
)
# The vital-signs profile of oxygen saturation asks for this code beside that of pulse oximetry.
_FURTHER_CODES = {"spo2": "2708-6"}
_NO_ZONE = FLAG_LABELS["TZ_UNKNOWN"]
_ROWS_AT_ONCE = 8_192
# A FHIR dateTime has no offset beyond 14 hours.
_FURTHEST_MINUTES = 14 * 60


@dataclass
class Observations:
    """Turns rows into Observations, and remembers the devices that they name.

    Attributes:
        subject_key: the person's key for the ids of samples, 16 bytes; an id tells nothing without it.
        patient: the reference to the person.
    """

    subject_key: bytes = field(repr=False)
    patient: str
    _devices: dict[tuple[str, ...], str] = field(default_factory=dict)

    def of(self, rows: pa.Table) -> Iterator[tuple[str, Resource]]:
        """Yield (full URL, Observation) for each row (`SAMPLE_SCHEMA`) whose signal has a LOINC code."""
        for start in range(0, rows.num_rows, _ROWS_AT_ONCE):
            part = rows.slice(start, _ROWS_AT_ONCE)
            ids = sample_ids(self.subject_key, part).to_pylist()
            for sample_id, row in zip(ids, part.to_pylist(), strict=True):
                signal = SIGNALS.get(row["signal"])
                if signal is not None and signal.loinc is not None:
                    yield _urn(sample_id), self._observation(sample_id, row)

    def devices(self) -> Iterator[tuple[str, Resource]]:
        """Yield (full URL, Device) for each device that an Observation so far named."""
        for (make, model, software), url in self._devices.items():
            device: Resource = {"resourceType": "Device", "id": url.removeprefix("urn:uuid:")}
            if make:
                device["manufacturer"] = make
            if model:
                device["deviceName"] = [{"name": model, "type": "model-name"}]
            if software:
                device["version"] = [{"value": software}]
            yield url, device

    def _observation(self, sample_id: bytes, row: Words) -> Resource:
        name = row["signal"]
        found: Resource = {
            "resourceType": "Observation",
            "id": str(uuid.UUID(bytes=sample_id)),
            "status": "final",
            **_kind(name),
            "subject": {"reference": self.patient},
            **_effective(row),
            **_value(row),
        }
        device = self._device(row)
        if device:
            found["device"] = {"reference": device}
        if row["modality"]:
            found["method"] = {"text": row["modality"].replace("_", " ")}
        notes = _notes(row["quality_flags"] or 0, row["tz_basis"])
        if notes:
            found["note"] = [{"text": text} for text in notes]
        return found

    def _device(self, row: Words) -> str | None:
        words = tuple(row[name] or "" for name in ("device_make", "device_model", "device_sw"))
        if not any(words):
            return None
        return self._devices.setdefault(words, _urn(uuid.uuid4().bytes))


def write_bundle(
    tables: Iterable[Iterable[pa.Table]],
    sink: BinaryIO,
    *,
    subject_key: bytes,
    facts: Facts,
    made_at: dt.datetime,
) -> int:
    """Write a Bundle of type `collection`: the Patient, every Observation, then the Devices.

    Args:
        tables: batches of samples of each stream.
        sink: where to.
        subject_key: the person's key for the ids of samples, 16 bytes.
        facts: the profile facts that go out.
        made_at: the Bundle's timestamp.

    Returns:
        The number of Observations.
    """
    patient = _urn(uuid.uuid4().bytes)
    observations = Observations(subject_key, patient)
    stamp = made_at.astimezone(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    head = {"resourceType": "Bundle", "type": "collection", "timestamp": stamp}
    sink.write(json.dumps(head)[:-1].encode() + b', "entry": [\n')
    sink.write(_entry(patient, _patient(patient, facts)))
    count = 0
    for batches in tables:
        for rows in batches:
            lines = [b",\n" + _entry(url, resource) for url, resource in observations.of(rows)]
            sink.write(b"".join(lines))
            count += len(lines)
    sink.writelines(b",\n" + _entry(url, device) for url, device in observations.devices())
    sink.write(b"\n]}\n")
    return count


def _entry(url: str, resource: Resource) -> bytes:
    return json.dumps({"fullUrl": url, "resource": resource}, ensure_ascii=False).encode("utf-8", "replace")


def _urn(raw: bytes) -> str:
    return f"urn:uuid:{uuid.UUID(bytes=raw)}"


def _patient(url: str, facts: Facts) -> Resource:
    found: Resource = {"resourceType": "Patient", "id": url.removeprefix("urn:uuid:")}
    family, given, born = facts.get("family_name"), facts.get("given_name"), facts.get("birth_date")
    name = {k: v for k, v in (("family", family), ("given", [given] if given else None)) if v}
    if name:
        found["name"] = [name]
    if facts.get("sex") in _GENDERS:
        found["gender"] = facts["sex"]
    if isinstance(born, str) and _is_date(born):
        found["birthDate"] = born
    return found


def _is_date(text: str) -> bool:
    try:
        return dt.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


@cache
def _kind(name: str) -> Resource:
    """Return the category and the code of a signal."""
    codes = [SIGNALS[name].loinc, *([_FURTHER_CODES[name]] if name in _FURTHER_CODES else [])]
    category = {"system": _CATEGORIES, "code": _CATEGORY_OF.get(name, "activity")}
    return {
        "category": [{"coding": [category]}],
        "code": {
            "coding": [{"system": _LOINC, "code": code} for code in codes],
            "text": readable(name, SIGNAL_LABELS),
        },
    }


def _effective(row: Words) -> Resource:
    start, end = row["start_utc"], row["end_utc"]
    if end is None or end == start:
        return {"effectiveDateTime": _time(start, row["utc_offset_min"])}
    offset = row["utc_offset_min"]
    return {"effectivePeriod": {"start": _time(start, offset), "end": _time(end, offset)}}


def _time(instant: dt.datetime, offset_min: int | None) -> str:
    """Return a FHIR dateTime, with the offset of where the person was, when it is known."""
    known = offset_min is not None and abs(offset_min) <= _FURTHEST_MINUTES
    zone = dt.timezone(dt.timedelta(minutes=offset_min if known and offset_min else 0))
    return instant.astimezone(zone).isoformat(timespec="milliseconds")


def _value(row: Words) -> Resource:
    if row["value_num"] is None:
        return {"valueCodeableConcept": {"text": row["value_code"]}}
    quantity: Resource = {"value": row["value_num"]}
    if row["comparator"] in ("<", ">"):
        quantity["comparator"] = row["comparator"]
    unit = row["unit_ucum"]
    return {"valueQuantity": quantity | {"unit": UNIT_LABELS.get(unit, unit), "system": _UCUM, "code": unit}}


@cache
def _notes(flags: int, basis: str | None) -> list[str]:
    words = [FLAG_LABELS[flag.name] for flag in QualityFlag if flags & flag and flag.name]
    if basis == "unknown" and _NO_ZONE not in words:
        words.append(_NO_ZONE)
    return [sentence(word) + "." for word in words]
