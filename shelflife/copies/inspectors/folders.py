"""Inspecting copies in folders: every file that is there, its bytes, its decoded content, and the forms of a token."""

from __future__ import annotations

import base64
import uuid
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

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


class FolderInspector(ABC):
    """Looks at every file of a copy's folder: registered or not, its bytes as they lie there, and what they hold.

    A kind of copy says in `tells` how a file is decoded.
    """

    broken: ClassVar[tuple[type[Exception], ...]] = ()
    """What decoding raises when a file does not open; one that nobody registered need not."""

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
        needles += [tag for key in keys.values() if key for tag in self.tags(key, tokens)]
        for name, path in files.items():
            if contains_any(path, needles):
                found.add(CopyFinding(self.name, PERSON, name))
            found |= set(self._decoded(name, path, keys.get(name), tokens, registered=name in keys))
        return sorted(found, key=lambda one: (one.where, one.rule))

    @abstractmethod
    def tells(self, name: str, path: Path, key: bytes | None, tokens: Collection[bytes]) -> bool:
        """Decode a file and tell whether it holds one of some people.

        Raises:
            Exception: one of `broken`, when the file does not open.
        """

    def tags(self, key: bytes, tokens: Collection[bytes]) -> Iterable[bytes]:
        """Return what else would stand for people in a file under a key."""
        del key, tokens
        return ()

    def _decoded(
        self, name: str, path: Path, key: bytes | None, tokens: Collection[bytes], *, registered: bool
    ) -> Iterator[CopyFinding]:
        try:
            if self.tells(name, path, key, tokens):
                yield CopyFinding(self.name, PERSON, name)
        except self.broken:
            if registered:
                yield CopyFinding(self.name, UNREADABLE, name)


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
