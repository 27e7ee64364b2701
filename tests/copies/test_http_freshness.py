"""How long a response may be served, from what it says: pure, against the RFCs' own examples and for ever-growing input."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelflife.copies.http_freshness import age_of, longest_life, was_stored
from shelflife.copies.http_site import lines, words

DATE = "Mon, 23 Nov 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"cache-control": "max-age=600"}, 600),
        ({"cache-control": "public, s-maxage=60, max-age=30"}, 60),
        ({"cache-control": "max-age=30,s-maxage=60"}, 60),
        ({"cache-control": 'max-age="600"'}, 600),
        ({"cache-control": "MAX-AGE = 600"}, 600),
        # RFC 5861, sections 3.1 and 4.1
        ({"cache-control": "max-age=600, stale-while-revalidate=30"}, 630),
        ({"cache-control": "max-age=600, stale-if-error=1200"}, 1800),
        ({"cache-control": "no-store, max-age=600"}, 0),
        ({"cache-control": "private, max-age=600"}, 0),
        ({"cache-control": "no-cache"}, 0),
        ({"cache-control": "max-age=-5"}, 1 << 40),
        ({"cache-control": "max-age=9e9"}, 1 << 40),
        ({"cache-control": "public"}, None),
        ({}, None),
        # RFC 9213, section 2: a CDN goes by its own header, everyone else by the other
        ({"cache-control": "max-age=60", "cdn-cache-control": "max-age=3600"}, 3600),
        ({"cache-control": "no-store", "cdn-cache-control": "max-age=3600"}, 3600),
        ({"cache-control": "max-age=60", "surrogate-control": "max-age=90"}, 90),
        ({"date": DATE, "expires": "Mon, 23 Nov 2026 13:00:00 GMT"}, 3600),
        ({"date": DATE, "expires": "Mon, 23 Nov 2026 11:00:00 GMT"}, 0),
        ({"date": DATE, "expires": "0"}, None),
        ({"date": DATE, "expires": "Mon, 23 Nov 2026 13:00:00 GMT", "cache-control": "max-age=5"}, 5),
    ],
)
def test_the_longest_life_of_a_response(headers, seconds):
    assert longest_life(headers) == seconds


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**9))
def test_no_directive_makes_a_life_shorter_than_it_says(fresh, shared, stale):
    control = f"max-age={fresh}, s-maxage={shared}, stale-while-revalidate={stale}"
    assert longest_life({"cache-control": control}) == max(fresh, shared) + stale


@given(st.text(max_size=60))
def test_whatever_a_header_holds_it_is_read(text):
    life = longest_life({"cache-control": text, "expires": text, "date": text})
    assert life is None or life >= 0
    assert age_of({"age": text}) >= 0
    assert was_stored({"x-cache": text, "cache-status": text}) in {True, False}


@pytest.mark.parametrize(
    ("headers", "stored"),
    [
        ({"age": "5"}, True),
        ({"age": "0"}, False),
        ({"x-cache": "HIT"}, True),
        ({"x-cache": "MISS"}, False),
        ({"x-cache": "MISS, HIT"}, True),
        # RFC 9211, section 3
        ({"cache-status": "ExampleCache; hit"}, True),
        ({"cache-status": "ExampleCache; hit; ttl=376"}, True),
        ({"cache-status": "ExampleCache; fwd=uri-miss; stored"}, False),
        ({"cache-status": "OriginCache; hit; ttl=1100, CDN; fwd=uri-miss"}, True),
        ({"cache-status": "ExampleCache; hit=?0"}, False),
        ({}, False),
    ],
)
def test_what_says_that_it_came_out_of_a_cache(headers, stored):
    assert was_stored(headers) is stored


@given(
    st.sets(st.binary(min_size=16, max_size=16), max_size=300),
    st.sets(st.from_regex("[a-z_]{1,64}", fullmatch=True)),
)
def test_the_words_of_a_purge_come_whole_in_short_lines(tokens, datasets):
    named = words(tokens, datasets)
    cut = list(lines(named))
    assert " ".join(cut).split() == named
    assert all(0 < len(line) <= 4000 for line in cut)
