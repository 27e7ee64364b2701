"""JSON made to harm: numbers that the parser cannot take, nesting and names without end, items larger than any export's."""

from __future__ import annotations

import io
import re
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shelflife.errors import SourceError
from shelflife.sources.json_guard import MOST_DIGITS, Guarded
from shelflife.sources.json_stream import MAX_DEPTH, MAX_ITEM_CHARACTERS, MAX_ITEM_EVENTS, items, paths
from shelflife.sources.registry import ADAPTERS, detect
from shelflife.sources.source import HEAD_BYTES, ByteSource

if TYPE_CHECKING:
    from collections.abc import Iterator

ENDLESS_HEADS = {
    "arrays": b"[" * HEAD_BYTES,
    "objects": b'{"a":' * (HEAD_BYTES // 5),
    "arrays in objects": b'{"a":[' * (HEAD_BYTES // 6),
    "digits": b"[" + b"1" * (HEAD_BYTES - 1),
    "a long name": b'{"' + b"k" * 30_000 + b'":[' + b"1," * 17_000,
}


def read(content: bytes, *places: str) -> list[tuple[str, Any]]:
    return list(items(io.BytesIO(content), places))


@pytest.mark.parametrize("sign", [b"", b"-"])
def test_a_whole_number_without_end_is_refused_before_the_parser_sees_it(sign: bytes) -> None:
    number = sign + b"1" * (MOST_DIGITS + 1)
    for content in (b"[" + number + b"]", b'[{"a":' + number + b"}]", b"[" + number):
        with pytest.raises(SourceError, match="digits"):
            read(content, "item")
        assert paths(content) == frozenset()
        with pytest.raises(SourceError):
            detect(ByteSource.from_bytes(content))


def test_the_longest_whole_number_is_read() -> None:
    number = "1" * MOST_DIGITS
    assert read(f"[{number}]".encode(), "item") == [("item", int(number))]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_runs_of_digits_are_counted_over_the_ends_of_pieces(data: st.DataObject) -> None:
    lengths = st.sampled_from([1, 9, MOST_DIGITS - 1, MOST_DIGITS, MOST_DIGITS + 1, 2 * MOST_DIGITS])
    content = b",".join(b"7" * length for length in data.draw(st.lists(lengths, max_size=40)))
    content = data.draw(st.binary(max_size=9)) + content
    guarded, size = Guarded(io.BytesIO(content)), data.draw(st.integers(1, 70_000))
    expected = re.search(rb"[0-9]{%d}" % (MOST_DIGITS + 1), content.removeprefix(b"\xef\xbb\xbf")) is not None
    try:
        while guarded.read(size):
            pass
    except SourceError:
        assert expected
    else:
        assert not expected


@pytest.mark.parametrize("kind", sorted(ENDLESS_HEADS))
def test_looking_at_a_head_takes_no_time(kind: str) -> None:
    begun = time.process_time()
    assert not any(adapter.recognises(ENDLESS_HEADS[kind]) for adapter in ADAPTERS)
    # Within a second on any machine; places written anew for each value took minutes.
    assert time.process_time() - begun < 10


def test_a_long_name_is_not_written_anew_for_each_value() -> None:
    content = b'{"' + b"k" * 1_000_000 + b'":[' + b"1," * 200_000 + b"1]}"
    begun = time.process_time()
    assert read(content, "item") == []
    assert time.process_time() - begun < 10


def test_places_of_values_in_objects_and_arrays() -> None:
    content = b'{"a": [{"b": 1}, [2, {"c": 3}], {"b": 4}], "d": {"e": {"f": 5}, "g": 6}, "h": 7}'
    assert paths(content) == {
        "",
        "a",
        "a.item",
        "a.item.b",
        "a.item.item",
        "a.item.item.c",
        "d",
        "d.e",
        "d.e.f",
        "d.g",
        "h",
    }
    assert read(content, "a.item.b", "a.item.item", "d.g", "h") == [
        ("a.item.b", 1), ("a.item.item", 2), ("a.item.item", {"c": 3}), ("a.item.b", 4), ("d.g", 6), ("h", 7),
    ]  # fmt: skip


def test_an_item_of_too_many_values_or_characters_is_refused() -> None:
    with pytest.raises(SourceError, match="larger"):
        read(b'[{"a":[' + b"1," * MAX_ITEM_EVENTS + b"1]}]", "item")

    def texts() -> Iterator[bytes]:
        yield b'[{"a":['
        for _ in range(MAX_ITEM_CHARACTERS // 1_000_000 + 1):
            yield b'"' + b"x" * 1_000_000 + b'",'
        yield b'""]}]'

    with pytest.raises(SourceError, match="larger"):
        read(b"".join(texts()), "item")


@pytest.mark.parametrize(("levels", "fine"), [(MAX_DEPTH - 2, True), (MAX_DEPTH - 1, False), (10_000, False)])
def test_an_item_nested_without_end_is_refused(levels: int, fine: bool) -> None:
    content = b'[{"a":' + b"[" * levels + b"]" * levels + b"}]"
    if fine:
        assert len(read(content, "item")) == 1
    else:
        with pytest.raises(SourceError, match="nested"):
            read(content, "item")
