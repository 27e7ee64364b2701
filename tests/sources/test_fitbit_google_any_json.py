"""Fitbit and Google Fit documents in which one value is anything else: still rows, counts or one error."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from shelflife.sources.registry import ADAPTERS
from shelflife.sources.source import HEAD_BYTES, ByteSource
from tests.sources.reading import NOW
from tests.sources.synthetic import fitbit, google_fit

DOCUMENTS = [
    content for content in (fitbit.seeds() | google_fit.seeds()).values() if content.startswith((b"{", b"["))
]
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(deeper for key, one in inner for deeper in places(one, (*path, key)))]


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_any_value_anywhere(data: st.DataObject) -> None:
    document = json.loads(data.draw(st.sampled_from(DOCUMENTS)))
    *path, last = data.draw(st.sampled_from(places(document)[1:]))
    parent = document
    for key in path:
        parent = parent[key]
    parent[last] = data.draw(ANYTHING)
    content = json.dumps(document).encode()
    for adapter in ADAPTERS:
        if adapter.name.startswith(("fitbit", "google_fit")) and adapter.recognises(content[:HEAD_BYTES]):
            parsing = adapter.parse(ByteSource.from_bytes(content), now=NOW, zone="Europe/London")
            rows = sum(batch.num_rows for batch in parsing)
            assert parsing.records == rows + parsing.ignored.total()
