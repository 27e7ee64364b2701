"""Reading JSON files as a stream of their items, in bounded memory, and telling formats apart by their first bytes.

Numbers come as `decimal.Decimal` or `int`, so that what was received is kept digit for digit.
"""

from __future__ import annotations

import codecs
import io
import itertools
from typing import TYPE_CHECKING, Any

import ijson

from shelflife.errors import SourceError
from shelflife.sources.json_guard import READ_BYTES, Guarded

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from shelflife.sources.containers import ByteStream

MAX_ITEM_EVENTS = 2_000_000
"""Most values that one item may hold: seconds of a whole day come to a fifth of it."""
MAX_ITEM_CHARACTERS = 64 << 20
"""Most characters that the texts of one item may have together."""
MAX_DEPTH = 64


def paths(head: bytes, depth: int = 4) -> frozenset[str]:
    """Return the places that the first bytes of a JSON file reach, as ijson writes them (`a.b.item.c`).

    The whole document is ``""``, an element of an array `item`. The empty set means that this is no JSON object or
    array. A head that ends in the middle is fine.

    Args:
        head: the first bytes.
        depth: how many levels below the document to look at.
    """
    return frozenset(
        place for place, event, _ in values_of(head) if event not in _CLOSING and place.count(".") < depth
    )


def values_of(head: bytes) -> Iterator[tuple[str, str, Any]]:
    """Yield (place, event, value) for every value that the first bytes of a JSON file reach, objects and arrays included.

    Nothing is yielded when it is no JSON object or array. A head that ends in the middle, or is nested without end, is fine.

    Args:
        head: the first bytes.
    """
    text = head.removeprefix(codecs.BOM_UTF8).lstrip()
    if not text.startswith((b"{", b"[")):
        return
    path = _Path()
    try:
        for event, value in ijson.basic_parse(Guarded(io.BytesIO(text)), buf_size=READ_BYTES):
            if event == "map_key":
                path.name(value)
            elif event in _CLOSING:
                path.leave()
            else:
                yield path.place, event, value
                if event in _OPENING and path.enter(event) > MAX_DEPTH:
                    return
    except (ijson.JSONError, ValueError, ArithmeticError, SourceError):
        return


def items(stream: ByteStream, prefixes: Collection[str]) -> Iterator[tuple[str, Any]]:
    """Yield (place, value) for every value at one of the given places, in the order of the file.

    Args:
        stream: the file's bytes.
        prefixes: places as `paths` returns them, none of which lies inside another.

    Raises:
        SourceError: it is not JSON, is cut off, nested without end, or one item is larger than any export's.
    """
    guarded, wanted, path = Guarded(stream), frozenset(prefixes), _Path()
    events = ijson.basic_parse(guarded, buf_size=READ_BYTES)
    try:
        for event, value in events:
            guarded.unanswered = 0
            if event == "map_key":
                path.name(value)
            elif event in _CLOSING:
                path.leave()
            elif path.place in wanted:
                opening = event in _OPENING
                yield path.place, _built(event, events, guarded, path.depth) if opening else value
            elif event in _OPENING and path.enter(event) > MAX_DEPTH:
                raise _too_deep()
    except (ijson.JSONError, ValueError, ArithmeticError):
        raise SourceError(
            "The file is not well-formed JSON, or it is cut off.",
            remedy="Ask for the file again; nothing of it was landed.",
        ) from None


class _Path:
    """Where in a document its events are. Places are made once a name, however many values have it.

    Attributes:
        place: where the next value stands.
    """

    def __init__(self) -> None:
        self.place = ""
        self._holders: list[str] = []

    def name(self, key: str) -> None:
        """Take the name of the next value."""
        holder = self._holders[-1]
        self.place = f"{holder}.{key}" if holder else key

    def enter(self, event: str) -> int:
        """Go into the object or array that stands here. Returns how deep that is."""
        self._holders.append(self.place)
        if event == "start_array":
            self.place = f"{self.place}.item" if self.place else "item"
        return len(self._holders)

    def leave(self) -> int:
        """Go back to where the object or array stands, which is over. Returns how deep that is."""
        self.place = self._holders.pop()
        return len(self._holders)

    @property
    def depth(self) -> int:
        """How many objects and arrays are open."""
        return len(self._holders)


def _built(opening: str, events: Iterator[tuple[str, Any]], guarded: Guarded, depth: int) -> Any:
    """Return the object or array that was just opened, `depth` levels down. Every value of a file comes through here."""
    holder: Any = {} if opening == "start_map" else []
    outer: list[Any] = []
    key, characters = "", 0
    for event, value in itertools.islice(events, MAX_ITEM_EVENTS):
        guarded.unanswered = 0
        if event == "map_key":
            key, new = value, value
        elif event in _CLOSING:
            if not outer:
                return holder
            holder = outer.pop()
            continue
        else:
            new = {} if event == "start_map" else [] if event == "start_array" else value
            if type(holder) is dict:
                holder[key] = new
            else:
                holder.append(new)
        if type(new) is str:
            characters += len(new)
            if characters > MAX_ITEM_CHARACTERS:
                break
        elif event in _OPENING:
            outer.append(holder)
            holder = new
            if depth + len(outer) >= MAX_DEPTH:
                raise _too_deep()
    raise _hostile("one item of which is larger than any export's")


_OPENING = frozenset({"start_map", "start_array"})
_CLOSING = frozenset({"end_map", "end_array"})


def _too_deep() -> SourceError:
    return _hostile(f"nested deeper than {MAX_DEPTH} levels")


def _hostile(what: str) -> SourceError:
    return SourceError(f"The file is JSON {what}.", remedy="No export is; do not land this file.")
