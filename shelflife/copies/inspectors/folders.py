"""What inspectors of copies in folders share: every file that is there, its bytes, and the forms of a token."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from shelflife.copies.protocol import CopyFinding

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from datetime import datetime

    from shelflife.copies.items import KeyedItem, Opening

UNREGISTERED = "unregistered_object"
MISSING = "missing_object"
EXPIRED = "past_its_time_to_live"
PERSON = "erased_person"
UNREADABLE = "does_not_open"


def forms(token: bytes) -> list[bytes]:
    """Return the ways in which a token can stand in a file in clear."""
    return [token, token.hex().encode(), token.hex().upper().encode(), base64.b64encode(token)[:20]]


def files_of(opening: Opening) -> dict[str, Path]:
    """Return every file of a copy's folder by its name relative to it; links are not followed."""
    folder = Path(opening.location)
    found = (path for path in sorted(folder.rglob("*")) if path.is_symlink() or not path.is_dir())
    return {path.relative_to(folder).as_posix(): path for path in found}


def common_findings(
    opening: Opening,
    files: Collection[str],
    known: Collection[str],
    live: Collection[KeyedItem],
    now: datetime,
) -> Iterator[CopyFinding]:
    """Yield what is there without being registered, registered without being there, or there for too long."""
    for name in sorted(set(files) - set(known)):
        yield CopyFinding(opening.name, UNREGISTERED, name)
    for name in sorted(set(known) - set(files)):
        yield CopyFinding(opening.name, MISSING, name)
    for item in live:
        if item.expires_at is not None and item.expires_at <= now and item.item in files:
            yield CopyFinding(opening.name, EXPIRED, item.item)


def contains_any(path: Path, needles: Collection[bytes]) -> bool:
    """Tell whether any of some byte strings stands in a file as it lies on the disk."""
    if path.is_symlink() or not path.is_file():
        return False
    content = path.read_bytes()
    return any(needle in content for needle in needles)


def tells_of(rows: pa.Table, tokens: Collection[bytes]) -> bool:
    """Tell whether any cell of decoded rows holds one of some tokens, as bytes or as text."""
    needles = [form for token in tokens for form in forms(token)]
    texts = {needle.decode() for token in tokens for needle in forms(token)[1:]}
    return any(_column_tells(column, needles, texts) for column in rows.columns)


def _column_tells(column: pa.ChunkedArray, needles: Collection[bytes], texts: Collection[str]) -> bool:
    kind = column.type
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return any(needle in value for value in column.unique().to_pylist() if value for needle in needles)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return any(text in value for value in column.unique().to_pylist() if value for text in texts)
    return pa.types.is_nested(kind) and any(
        form in repr(value).encode() for value in column.to_pylist() for form in needles
    )
