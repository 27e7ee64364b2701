"""The JSON Schema (2020-12) of copies.yaml: `python -m shelflife.copies.schema FOLDER` writes it as copies.json."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from shelflife.copies.declarations import CopyDeclarations
from shelflife.policy.schema import DIALECT, Schema

FILE = "copies.json"


def copies_schema() -> Schema:
    """Return the JSON Schema of the declarations of copies."""
    return {
        "$schema": DIALECT,
        "$id": "urn:shelflife:schema:copies",
        **CopyDeclarations.model_json_schema(),
    }


def copies_schema_text() -> str:
    """Return the schema as the file holds it."""
    return json.dumps(copies_schema(), indent=2, ensure_ascii=False) + "\n"


def write_schema(folder: Path) -> None:
    """Write the schema into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_text(copies_schema_text(), encoding="utf-8")


if __name__ == "__main__":
    write_schema(Path(sys.argv[1]))
