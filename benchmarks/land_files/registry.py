"""Which generator writes which format, and how a file of about a size is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.land_files import binaries, documents, texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TEXTS: dict[str, Callable[[], Iterator[str]]] = {
    "apple_health": texts.apple_health,
    "canonical_ndjson": texts.canonical_ndjson,
    "dexcom_api": documents.dexcom_api,
    "dexcom_clarity": texts.dexcom_clarity,
    "fhir_r4": documents.fhir_r4,
    "fitbit_fitabase": texts.fitbit_fitabase,
    "fitbit_takeout": documents.fitbit_takeout,
    "fitbit_takeout_tables": texts.fitbit_takeout_tables,
    "glucose_ml": texts.glucose_ml,
    "google_fit": documents.google_fit,
    "google_fit_takeout": documents.google_fit_takeout,
    "libreview": texts.libreview,
    "nightscout": documents.nightscout,
    "open_mhealth": documents.open_mhealth,
    "oura": documents.oura,
    "samsung_health": texts.samsung_health,
    "whoop": documents.whoop,
    "withings": documents.withings,
}
"""By adapter a generator without end of pieces of its file; `CLOSINGS` holds what must stand at the end."""

CLOSINGS = {
    "apple_health": "</HealthData>\n",
    "dexcom_api": "]}",
    "fitbit_takeout": "]",
    "google_fit": "]}",
    "google_fit_takeout": "]}",
    "nightscout": "]",
    "oura": "]}",
    "whoop": "]}",
    "withings": "]}}",
}

BINARIES: dict[str, Callable[[Path, int], None]] = {
    "canonical_parquet": binaries.canonical_parquet,
    "garmin_fit": binaries.garmin_fit,
    "health_connect": binaries.health_connect,
}
"""By adapter what writes a whole file of about a size."""

FORMATS = sorted({*TEXTS, *BINARIES})
"""Every format that is measured. Answers of interfaces that never grow large (Fitbit, Polar) are not."""


def write_file(name: str, path: Path, size: int) -> None:
    """Write a file of about `size` bytes."""
    if name in BINARIES:
        BINARIES[name](path, size)
        return
    written = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        for piece in TEXTS[name]():
            file.write(piece)
            written += len(piece)
            if written >= size:
                break
        file.write(CLOSINGS.get(name, ""))
