"""Inspects Parquet extracts: decodes every file, encrypted or not, and searches every byte of what lies there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe

from shelflife.copies.inspectors.folders import FolderInspector, tells_of
from shelflife.errors import ShelflifeError
from shelflife.seal.file_keys import CLASSES, FOOTER, FileKeys

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from shelflife.copies.items import Opening


def open_inspector(opening: Opening) -> ParquetExtractInspector:
    """Return the inspector of a declared copy."""
    return ParquetExtractInspector(opening)


class ParquetExtractInspector(FolderInspector):
    """Looks at one copy of Parquet files."""

    broken = (pa.ArrowException, OSError, ShelflifeError)

    def tells(self, name: str, path: Path, key: bytes | None, tokens: Collection[bytes]) -> bool:
        """Decode a file, encrypted or not."""
        return tells_of(_rows(name, path, key), tokens)


def _rows(name: str, path: Path, key: bytes | None) -> pa.Table:
    """Return every row of a file: with its key where it has one, as plain Parquet otherwise."""
    if key is None or path.read_bytes()[:4] == b"PAR1":
        return pq.ParquetFile(path).read()
    client = FileKeys(name.partition(".")[0], key, {FOOTER, *CLASSES})
    factory = pe.CryptoFactory(lambda _: client)
    properties = factory.file_decryption_properties(pe.KmsConnectionConfig(), pe.DecryptionConfiguration())
    return pq.ParquetFile(path, decryption_properties=properties).read(use_threads=False)
