"""Reading JSON files as a stream of their items, in bounded memory, and telling formats apart by their first bytes.

Numbers come as `decimal.Decimal` or `int`, so that what was received is kept digit for digit.
"""

from __future__ import annotations

import codecs
import io
from typing import TYPE_CHECKING, Any

import ijson

from shelflife.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from shelflife.sources.containers import ByteStream

MAX_ITEM_EVENTS = 4_000_000
"""Most values that one item may hold: no export's item comes near."""
MAX_DEPTH = 64
_MAX_TOKEN_BYTES = 16 << 20
_READ_BYTES = 65_536


class _Guarded:
    """A stream that refuses to feed the parser on without an event: one endless token would fill the memory."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._start = True
        self.unanswered = 0

    def read(self, size: int = _READ_BYTES) -> bytes:
        """Return up to `size` bytes."""
        chunk = self._stream.read(min(size, _READ_BYTES) if size > 0 else size)
        if self._start and chunk:
            chunk = chunk.removeprefix(codecs.BOM_UTF8)
            self._start = False
        self.unanswered += len(chunk)
        if self.unanswered > _MAX_TOKEN_BYTES:
            raise SourceError(
                "One JSON text is longer than 16 MiB.", remedy="No export has one; do not land this file."
            )
        return chunk


def paths(head: bytes, depth: int = 4) -> frozenset[str]:
    """Return the places that the first bytes of a JSON file reach, as ijson writes them (`a.b.item.c`).

    The whole document is ``""``, an element of an array `item`. The empty set means that this is no JSON object or
    array. A head that ends in the middle is fine.

    Args:
        head: the first bytes.
        depth: how many levels below the document to look at.
    """
    text = head.removeprefix(codecs.BOM_UTF8).lstrip()
    if not text.startswith((b"{", b"[")):
        return frozenset()
    found: set[str] = set()
    try:
        for prefix, event, _ in ijson.parse(io.BytesIO(text)):
            if event not in {"end_map", "end_array", "map_key"} and prefix.count(".") < depth:
                found.add(prefix)
    except (ijson.JSONError, ValueError, ArithmeticError):
        pass
    return frozenset(found)


def items(stream: ByteStream, prefixes: Collection[str]) -> Iterator[tuple[str, Any]]:
    """Yield (place, value) for every value at one of the given places, in the order of the file.

    Args:
        stream: the file's bytes.
        prefixes: places as `paths` returns them, none of which lies inside another.

    Raises:
        SourceError: it is not JSON, is cut off, nested without end, or one item is larger than any export's.
    """
    guarded = _Guarded(stream)
    walk = _Walk(frozenset(prefixes))
    try:
        for event, value in ijson.basic_parse(guarded, buf_size=_READ_BYTES):
            guarded.unanswered = 0
            if walk.step(event, value):
                yield walk.place, walk.found
    except (ijson.JSONError, ValueError, ArithmeticError):
        raise SourceError(
            "The file is not well-formed JSON, or it is cut off.",
            remedy="Ask for the file again; nothing of it was landed.",
        ) from None


class _Walk:
    """Follows the events of a document and builds the values at the wanted places only.

    Attributes:
        place: where the last finished value stands.
        found: that value.
    """

    def __init__(self, wanted: frozenset[str]) -> None:
        self.place, self.found = "", None
        self._wanted = wanted
        self._path: list[str] = []
        self._open: list[Any] = []
        self._keys: list[str] = []
        self._events = 0

    def step(self, event: str, value: Any) -> bool:
        """Take one event. Returns whether a wanted value is finished."""
        if self._open:
            return self._inside(event, value)
        if event == "map_key":
            self._path[-1] = value
            return False
        if event in _CLOSING:
            self._path.pop()
            return False
        place = ".".join(self._path)
        if event not in _OPENING:
            self.place, self.found = place, value
            return place in self._wanted
        if place in self._wanted:
            self.place, self._events = place, 0
            return self._inside(event, value)
        self._path.append("" if event == "start_map" else "item")
        if len(self._path) > MAX_DEPTH:
            raise _too_deep()
        return False

    def _inside(self, event: str, value: Any) -> bool:
        self._events += 1
        if self._events > MAX_ITEM_EVENTS:
            raise _hostile("one item of which is larger than any export's")
        if event == "map_key":
            self._keys[-1] = value
        elif event in _CLOSING:
            self._keys.pop()
            self.found = self._open.pop()
            return not self._open
        elif event in _OPENING:
            self._begin({} if event == "start_map" else [])
        else:
            self._put(value)
        return False

    def _begin(self, container: dict[str, Any] | list[Any]) -> None:
        if self._open:
            self._put(container)
        self._open.append(container)
        self._keys.append("")
        if len(self._path) + len(self._open) > MAX_DEPTH:
            raise _too_deep()

    def _put(self, value: Any) -> None:
        holder = self._open[-1]
        if isinstance(holder, dict):
            holder[self._keys[-1]] = value
        else:
            holder.append(value)


_OPENING = frozenset({"start_map", "start_array"})
_CLOSING = frozenset({"end_map", "end_array"})


def _too_deep() -> SourceError:
    return _hostile(f"nested deeper than {MAX_DEPTH} levels")


def _hostile(what: str) -> SourceError:
    return SourceError(f"The file is JSON {what}.", remedy="No export is; do not land this file.")
