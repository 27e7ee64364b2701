"""What inspectors of copies in folders share: every file that is there, its bytes, and the forms of a token."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from shelflife.copies.protocol import CopyFinding

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from shelflife.copies.items import KeyedItem, Opening

UNREGISTERED = "unregistered_object"
MISSING = "missing_object"
EXPIRED = "past_its_time_to_live"
PERSON = "erased_person"
UNREADABLE = "does_not_open"


def forms(token: bytes) -> list[bytes]:
    """Return the ways in which a token can stand in a file in clear."""
    texts = [token.hex(), token.hex().upper(), str(uuid.UUID(bytes=token))]
    # The last digits of base64 also hold bits of whatever follows.
    return [token, *(text.encode() for text in texts), base64.b64encode(token)[:20]]


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
    """Tell whether any cell of decoded rows holds one of some tokens, as bytes or as text, however deep."""
    needles = [form for token in tokens for form in forms(token)]
    return any(
        _holds(value, needles)
        for column in rows.columns
        if _can_hold(column.type)
        for value in _distinct(column)
    )


def _can_hold(kind: pa.DataType) -> bool:
    numbers = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    return not (numbers or pa.types.is_temporal(kind) or pa.types.is_boolean(kind))


def _distinct(column: pa.ChunkedArray) -> Iterable[object]:
    try:
        found: list[object] = column.unique().to_pylist()
    except pa.ArrowNotImplementedError:
        return (scalar.as_py() for scalar in column)
    return found


def _holds(value: object, needles: Collection[bytes]) -> bool:
    if isinstance(value, bytes):
        return any(needle in value for needle in needles)
    if isinstance(value, Mapping):
        return any(_holds(inner, needles) for pair in value.items() for inner in pair)
    if isinstance(value, list | tuple):
        return any(_holds(inner, needles) for inner in value)
    return value is not None and any(needle in str(value).encode() for needle in needles)
