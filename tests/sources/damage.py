"""Damaging small valid files: whatever is done to them, their adapter gives rows or a SourceError, and loses no record."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from shelflife.errors import SourceError
from shelflife.sources.registry import ADAPTERS, detect
from shelflife.sources.source import HEAD_BYTES, ByteSource
from tests.sources.reading import NOW

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pyarrow as pa

    from shelflife.sources.source import SourceAdapter

CANARY = "Zyzzogeton"
"""A name to put into seeds: no row and no error may repeat it."""
_WORDS = (
    b'"', b",", b"\r", b"\n", b"\0", b"{", b"}", b"[", b"]", b":", b"<", b"&#0;", b"null", b"true", b"-", b"-1", b"NaN",
    b"1e400", b"9" * 40, b"\xef\xbb\xbf", "\u2028".encode(), "٣".encode(), b'"\\ud800"', b"2024-02-30", b"\xff",
)  # fmt: skip
_ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)


@st.composite
def damaged(draw: st.DrawFn, seeds: Mapping[str, bytes]) -> bytes:
    """A seed with some bytes changed, removed, repeated or put in, or cut off."""
    content = bytearray(seeds[draw(st.sampled_from(sorted(seeds)))])
    for _ in range(draw(st.integers(1, 4))):
        place, length = draw(st.integers(0, max(len(content) - 1, 0))), draw(st.integers(0, 12))
        kind = draw(st.sampled_from(["replace", "flip", "remove", "repeat", "cut", "splice"]))
        if kind == "replace":
            content[place : place + length] = draw(st.binary(min_size=length, max_size=length))
        elif kind == "flip":
            content[place : place + 1] = bytes(
                byte ^ 1 << draw(st.integers(0, 7)) for byte in content[place : place + 1]
            )
        elif kind == "remove":
            del content[place : place + length]
        elif kind == "repeat":
            content[place:place] = bytes(content[place : place + length]) * draw(st.integers(1, 50))
        elif kind == "cut":
            del content[place:]
        else:
            content[place:place] = draw(st.sampled_from(_WORDS))
    return bytes(content)


@st.composite
def with_anything(draw: st.DrawFn, documents: Mapping[str, bytes]) -> bytes:
    """A JSON document in which one value is any other JSON value."""
    document = json.loads(documents[draw(st.sampled_from(sorted(documents)))])
    *path, last = draw(st.sampled_from(_places(document)[1:]))
    parent = document
    for key in path:
        parent = parent[key]
    parent[last] = draw(_ANYTHING)
    return json.dumps(document).encode()


def refusal(work: Callable[[], object]) -> SourceError | None:
    """Return the SourceError that the work ends with, if it ends with one; any other error goes through."""
    try:
        work()
    except SourceError as error:
        return error
    return None


def check_silence(error: SourceError) -> None:
    """Check that neither the error nor what a traceback would print above it repeats the data, and that it names a remedy."""
    assert CANARY not in error.diagnostics()
    assert error.remedy
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__


def survive(
    content: bytes, adapter: SourceAdapter | str | None = None, zone: str | None = "America/New_York"
) -> list[pa.RecordBatch]:
    """Parse bytes with one adapter: rows that are accounted for, or a SourceError that repeats nothing of them.

    Args:
        content: the bytes.
        adapter: the adapter or its name; the one that recognises the bytes when None.
        zone: the account's zone.

    Returns:
        The batches; those before the error, if there is one.
    """
    batches: list[pa.RecordBatch] = []
    source = ByteSource.from_bytes(content)
    if isinstance(adapter, str):
        adapter = next(one for one in ADAPTERS if one.name == adapter)
    if adapter is None:
        error = refusal(lambda: detect(source))
        if error is not None:
            check_silence(error)
            return []
    reader = adapter or detect(source)
    assert isinstance(reader.recognises(content[:HEAD_BYTES]), bool)
    parsing = reader.parse(source, now=NOW, zone=zone)
    error = refusal(lambda: batches.extend(parsing))
    if error is not None:
        check_silence(error)
    else:
        assert parsing.records == sum(batch.num_rows for batch in batches) + parsing.ignored.total()
    assert not any(CANARY in word for word in parsing.ignored)
    return batches


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(deeper for key, one in inner for deeper in _places(one, (*path, key)))]
