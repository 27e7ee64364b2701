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
    builder: ijson.common.ObjectBuilder | None = None
    inside, events, depth = "", 0, 0
    try:
        for prefix, event, value in ijson.parse(guarded, buf_size=_READ_BYTES):
            guarded.unanswered = 0
            depth += (event in _OPENING) - (event in _CLOSING)
            if depth > MAX_DEPTH:
                raise _hostile(f"nested deeper than {MAX_DEPTH} levels")
            if builder is None:
                if prefix not in prefixes or event == "map_key":
                    continue
                if event not in _OPENING:
                    yield prefix, value
                    continue
                builder, inside, events = ijson.common.ObjectBuilder(), prefix, 0
            events += 1
            if events > MAX_ITEM_EVENTS:
                raise _hostile("one item of which is larger than any export's")
            builder.event(event, value)
            if prefix == inside and event in _CLOSING:
                finished, builder = builder.value, None
                yield inside, finished
    except (ijson.JSONError, ValueError, ArithmeticError):
        raise SourceError(
            "The file is not well-formed JSON, or it is cut off.",
            remedy="Ask for the file again; nothing of it was landed.",
        ) from None


_OPENING = frozenset({"start_map", "start_array"})
_CLOSING = frozenset({"end_map", "end_array"})


def _hostile(what: str) -> SourceError:
    return SourceError(f"The file is JSON {what}.", remedy="No export is; do not land this file.")
