"""Inspects a SQLite cache: opens every value, and searches every byte of every file beside it (logs, journals).

The format is written down in `shelflife.copies.sealed_cache`; nothing of that module is used here.
"""

from __future__ import annotations

import hmac
import sqlite3
import struct
from contextlib import closing
from typing import TYPE_CHECKING

import zstandard

from shelflife.copies.inspectors.folders import FolderInspector
from shelflife.errors import SealBroken
from shelflife.seal.block_keys import expand
from shelflife.seal.blocks import broken
from shelflife.seal.values import open_value

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from shelflife.copies.items import Opening


def open_inspector(opening: Opening) -> SqliteCacheInspector:
    """Return the inspector of a declared copy."""
    return SqliteCacheInspector(opening)


class SqliteCacheInspector(FolderInspector):
    """Looks at one SQLite cache."""

    broken = (sqlite3.Error, SealBroken, zstandard.ZstdError)

    def tells(self, name: str, path: Path, key: bytes | None, tokens: Collection[bytes]) -> bool:
        """Open every value of a registered cache; of another file the bytes are all that there is to look at."""
        if key is None:
            raise broken()
        found = False
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as db:
            for tag, sealed in db.execute("SELECT tag, sealed FROM entry"):
                padded = open_value(key, sealed, ("sqlite-cache", name, tag))
                content = zstandard.ZstdDecompressor().decompressobj().decompress(padded)
                found = found or any(token in content for token in tokens)
        return found

    def tags(self, key: bytes, tokens: Collection[bytes]) -> Iterator[bytes]:
        """Yield the tags that these people's values would have."""
        tag_key = expand(key, b"shelflife/v1/copy-tag")
        for dataset in self._opening.datasets:
            for token in tokens:
                fields = (b"rows", dataset.encode(), token)
                place = b"".join(struct.pack(">I", len(field)) + field for field in fields)
                yield hmac.digest(tag_key, place, "sha256")[:16]
