"""JSON files of one document, of an array of them, or of one document a line (NDJSON), read the same way.

Numbers come as `int` or `decimal.Decimal`, so that what was received is kept digit for digit.
"""

from __future__ import annotations

import codecs
import io
import json
import math
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NoReturn

from shelflife.sources.containers import read_head
from shelflife.sources.delimited import text_pieces
from shelflife.sources.json_stream import items, values_of
from shelflife.sources.json_values import digest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from shelflife.sources.containers import ByteStream

LINE = "line"
"""Place of a document that is a line of its own."""
_LONGEST_TEXT = 1_000_000
_OPEN_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|\d{1,20}", re.ASCII)


@dataclass(frozen=True, repr=False)
class Document:
    """One JSON value of a file.

    Attributes:
        place: where it stands, as `json_stream.paths` writes places; `LINE` for a line of its own.
        value: what it holds; None for a line that is no JSON.
        text: the line as it stands, for a line that is no JSON.
    """

    place: str
    value: Any
    text: str | None = None


class Opened:
    """A stream whose first bytes were looked at and still come first.

    Attributes:
        head: the first bytes, at most 64 KiB.
    """

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self.head = read_head(stream)
        self._front = io.BytesIO(self.head)

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes."""
        return self._front.read(size) or self._stream.read(size)

    @property
    def has_lines(self) -> bool:
        """Whether the first line is a whole document and another one follows it."""
        first, _, rest = self.head.removeprefix(codecs.BOM_UTF8).lstrip().partition(b"\n")
        return rest.lstrip().startswith(b"{") and isinstance(_line(first), dict)


def documents(opened: Opened, places: Collection[str]) -> Iterator[Document]:
    """Yield the documents of a file, one at a time and in bounded memory.

    Args:
        opened: the file's bytes.
        places: where documents stand in a file that is one JSON value, as in `json_stream.items`.

    Raises:
        SourceError: it is not JSON, is cut off, or one document is larger than any export's.
    """
    if not opened.has_lines:
        for place, value in items(opened, places):
            yield Document(place, value)
        return
    for piece in text_pieces(opened):
        for line in piece.splitlines():
            if line.strip():
                value = _line(line)
                yield Document(LINE, value, line.decode() if value is None else None)


def text_at(head: bytes, places: Collection[str]) -> str | None:
    """Return the first text that stands at one of some places in the first bytes of a JSON file."""
    texts = (value for place, event, value in values_of(head) if event == "string" and place in places)
    return next(texts, None)


def as_text(document: object) -> str:
    """Return a document as JSON again, for quarantine; an endless one is cut."""
    return json.dumps(document, default=_as_number, ensure_ascii=False)[:_LONGEST_TEXT]


def open_id(identifier: str) -> str:
    """Return a random (UUID) or numeric id as it is and any other one as a digest, since it may hold a name."""
    return identifier if _OPEN_ID.fullmatch(identifier) else digest(identifier)


def is_number(value: object) -> bool:
    """Return whether a JSON value is a number; `true` and `false` are none."""
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _line(line: bytes) -> Any:
    """Return the JSON value of a line; None when it is none, or nested without end."""
    try:
        return json.loads(line.decode(), parse_float=Decimal, parse_constant=_refuse)
    except (ValueError, RecursionError, ArithmeticError):
        return None


def _as_number(value: object) -> float | str:
    """Return a decimal as the number that reads the same, or as text where there is none."""
    number = float(value) if isinstance(value, Decimal) else math.inf
    return number if math.isfinite(number) and Decimal(repr(number)) == value else str(value)


def _refuse(_: str) -> NoReturn:
    raise ValueError
