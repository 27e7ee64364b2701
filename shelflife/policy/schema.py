"""JSON Schemas (2020-12) of the policy files, for editors and for checks outside of shelflife.

`python -m shelflife.policy.schema FOLDER` writes them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from shelflife.errors import ConfigurationError
from shelflife.policy.calendars import CalendarSet
from shelflife.policy.consent import ConsentPolicy
from shelflife.policy.regimes import RegimeSet
from shelflife.policy.retention import RetentionPolicy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

Schema = dict[str, object]
DIALECT = "https://json-schema.org/draft/2020-12/schema"
_MODELS: Mapping[str, type[BaseModel]] = {
    "retention_policy": RetentionPolicy,
    "regimes": RegimeSet,
    "calendars": CalendarSet,
    "consent": ConsentPolicy,
}


def policy_schema(name: str = "retention_policy") -> Schema:
    """Return the JSON Schema of a kind of file: `retention_policy`, `regimes`, `calendars` or `consent`.

    Raises:
        ConfigurationError: there is no such kind.
    """
    if name not in _MODELS:
        raise ConfigurationError(
            "No policy file is of that kind.", remedy=f"Name one of {', '.join(_MODELS)}."
        )
    return _schema(name, _MODELS[name])


def schemas() -> dict[str, str]:
    """Return the text of every schema by file name."""
    return {
        f"{name}.json": json.dumps(_schema(name, model), indent=2, ensure_ascii=False) + "\n"
        for name, model in _MODELS.items()
    }


def write_schemas(folder: Path) -> None:
    """Write every schema into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in schemas().items():
        (folder / name).write_text(text, encoding="utf-8")


def _schema(name: str, model: type[BaseModel]) -> Schema:
    return {"$schema": DIALECT, "$id": f"urn:shelflife:schema:{name}", **model.model_json_schema()}


if __name__ == "__main__":
    write_schemas(Path(sys.argv[1]))
