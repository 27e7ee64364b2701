"""Needles: every form of a name or an id is found wherever it stands, and nothing else is."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import urllib.parse
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelflife.rights.verify.needles import SHORTEST, Needles, id_forms, text_forms

NAME = "Zoë Quokkalinde"
PID = bytes(range(100, 116))
FORMS = {
    "as it is": NAME.encode(),
    "decomposed": "Zoe\u0308 Quokkalinde".encode(),
    "lower case": NAME.lower().encode(),
    "upper case": NAME.upper().encode(),
    "UTF-16": NAME.encode("utf-16"),
    "UTF-16, big-endian": NAME.encode("utf-16-be"),
    "hexadecimal": NAME.encode().hex().encode(),
    "Base64": base64.b64encode(NAME.encode()),
    "Base64 in the middle": base64.b64encode(b"id=" + NAME.encode() + b";"),
    "Base64 for URLs": base64.urlsafe_b64encode(b"?>" + NAME.encode()),
    "JSON": json.dumps({"name": NAME}).encode(),
    "percent-encoded": urllib.parse.quote(NAME).encode(),
    "form-encoded": urllib.parse.urlencode({"name": NAME}).encode(),
    "SHA-256": hashlib.sha256(NAME.encode()).hexdigest().encode(),
    "SHA-256, raw": hashlib.sha256(NAME.encode()).digest(),
    "MD5 of the lower case": hashlib.md5(NAME.lower().encode()).hexdigest().encode(),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_name(form):
    needles = Needles([NAME])
    assert needles.within(FORMS[form])
    assert needles.within(os.urandom(5_001) + FORMS[form] + os.urandom(777))


@pytest.mark.parametrize(
    "form",
    [PID, PID.hex().encode(), PID.hex().upper().encode(), str(uuid.UUID(bytes=PID)).encode(),
     base64.b64encode(PID), base64.b64encode(b"a" + PID + b"zz"), f"x'{PID.hex()}'".encode()],
)  # fmt: skip
def test_every_form_of_an_id(form):
    assert Needles(ids=[PID]).within(b"before " + form + b" after")


@given(st.binary(max_size=40), st.binary(max_size=40), st.text(min_size=1, max_size=30), st.data())
def test_a_long_needle_is_found_at_any_place(before, after, text, data):
    forms = sorted(form for form in text_forms(text) if len(form) >= SHORTEST)
    form = data.draw(st.sampled_from(forms))
    assert Needles([text]).within(before + form + after)


@given(st.lists(st.binary(min_size=16, max_size=16), min_size=1, max_size=40), st.binary(max_size=3000))
def test_it_agrees_with_a_plain_search(ids, content):
    planted = content + ids[0] + content
    needles = Needles(ids=ids)
    for some in (content, planted):
        assert needles.within(some) == any(form in some for value in ids for form in id_forms(value))


def test_a_needle_across_two_pieces_of_the_search():
    needles = Needles(ids=[PID])
    for place in range((1 << 20) - 20, (1 << 20) + 4):
        assert needles.within(bytes(place) + PID + bytes(9))


def test_random_bytes_hold_nothing():
    needles = Needles([NAME, "acct-1", "ada"], [os.urandom(16) for _ in range(200)])
    assert not needles.within(os.urandom(8 << 20))


def test_a_short_name_stands_alone():
    needles = Needles(["ada"])
    assert not needles.within(b"canada and adagio, ada-1")
    assert needles.within(b'{"who": "ada"}')
    assert needles.within(b"who = 'ada'")
    assert needles.is_cell("ada")
    assert not needles.is_cell("canada")
    assert needles.in_name("ada.csv")
    assert not needles.in_name("canada.csv")
    # In bytes that are no text, quotes around three letters are chance.
    assert not needles.within(b'\xff\x00"ada"')


def test_no_needles():
    empty = Needles([""], [])
    assert not empty
    assert not empty.within(b"anything")
    assert not empty.is_cell(b"anything")
    assert not empty.is_cell(7)
    assert not empty.in_name("anything")


def test_cells_of_any_kind():
    needles = Needles([NAME], [PID])
    assert needles.is_cell(PID)
    assert needles.is_cell(memoryview(b"x" + PID))
    assert needles.is_cell(f"hello {NAME}")
    assert not needles.is_cell(None)
