from __future__ import annotations

import pytest

from shelflife.keys.pseudonyms import pseudonym, pseudonyms


def test_it_is_the_start_of_an_hmac() -> None:
    """HMAC-SHA256 of RFC 4231's kind, computed with `openssl dgst -sha256 -mac HMAC`."""
    assert pseudonym(b"\x0b" * 32, bytes(16)).hex() == "7d45cd196b867c549292d780f29405be"


def test_bulk_is_the_same_and_zones_differ() -> None:
    ids = [bytes([number]) * 16 for number in range(100)]
    one, other = bytes([1]) * 32, bytes([2]) * 32
    assert pseudonyms(one, ids) == [pseudonym(one, subject_id) for subject_id in ids]
    assert len(set(pseudonyms(one, ids)) | set(pseudonyms(other, ids))) == 200
    assert pseudonyms(one, []) == []


def test_a_short_pepper_is_refused() -> None:
    with pytest.raises(ValueError, match="32"):
        pseudonym(b"short", bytes(16))
