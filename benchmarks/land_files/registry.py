"""Which generator writes which format, and how a file of about a size is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.land_files import texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CLOSINGS = {"apple_health": "</HealthData>\n"}
FORMATS: dict[str, Callable[[], Iterator[str]]] = {
    "apple_health": texts.apple_health,
    "canonical_ndjson": texts.canonical_ndjson,
    "dexcom_clarity": texts.dexcom_clarity,
    "fitbit_fitabase": texts.fitbit_fitabase,
    "glucose_ml": texts.glucose_ml,
}
"""By adapter a generator without end of pieces of its file; `CLOSINGS` holds what must stand at the end."""


def write_file(name: str, path: Path, size: int) -> None:
    """Write a file of at least `size` bytes."""
    written = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        for piece in FORMATS[name]():
            file.write(piece)
            written += len(piece)
            if written >= size:
                break
        file.write(CLOSINGS.get(name, ""))
