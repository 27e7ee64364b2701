"""The judge of the judge: the Open mHealth JSON Schemas themselves, read from the sample files.

The IEEE 1752.1 schemas that newer versions refer to are not among the samples. Their stand-ins are the Open mHealth schemas
of the same name that they came from, without the interval that is a part of a day, which IEEE 1752.1 dropped.
"""

from __future__ import annotations

import copy
import datetime as dt
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

OMH = "https://w3id.org/openmhealth/schemas/omh/"
IEEE = "https://w3id.org/ieee/ieee-1752-schema/"
_IEEE_PARTS = (
    "unit-value-1.0",
    "time-frame-1.0",
    "time-interval-1.0",
    "date-time-1.0",
    "duration-unit-value-1.0",
    "descriptive-statistic-1.0",
    "temperature-unit-value-1.0",
)
formats = jsonschema.FormatChecker(formats=())


@formats.checks("date-time")
def _is_date_time(value: object) -> bool:
    """RFC 3339, written down a second time and differently from what it judges."""
    if not isinstance(value, str):
        return True
    parts = re.match(
        r"^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(\.\d+)?([Zz]|[+-](\d\d):(\d\d))$", value, re.ASCII
    )
    if parts is None or value.endswith("\n"):
        return False
    year, month, day, hour, minute, second = (int(parts[place]) for place in range(1, 7))
    offset = (int(parts[9] or 0), int(parts[10] or 0))
    try:
        dt.datetime(year, month, day, hour, minute, min(second, 59), tzinfo=dt.UTC)
    except ValueError:
        return False
    return second <= 60 and offset <= (23, 59) and offset[1] <= 59


class Reference:
    """Validators of the real schemas."""

    def __init__(self, samples: Path) -> None:
        folder = samples / "open_mhealth" / "schema"
        texts = {path.name: path.read_text() for path in folder.glob("*.json")}
        # A file such as `unit-value-1.x.json` holds the name of the version that it stands for.
        self._schemas: dict[str, Any] = {
            name: json.loads(text if text.lstrip().startswith("{") else texts[text.strip()])
            for name, text in texts.items()
        }
        resources = [(OMH + name, schema) for name, schema in self._schemas.items()]
        resources += [(f"{IEEE}{name}.json", self._ieee(name)) for name in _IEEE_PARTS]
        self._registry: Registry[Any] = Registry().with_resources(
            (url, Resource.from_contents(schema, default_specification=DRAFT4)) for url, schema in resources
        )

    def accepts(self, name: str, version: str, document: Any) -> bool:
        """Return whether a schema of the library accepts a document."""
        schema = {**self._schemas[f"{name}-{version}.json"]}
        schema.pop("$id", None)
        draft = jsonschema.validators.validator_for(schema)
        key = "$id" if draft is jsonschema.Draft7Validator else "id"
        schema[key] = f"{OMH}{name}-{version}.json"
        return draft(schema, registry=self._registry, format_checker=formats).is_valid(document)

    def versions(self, name: str) -> list[str]:
        """Return the versions of a name that the library has."""
        pattern = re.compile(re.escape(name) + r"-(\d\.\d)\.json")
        return sorted(match[1] for schema in self._schemas if (match := pattern.fullmatch(schema)))

    def _ieee(self, name: str) -> Any:
        newest = {"descriptive-statistic-1.0": "descriptive-statistic-1.2"}.get(name, name)
        schema = copy.deepcopy(self._schemas[f"{newest}.json"])
        if name == "time-interval-1.0":
            schema["oneOf"] = [one for one in schema["oneOf"] if "date" not in one["properties"]]
        text = json.dumps(schema).replace("-1.x.json", "-1.0.json")
        return json.loads(text)
