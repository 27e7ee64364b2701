"""What no single format's test covers: files read by adapters of other formats, and fields that hold any text or value."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from shelflife.sources.registry import ADAPTERS
from tests.fuzz.seeds import every_seed
from tests.sources.damage import damaged, survive
from tests.sources.reading import read

if TYPE_CHECKING:
    from shelflife.sources.source import SourceAdapter

SEEDS = {name: content for name, content in every_seed().items() if len(content) < 65_536}


@settings(max_examples=150)
@given(st.binary(max_size=300), st.sampled_from(sorted(SEEDS)))
def test_real_beginnings_with_anything_behind(tail: bytes, name: str) -> None:
    content = SEEDS[name]
    survive(content[: len(content) * 2 // 3] + tail)


@settings(max_examples=150)
@given(damaged(SEEDS), st.sampled_from(ADAPTERS))
def test_every_adapter_survives_every_file(content: bytes, adapter: SourceAdapter) -> None:
    survive(content, adapter)


@settings(max_examples=100)
@given(
    st.lists(
        st.tuples(
            st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12),
            st.text("0123456789.,-eE\"' ", max_size=8),
        ),
        max_size=8,
    )
)
def test_any_text_in_fields_of_a_table(rows: list[tuple[str, str]]) -> None:
    text = "timestamp,glucose_value_mg_dl\n" + "".join(f"{time},{value}\n" for time, value in rows)
    survive(text.encode())


@settings(max_examples=100)
@given(
    st.dictionaries(
        st.sampled_from(
            ["signal", "value", "unit", "start", "end", "subject", "window_s", "tz", "modified", "statistic"]
        ),
        st.one_of(
            st.none(),
            st.text(max_size=30),
            st.integers(),
            st.floats(),
            st.booleans(),
            st.lists(st.none(), max_size=2),
        ),
    )
)
def test_any_json_in_a_sample(sample: dict[str, object]) -> None:
    first = {"signal": "heart_rate", "value": 1, "start": "2026-11-03T07:30:00Z"}
    table, _ = read("\n".join([json.dumps(first), json.dumps(sample)]).encode())
    assert table.num_rows == 2
