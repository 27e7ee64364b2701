from __future__ import annotations

import pytest

from shelflife.errors import KeyTreeUnopenable
from shelflife.keys import pages

KEY = bytes(range(32))
PLAIN = bytes(range(256)) * 32


def test_a_page_opens_in_its_place() -> None:
    blob = pages.seal(KEY, PLAIN, "raw", 1, 7)
    assert pages.unseal(KEY, blob, "raw", 1, 7) == PLAIN
    assert PLAIN[:64] not in blob


@pytest.mark.parametrize(
    "place", [("derived", 1, 7), ("ra", 1, 7), ("raw", 2, 7), ("raw", 1, 8), ("raw", 7, 1)]
)
def test_a_page_opens_nowhere_else_even_under_its_key(place: tuple[str, int, int]) -> None:
    blob = pages.seal(KEY, PLAIN, "raw", 1, 7)
    with pytest.raises(KeyTreeUnopenable):
        pages.unseal(KEY, blob, *place)


def test_a_zones_name_cannot_run_into_the_level() -> None:
    blob = pages.seal(KEY, PLAIN, "raw\x00", 0, 0)
    with pytest.raises(KeyTreeUnopenable):
        pages.unseal(KEY, blob, "raw", 0, 0)


def test_a_page_of_another_length_or_format_does_not_open() -> None:
    blob = pages.seal(KEY, PLAIN, "raw", 0, 0)
    for wrong in (
        b"",
        blob[:-1],
        blob + b"\x00",
        b"\x02" + blob[1:],
        pages.seal(KEY, PLAIN[:-32], "raw", 0, 0),
    ):
        with pytest.raises(KeyTreeUnopenable):
            pages.unseal(KEY, wrong, "raw", 0, 0)


def test_sealing_twice_gives_different_blobs() -> None:
    assert pages.seal(KEY, PLAIN, "raw", 0, 0) != pages.seal(KEY, PLAIN, "raw", 0, 0)


def test_a_slot_of_zeros_is_no_key() -> None:
    page = bytearray(pages.PAGE_BYTES)
    assert pages.slot(page, 300) is None
    pages.set_slot(page, 300, KEY)
    assert pages.slot(page, 44) == KEY
    assert len(page) == pages.PAGE_BYTES
