"""The plainest public parser of each format: reads every record of a file and keeps nothing, not even what it means.

No peer converts units, places times, judges values, finds duplicates or encrypts: what is compared is the price of reading.
"""

from __future__ import annotations

import csv
import json
import sqlite3
import xml.etree.ElementTree as ET
import zipfile
from typing import TYPE_CHECKING

import fitdecode
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def elements(path: Path) -> int:
    """Count records with the standard library's incremental XML parser, freeing each element."""
    count = 0
    for _, element in ET.iterparse(path):
        if element.tag == "Record":
            count += 1
        element.clear()
    return count


def csv_rows(path: Path) -> int:
    """Count rows with the standard library's CSV parser."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        return sum(1 for _ in csv.reader(file)) - 1


def json_lines(path: Path) -> int:
    """Count lines with the standard library's JSON parser."""
    with path.open("rb") as file:
        return sum(1 for line in file if json.loads(line))


def parquet_rows(path: Path) -> int:
    """Count rows with pyarrow."""
    return sum(batch.num_rows for batch in pq.ParquetFile(path).iter_batches())


def fit_messages(path: Path) -> int:
    """Count messages with fitdecode, the parser that the adapter uses, too."""
    with fitdecode.FitReader(str(path)) as reader:
        return sum(1 for frame in reader if frame.frame_type == fitdecode.FIT_FRAME_DATA)


def database_rows(path: Path) -> int:
    """Count rows of heart rate with sqlite3."""
    with zipfile.ZipFile(path) as archive, sqlite3.connect(":memory:") as connection:
        connection.deserialize(archive.read(archive.namelist()[0]))
        return sum(1 for _ in connection.execute("SELECT * FROM heart_rate_record_series_table"))


def json_document(path: Path) -> int:
    """Parse a document whole with the standard library, and count the items of its list."""
    with path.open("rb") as file:
        found = json.load(file)
    while isinstance(found, dict):
        found = next(value for value in found.values() if isinstance(value, dict | list))
    return len(found)


PEERS: dict[str, tuple[str, Callable[[Path], int]]] = {
    "apple_health": ("xml.etree", elements),
    "dexcom_clarity": ("csv", csv_rows),
    "glucose_ml": ("csv", csv_rows),
    "fitbit_fitabase": ("csv", csv_rows),
    "canonical_ndjson": ("json", json_lines),
    "canonical_parquet": ("pyarrow", parquet_rows),
    "garmin_fit": ("fitdecode", fit_messages),
    "health_connect": ("sqlite3", database_rows),
    "samsung_health": ("csv", csv_rows),
    "libreview": ("csv", csv_rows),
    "fitbit_takeout_tables": ("csv", csv_rows),
    "open_mhealth": ("json", json_lines),
    "fhir_r4": ("json", json_lines),
    **dict.fromkeys(
        (
            "dexcom_api",
            "fitbit_takeout",
            "google_fit",
            "google_fit_takeout",
            "nightscout",
            "oura",
            "whoop",
            "withings",
        ),
        ("json", json_document),
    ),
}
"""By adapter the name of the parser and how it reads a file."""
