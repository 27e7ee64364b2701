"""A stream of JSON that is made safe for the parser: no endless text, and no number that the parser cannot take.

The parser (ijson with yajl) hands whole numbers to Python, which refuses those of more than 4,300 digits; the parser goes on
with that error pending and may take the process with it. So such numbers must not reach it.
"""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING

from shelflife.errors import SourceError

if TYPE_CHECKING:
    from shelflife.sources.containers import ByteStream

READ_BYTES = 65_536
MOST_DIGITS = 4_300
"""Most digits in a row, within texts as well. Python's own limit is the same (`sys.int_info.default_max_str_digits`)."""
_MAX_TOKEN_BYTES = 16 << 20
_DIGITS = b"0123456789"
_RUN = re.compile(rb"\d*")


class Guarded:
    """A stream that refuses to feed the parser on without an event, as one endless token would fill the memory.

    Attributes:
        unanswered: bytes handed out since the parser's last event; whoever takes the events sets it back.
    """

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._start = True
        self._digits = 0
        self.unanswered = 0

    def read(self, size: int = READ_BYTES) -> bytes:
        """Return up to `size` bytes.

        Raises:
            SourceError: a text or a number is longer than any export's.
        """
        chunk = self._stream.read(min(size, READ_BYTES) if size > 0 else size)
        if self._start and chunk:
            chunk = chunk.removeprefix(codecs.BOM_UTF8)
            self._start = False
        self.unanswered += len(chunk)
        if self.unanswered > _MAX_TOKEN_BYTES:
            raise SourceError(
                "One JSON text is longer than 16 MiB.", remedy="No export has one; do not land this file."
            )
        if self._has_long_number(chunk):
            raise SourceError(
                f"One JSON number has more than {MOST_DIGITS} digits.",
                remedy="No export has one; do not land this file.",
            )
        return chunk

    def _has_long_number(self, chunk: bytes) -> bool:
        """Return whether too many digits follow each other, counted over the ends of pieces."""
        leading = _digits_from(chunk, 0)
        whole = self._digits + leading
        self._digits = whole if leading == len(chunk) else len(chunk) - len(chunk.rstrip(_DIGITS))
        # A run that is too long covers one of any places that far apart, so the others need no look.
        places = range(MOST_DIGITS, len(chunk), MOST_DIGITS)
        return whole > MOST_DIGITS or any(_run_around(chunk, place) > MOST_DIGITS for place in places)


def _digits_from(chunk: bytes, place: int) -> int:
    found = _RUN.match(chunk, place)
    return 0 if found is None else len(found[0])


def _run_around(chunk: bytes, place: int) -> int:
    """Return how many digits the run has that covers a place; 0 when there is no digit at it."""
    after = _digits_from(chunk, place)
    before = chunk[max(0, place - MOST_DIGITS) : place]
    return after and after + len(before) - len(before.rstrip(_DIGITS))
