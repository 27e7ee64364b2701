"""Open mHealth and IEEE 1752.1 documents: synthetic, after the schema library's documentation."""

from __future__ import annotations

import json
from typing import Any

from tests.sources.damage import CANARY

UUID = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"


def header(schema: str, version: str, *, namespace: str = "omh", **more: Any) -> dict[str, Any]:
    """A header of a data point, as Open mHealth has it."""
    return {
        "id": UUID,
        "creation_date_time": "2026-11-03T08:00:00Z",
        "schema_id": {"namespace": namespace, "name": schema, "version": version},
        **more,
    }


def ieee_header(schema: str, version: str, **more: Any) -> dict[str, Any]:
    """A header as IEEE 1752.1 has it."""
    return {
        "uuid": UUID,
        "schema_id": {"namespace": "ieee", "name": schema, "version": version},
        "source_creation_date_time": "2026-11-03T08:00:00Z",
        **more,
    }


def point(schema: str, version: str, body: Any, **more: Any) -> dict[str, Any]:
    """A data point."""
    return {"header": header(schema, version, **more), "body": body}


def heart_rate(value: Any = 62, time: str = "2026-11-03T07:25:00+01:00") -> dict[str, Any]:
    """A body with one heart rate."""
    return {
        "heart_rate": {"value": value, "unit": "beats/min"},
        "effective_time_frame": {"date_time": time},
    }


def lines(*documents: Any) -> bytes:
    """Documents, one a line."""
    return "\n".join(json.dumps(document) for document in documents).encode()


def seeds() -> dict[str, bytes]:
    """Small valid files with a name in them that no error may repeat."""
    origin = {"source_name": CANARY, "modality": "self-reported"}
    named = point("heart-rate", "1.1", heart_rate(), user_id=CANARY, acquisition_provenance=origin)
    night = {
        "effective_time_frame": {
            "time_interval": {
                "end_date_time": "2026-11-03T06:00:00+01:00",
                "duration": {"value": 8.5, "unit": "h"},
            }
        },
        "total_sleep_time": {"value": 7.5, "unit": "h"},
        "is_main_sleep": True,
    }
    notes = {**heart_rate(), "user_notes": CANARY}
    return {
        "omh_lines": lines(named, point("sleep-episode", "1.1", night, user_id=CANARY)),
        "omh_array": json.dumps([named, point("heart-rate", "1.0", notes)]).encode(),
        "omh_body": json.dumps(notes).encode(),
        "omh_series": json.dumps(
            {"header": ieee_header("heart-rate", "2.0"), "body": [heart_rate(), heart_rate(70)]}
        ).encode(),
        "omh_shimmer": json.dumps({"shim": "x", "timeStamp": 1, "body": [named]}).encode(),
    }
