"""Damaging small valid files: whatever is done to them, their adapter gives rows or a SourceError, and loses no record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from shelflife.errors import SourceError
from shelflife.sources.registry import ADAPTERS
from shelflife.sources.source import HEAD_BYTES, ByteSource
from tests.sources.reading import NOW

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CANARY = "Zyzzogeton"
"""A name to put into seeds: no error may repeat it."""
_WORDS = (
    b'"', b",", b"\r", b"\n", b"\0", b"{", b"}", b"[", b"]", b":", b"null", b"true", b"-1", b"1e400", b"9" * 40,
    b"\xef\xbb\xbf", "\u2028".encode(), b'"\\ud800"', b"2024-02-30", b"\xff",
)  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn, seeds: Mapping[str, bytes]) -> bytes:
    """A seed with some bytes changed, removed, repeated or put in."""
    content = bytearray(seeds[draw(st.sampled_from(sorted(seeds)))])
    for _ in range(draw(st.integers(1, 4))):
        place, length = draw(st.integers(0, max(len(content) - 1, 0))), draw(st.integers(0, 12))
        kind = draw(st.sampled_from(["replace", "remove", "repeat", "cut", "splice"]))
        if kind == "replace":
            content[place : place + length] = draw(st.binary(min_size=length, max_size=length))
        elif kind == "remove":
            del content[place : place + length]
        elif kind == "repeat":
            content[place:place] = bytes(content[place : place + length]) * draw(st.integers(1, 50))
        elif kind == "cut":
            del content[place:]
        else:
            content[place:place] = draw(st.sampled_from(_WORDS))
    return bytes(content)


def survive(content: bytes, adapter: str, zone: str | None = "America/New_York") -> None:
    """Parse bytes with one adapter: rows that are accounted for, or a SourceError that repeats nothing of them."""
    reader = next(one for one in ADAPTERS if one.name == adapter)
    reader.recognises(content[:HEAD_BYTES])
    parsing = reader.parse(ByteSource.from_bytes(content), now=NOW, zone=zone)
    rows: list[int] = []
    error = _refusal(lambda: rows.extend(batch.num_rows for batch in parsing))
    if error is None:
        assert parsing.records == sum(rows) + parsing.ignored.total()
    else:
        assert CANARY not in error.diagnostics()
        assert error.__cause__ is None
        assert error.__context__ is None or error.__suppress_context__
    assert not any(CANARY in word for word in parsing.ignored)


def _refusal(work: Callable[[], object]) -> SourceError | None:
    try:
        work()
    except SourceError as error:
        return error
    return None
