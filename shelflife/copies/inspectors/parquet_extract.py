"""Inspects Parquet extracts: decodes every file, encrypted or not, and searches every byte of what lies there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe

from shelflife.copies.inspectors.folders import (
    PERSON,
    UNREADABLE,
    common_findings,
    contains_any,
    files_of,
    forms,
    tells_of,
)
from shelflife.copies.protocol import CopyFinding
from shelflife.errors import ShelflifeError
from shelflife.seal.file_keys import CLASSES, FOOTER, FileKeys

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from datetime import datetime
    from pathlib import Path

    from shelflife.copies.items import Opening


def open_inspector(opening: Opening) -> ParquetExtractInspector:
    """Return the inspector of a declared copy."""
    return ParquetExtractInspector(opening)


class ParquetExtractInspector:
    """Looks at one copy of Parquet files."""

    def __init__(self, opening: Opening) -> None:
        self.name = opening.name
        self._opening = opening

    def inspect(self, tokens: Collection[bytes], known: Collection[str], now: datetime) -> list[CopyFinding]:
        """Look for people, unregistered files and expired ones."""
        live = self._opening.items.live()
        files = files_of(self._opening)
        found = set(common_findings(self._opening, files, known, live, now))
        keys = {item.item: item.key for item in live}
        needles = [form for token in tokens for form in forms(token)]
        for name, path in files.items():
            if contains_any(path, needles):
                found.add(CopyFinding(self.name, PERSON, name))
            found |= set(self._decoded(name, path, keys.get(name), tokens, registered=name in keys))
        return sorted(found, key=lambda one: (one.where, one.rule))

    def _decoded(
        self, name: str, path: Path, key: bytes | None, tokens: Collection[bytes], *, registered: bool
    ) -> Iterator[CopyFinding]:
        try:
            if tells_of(_rows(name, path, key), tokens):
                yield CopyFinding(self.name, PERSON, name)
        except (pa.ArrowException, OSError, ShelflifeError):
            # What nobody registered need not be Parquet.
            if registered:
                yield CopyFinding(self.name, UNREADABLE, name)


def _rows(name: str, path: Path, key: bytes | None) -> pa.Table:
    """Return every row of a file: with its key where it has one, as plain Parquet otherwise."""
    if key is None or path.read_bytes()[:4] == b"PAR1":
        return pq.ParquetFile(path).read()
    client = FileKeys(name.partition(".")[0], key, {FOOTER, *CLASSES})
    factory = pe.CryptoFactory(lambda _: client)
    properties = factory.file_decryption_properties(pe.KmsConnectionConfig(), pe.DecryptionConfiguration())
    return pq.ParquetFile(path, decryption_properties=properties).read(use_threads=False)
