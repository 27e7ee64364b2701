"""Sealed values of the control database."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelflife.errors import ConfigurationError, SealBroken
from shelflife.seal.values import open_value, seal_value

KEY = bytes(range(32))
PLACE = ("subject", b"\x01\x02", "profile")


@given(st.binary(max_size=200), st.lists(st.binary(max_size=8) | st.text(max_size=8)))
def test_a_value_opens_where_it_was_sealed(plaintext: bytes, place: list[bytes | str]) -> None:
    assert open_value(KEY, seal_value(KEY, plaintext, place), place) == plaintext


@given(st.data())
def test_any_flipped_bit_breaks_the_seal(data: st.DataObject) -> None:
    sealed = bytearray(seal_value(KEY, b"secret", PLACE))
    bit = data.draw(st.integers(0, 8 * len(sealed) - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(SealBroken):
        open_value(KEY, bytes(sealed), PLACE)


def test_every_truncation_breaks_the_seal() -> None:
    sealed = seal_value(KEY, b"secret", PLACE)
    for length in range(len(sealed)):
        with pytest.raises(SealBroken):
            open_value(KEY, sealed[:length], PLACE)


@pytest.mark.parametrize(
    "place",
    [
        ("subject", b"\x01\x02"),
        ("subject", b"\x01\x02", b"profile"),
        ("subject\x01", b"\x02", "profile"),
        (b"\x01\x02", "subject", "profile"),
    ],
)
def test_another_place_breaks_the_seal(place: tuple[bytes | str, ...]) -> None:
    with pytest.raises(SealBroken):
        open_value(KEY, seal_value(KEY, b"secret", PLACE), place)


@pytest.mark.parametrize("key", [bytes(32), b"", bytes(31)])
def test_another_key_breaks_the_seal(key: bytes) -> None:
    with pytest.raises(SealBroken):
        open_value(key, seal_value(KEY, b"secret", PLACE), PLACE)


def test_equal_values_look_different_and_show_nothing() -> None:
    one, other = (seal_value(KEY, b"secret", PLACE) for _ in range(2))
    assert one != other
    assert b"secret" not in one


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ConfigurationError):
        seal_value(b"short", b"secret", PLACE)
