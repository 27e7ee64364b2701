"""What the OpenLineage specification (2-0-2) and its facets ask of an event, written down as JSON Schemas.

The client library carries no schema files. These are written from the specification's prose and from the field names of
the client's generated classes; each facet is checked by the schema that its own `_schemaURL` names, since the core schema
says nothing about a facet's body.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]

_TEXT = {"type": "string", "minLength": 1}
_FACET = {
    "type": "object",
    "properties": {
        "_producer": {"type": "string", "format": "uri"},
        "_schemaURL": {"type": "string", "format": "uri"},
    },
    "required": ["_producer", "_schemaURL"],
}
_DATASET = {
    "type": "object",
    "properties": {"namespace": _TEXT, "name": _TEXT, "facets": {"additionalProperties": _FACET}},
    "required": ["namespace", "name"],
}
_INPUT_FIELD = {
    "type": "object",
    "properties": {
        "namespace": _TEXT,
        "name": _TEXT,
        "field": _TEXT,
        "transformations": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "type": {"enum": ["DIRECT", "INDIRECT"]},
                    "subtype": {"type": "string"},
                    "description": {"type": "string"},
                    "masking": {"type": "boolean"},
                },
                "required": ["type"],
            },
        },
    },
    "required": ["namespace", "name", "field"],
}

EVENT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "eventTime": {"type": "string", "format": "date-time"},
        "eventType": {"enum": ["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"]},
        "producer": {"type": "string", "format": "uri"},
        "schemaURL": {"const": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"},
        "run": {
            "type": "object",
            "properties": {
                "runId": {"type": "string", "format": "uuid"},
                "facets": {"additionalProperties": _FACET},
            },
            "required": ["runId"],
        },
        "job": {
            "type": "object",
            "properties": {"namespace": _TEXT, "name": _TEXT},
            "required": ["namespace", "name"],
        },
        "inputs": {"type": "array", "items": _DATASET},
        "outputs": {"type": "array", "items": _DATASET},
    },
    "required": ["eventTime", "producer", "schemaURL", "run", "job"],
}

_STEP = Path(__file__).parents[2] / "shelflife" / "lineage" / "schemas" / "StepRunFacet-1-0-0.json"

FACETS: dict[str, dict[str, Any]] = {
    "https://openlineage.io/spec/facets/1-2-0/SchemaDatasetFacet.json#/$defs/SchemaDatasetFacet": {
        "properties": {
            "fields": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "name": _TEXT,
                        "type": {"type": "string"},
                        "ordinal_position": {"type": "integer", "minimum": 1},
                    },
                    "required": ["name"],
                },
            }
        },
        "required": ["fields"],
    },
    "https://openlineage.io/spec/facets/1-2-0/ColumnLineageDatasetFacet.json#/$defs/ColumnLineageDatasetFacet": {
        "properties": {
            "fields": {
                "type": "object",
                "additionalProperties": {
                    "type": "object",
                    "properties": {"inputFields": {"type": "array", "items": _INPUT_FIELD}},
                    "required": ["inputFields"],
                },
            },
            "dataset": {"type": "array", "items": _INPUT_FIELD},
        },
        "required": ["fields"],
    },
    "https://openlineage.io/spec/facets/1-0-2/OutputStatisticsOutputDatasetFacet.json"
    "#/$defs/OutputStatisticsOutputDatasetFacet": {
        "properties": {
            "rowCount": {"type": "integer"},
            "size": {"type": "integer"},
            "fileCount": {"type": "integer"},
        }
    },
    "urn:shelflife:facets:1-0-0:StepRunFacet": json.loads(_STEP.read_text()),
}


def check_event(event: dict[str, Any]) -> set[str]:
    """Check an event and every facet in it; returns the names of the facets that were checked."""
    _check(EVENT, event)
    checked = set()
    holders = [event["run"], event["job"], *event.get("inputs", []), *event.get("outputs", [])]
    for holder in holders:
        for kind in ("facets", "inputFacets", "outputFacets"):
            for name, facet in holder.get(kind, {}).items():
                _check(_FACET, facet)
                _check(FACETS[facet["_schemaURL"]], facet)
                checked.add(name)
    return checked


def _check(schema: dict[str, Any], value: Any) -> None:
    jsonschema.Draft202012Validator(
        schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    ).validate(value)
