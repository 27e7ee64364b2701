from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelflife.errors import ConfigurationError
from shelflife.ledger.entries import MOST_BYTES, entry_bytes

NOW = dt.datetime(2026, 11, 23, 12, 0, 0, 5, tzinfo=dt.UTC)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


def test_an_entry_is_canonical_json_with_its_time() -> None:
    body = entry_bytes({"type": "land", "facts": {"b": 2, "a": [True, None, "é"]}}, NOW)
    expected = '{"at":"2026-11-23T12:00:00.000005Z","facts":{"a":[true,null,"é"],"b":2},"type":"land"}'
    assert body == expected.encode()


def test_a_given_time_is_kept() -> None:
    assert json.loads(entry_bytes({"type": "x", "at": "then"}, NOW))["at"] == "then"


@given(st.dictionaries(st.text(max_size=4), plain, max_size=4))
def test_entries_come_back_as_they_were(facts: dict[str, Any]) -> None:
    assert json.loads(entry_bytes({"type": "x", "facts": facts}, NOW))["facts"] == facts


@pytest.mark.parametrize(
    "value",
    [1.0, float("nan"), b"bytes", {1: 2}, {"a": {"b": 0.5}}, (1, 2), {1, 2}, object(), 2**53, "\ud800", NOW],
)
def test_other_values_are_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError):
        entry_bytes({"type": "x", "facts": value}, NOW)


@pytest.mark.parametrize("entry", [{}, {"type": ""}, {"type": 1}])
def test_an_entry_needs_a_type(entry: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        entry_bytes(entry, NOW)


def test_an_entry_has_a_largest_size() -> None:
    overhead = len(entry_bytes({"type": "x", "note": ""}, NOW))
    assert len(entry_bytes({"type": "x", "note": "a" * (MOST_BYTES - overhead)}, NOW)) == MOST_BYTES
    with pytest.raises(ConfigurationError):
        entry_bytes({"type": "x", "note": "a" * (MOST_BYTES - overhead + 1)}, NOW)


def test_a_bottomless_entry_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(ConfigurationError):
        entry_bytes({"type": "x", "facts": loop}, NOW)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ConfigurationError):
        entry_bytes({"type": "x"}, NOW.replace(tzinfo=None))
