"""Looks for planted values in everything under some folders: file bytes, file names, and every database cell."""

from __future__ import annotations

import base64
import gzip
import sqlite3
import struct
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


def forms(canary: str | float) -> list[bytes]:
    """The ways in which a value could stand in a file."""
    if isinstance(canary, float):
        return [struct.pack("<d", canary), struct.pack(">d", canary), repr(canary).encode()]
    raw = canary.encode()
    return [raw, canary.encode("utf-16-le"), raw.hex().encode(), base64.b64encode(raw)[: len(raw) // 3 * 4]]


def hits(folders: Iterable[Path], canaries: Iterable[str | float]) -> list[str]:
    """Return where canaries were found, as "folder-relative place: which canary"; empty when none was."""
    wanted = [(position, form) for position, canary in enumerate(canaries) for form in forms(canary)]
    found = []
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            place = str(path.relative_to(folder))
            for content in (place.encode(), *_contents(path)):
                found += [f"{place}: canary {position}" for position, form in wanted if form in content]
    return sorted(set(found))


def _contents(path: Path) -> Iterator[bytes]:
    if not path.is_file():
        return
    raw = path.read_bytes()
    yield raw
    if raw[:2] == b"\x1f\x8b":
        yield gzip.decompress(raw)
    if raw[:16] == b"SQLite format 3\x00":
        yield from _cells(path)


def _cells(path: Path) -> Iterator[bytes]:
    """Every value of every table, unpacked where it is a compressed blob."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for row in connection.execute(f'SELECT * FROM "{table}"'):
                for cell in row:
                    if isinstance(cell, bytes):
                        yield cell
                        try:
                            yield zlib.decompress(cell)
                        except zlib.error:
                            continue
                    elif cell is not None:
                        yield str(cell).encode()
    finally:
        connection.close()
