"""FHIR R4 resources: synthetic, after hl7.org/fhir/R4 (Observation, Bundle, Patient, Device, SampledData)."""

from __future__ import annotations

import json
from typing import Any

from tests.sources.damage import CANARY

UUID = "0a2bbf0e-9f86-4a5e-8d3c-5b1c1f0d2a11"
SERVER = "https://fhir.example.org/r4"


def coded(code: str, system: str = "http://loinc.org") -> dict[str, Any]:
    """A CodeableConcept of one code."""
    return {"coding": [{"system": system, "code": code}]}


def quantity(value: Any, code: str | None, unit: str | None = None, **more: Any) -> dict[str, Any]:
    """A Quantity in UCUM."""
    words = {"unit": unit} if unit else {}
    return {
        "value": value,
        **words,
        **({"system": "http://unitsofmeasure.org", "code": code} if code else {}),
        **more,
    }


def observation(loinc: str = "8867-4", *, without: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    """An Observation of a heart rate, unless it is said otherwise."""
    plain = {
        "resourceType": "Observation",
        "id": UUID,
        "status": "final",
        "code": coded(loinc),
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": "2026-11-03T07:25:00+01:00",
        "valueQuantity": quantity(62, "/min"),
    }
    merged = {**plain, **more}
    if any(name.startswith("value") and name != "valueQuantity" for name in more):
        merged.pop("valueQuantity")
    if any(name.startswith("effective") and name != "effectiveDateTime" for name in more):
        merged.pop("effectiveDateTime")
    return {name: value for name, value in merged.items() if name not in without}


def sampled(data: str, **more: Any) -> dict[str, Any]:
    """SampledData, one point a second."""
    plain = {"origin": {"value": 0, "code": "/min", "system": "http://unitsofmeasure.org"}, "period": 1000}
    return {**plain, "dimensions": 1, "data": data, **more}


def patient(identifier: str = "p1", **more: Any) -> dict[str, Any]:
    """A Patient."""
    name = [{"use": "official", "family": CANARY, "given": ["Ada", "M."]}]
    return {
        "resourceType": "Patient",
        "id": identifier,
        "name": name,
        "birthDate": "1980-12-10",
        "gender": "female",
        **more,
    }


def device(identifier: str = "d1") -> dict[str, Any]:
    """A Device with a serial number and a name that its owner gave it."""
    return {
        "resourceType": "Device",
        "id": identifier,
        "manufacturer": "Polar",
        "serialNumber": CANARY,
        "deviceName": [
            {"name": f"{CANARY}'s band", "type": "user-friendly-name"},
            {"name": "H10", "type": "model-name"},
        ],
        "version": [{"value": "3.1"}],
    }


def bundle(*resources: Any, server: str | None = None, **more: Any) -> bytes:
    """A Bundle; with a server every entry has its full URL."""
    entries = [{"resource": resource} for resource in resources]
    if server:
        entries = [
            {"fullUrl": f"{server}/{one['resource']['resourceType']}/{one['resource']['id']}", **one}
            for one in entries
        ]
    return json.dumps({"resourceType": "Bundle", "type": "searchset", **more, "entry": entries}).encode()


def lines(*resources: Any) -> bytes:
    """A bulk export: one resource a line."""
    return "\n".join(json.dumps(resource) for resource in resources).encode()


def seeds() -> dict[str, bytes]:
    """Small valid files with a name in them that no error may repeat."""
    measured = observation(device={"reference": "Device/d1"}, note=[{"text": CANARY}])
    points = observation(valueSampledData=sampled("60 61 E 62"))
    return {
        "fhir_single": json.dumps(measured).encode(),
        "fhir_bundle": bundle(patient(), measured, points, device()),
        "fhir_lines": lines(patient(), measured, points),
    }
