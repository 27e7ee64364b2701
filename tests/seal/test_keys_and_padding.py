"""Key derivation against an independent HKDF, locators, and PADMÉ."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand
from hypothesis import given
from hypothesis import strategies as st

from shelflife.errors import ConfigurationError
from shelflife.seal.block_keys import block_key, expand, extract
from shelflife.seal.context import length_prefixed
from shelflife.seal.locators import locators, raw_ids
from shelflife.seal.padding import pad, padded_length, unpad

KEYS = st.binary(min_size=32, max_size=32)
IDS = st.lists(st.binary(min_size=16, max_size=16))


@given(KEYS, KEYS, st.binary(max_size=300))
def test_block_keys_are_hkdf(partition_key: bytes, stream_key: bytes, context: bytes) -> None:
    found = block_key(partition_key, stream_key, context)
    for label, value in ((b"shelflife/v1/block", found.key), (b"shelflife/v1/commit", found.commitment)):
        reference = HKDF(algorithm=hashes.SHA256(), length=32, salt=partition_key, info=label + context)
        assert reference.derive(stream_key) == value


@given(KEYS, KEYS, st.binary(max_size=100))
def test_expand_is_hkdf_expand(salt: bytes, key: bytes, info: bytes) -> None:
    pseudorandom_key = extract(salt, key)
    reference = HKDFExpand(algorithm=hashes.SHA256(), length=32, info=info)
    assert reference.derive(pseudorandom_key) == expand(pseudorandom_key, info)


def test_extract_is_the_one_of_rfc_5869_test_case_1() -> None:
    found = extract(bytes(range(13)), b"\x0b" * 22)
    assert found.hex() == "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5"
    okm = expand(found, bytes(range(0xF0, 0xFA)))
    assert okm.hex() == "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"


@given(KEYS, IDS)
def test_locators_are_a_permutation(partition_key: bytes, ids: list[bytes]) -> None:
    found = locators(partition_key, ids)
    assert raw_ids(partition_key, found) == ids
    assert len(set(found)) == len(set(ids))
    assert [locators(partition_key, [one])[0] for one in ids] == found


def test_ids_of_another_length_are_refused() -> None:
    with pytest.raises(ConfigurationError):
        locators(bytes(32), [bytes(15), bytes(17)])


@given(st.binary(max_size=5000).map(lambda start: start + b"\0\x80\0"))
def test_padding_comes_off(message: bytes) -> None:
    assert unpad(pad(message)) == message


@pytest.mark.parametrize("padded", [pad(b"x" * 100) + b"\0", pad(b"x" * 100)[:-1], b"", b"\0\0"])
def test_padding_of_another_length_does_not_come_off(padded: bytes) -> None:
    with pytest.raises(ValueError, match="padding"):
        unpad(padded)


def test_padding_costs_at_most_twelve_percent_and_few_lengths_remain() -> None:
    lengths = [padded_length(length) for length in range(20_000)]
    assert all(length <= padded <= max(length * 1.12, length) for length, padded in enumerate(lengths))
    assert lengths == sorted(lengths)
    assert len(set(lengths)) < 250


@pytest.mark.parametrize(
    ("length", "expected"), [(9, 10), (16, 16), (17, 18), (1000, 1024), (100_000, 100_352)]
)
def test_padme_of_the_paper(length: int, expected: int) -> None:
    assert padded_length(length) == expected


@given(st.lists(st.binary(max_size=4)), st.lists(st.binary(max_size=4)))
def test_length_prefixes_keep_lists_apart(one: list[bytes], other: list[bytes]) -> None:
    assert (length_prefixed(one) == length_prefixed(other)) == (one == other)
