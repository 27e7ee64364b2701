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

from shelflife.copies.inspectors.folders import (
    PERSON,
    UNREADABLE,
    common_findings,
    contains_any,
    files_of,
    forms,
)
from shelflife.copies.protocol import CopyFinding
from shelflife.errors import SealBroken
from shelflife.seal.block_keys import expand
from shelflife.seal.values import open_value

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from datetime import datetime
    from pathlib import Path

    from shelflife.copies.items import KeyedItem, Opening


def open_inspector(opening: Opening) -> SqliteCacheInspector:
    """Return the inspector of a declared copy."""
    return SqliteCacheInspector(opening)


class SqliteCacheInspector:
    """Looks at one SQLite cache."""

    def __init__(self, opening: Opening) -> None:
        self.name = opening.name
        self._opening = opening

    def inspect(self, tokens: Collection[bytes], known: Collection[str], now: datetime) -> list[CopyFinding]:
        """Look for people, unregistered files and expired ones."""
        live = self._opening.items.live()
        files = files_of(self._opening)
        found = list(common_findings(self._opening, files, known, live, now))
        needles = [form for token in tokens for form in forms(token)]
        needles += [tag for item in live if item.key for tag in self._tags(item.key, tokens)]
        for name, path in files.items():
            if contains_any(path, needles):
                found.append(CopyFinding(self.name, PERSON, name))
        for item in live:
            if item.item in files:
                found += self._decoded(item, files[item.item], tokens)
        return sorted(set(found), key=lambda one: (one.where, one.rule))

    def _tags(self, key: bytes, tokens: Collection[bytes]) -> Iterator[bytes]:
        """Yield the tags that these people's values would have."""
        tag_key = expand(key, b"shelflife/v1/copy-tag")
        for dataset in self._opening.datasets:
            for token in tokens:
                fields = (b"rows", dataset.encode(), token)
                place = b"".join(struct.pack(">I", len(field)) + field for field in fields)
                yield hmac.digest(tag_key, place, "sha256")[:16]

    def _decoded(self, item: KeyedItem, path: Path, tokens: Collection[bytes]) -> Iterator[CopyFinding]:
        """Open every value and look for the tokens in what is inside."""
        if item.key is None:
            yield CopyFinding(self.name, UNREADABLE, item.item)
            return
        try:
            with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as db:
                for tag, sealed in db.execute("SELECT tag, sealed FROM entry"):
                    padded = open_value(item.key, sealed, ("sqlite-cache", item.item, tag))
                    content = zstandard.ZstdDecompressor().decompressobj().decompress(padded)
                    if any(token in content for token in tokens):
                        yield CopyFinding(self.name, PERSON, item.item)
        except (sqlite3.Error, SealBroken, zstandard.ZstdError):
            yield CopyFinding(self.name, UNREADABLE, item.item)
