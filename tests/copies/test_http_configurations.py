"""The HTTP copy before caches that are configured in other ways than the example, and declarations that are wrong."""

from __future__ import annotations

import datetime as dt
import urllib.error
import urllib.request
from contextlib import contextmanager

import pytest

from shelflife.copies.http_cache import open_adapter
from shelflife.copies.items import Opening
from shelflife.copies.registry import open_adapter as open_copy
from shelflife.errors import AccessDenied, ConfigurationError
from tests.conftest import NOW
from tests.copies.conformance import NAME
from tests.copies.estates import token
from tests.copies.http_site import (
    PAGES,
    erase,
    get,
    open_place,
    rules,
    stored,
    warm,
)
from tests.copies.servers.varnish_server import VCL, varnish_server

pytestmark = pytest.mark.server


@pytest.mark.parametrize(
    ("options", "broken"),
    [
        ({}, "encryption"),
        ({"pages": []}, "pages"),
        ({"pages": ["no slash"]}, "path"),
        ({"pages": ["/{person}"]}, "path"),
        ({"pages": "/{token}"}, "list"),
        ({"purge_by": "prayer"}, "purge_by"),
        ({"purge_method": "purge it"}, "purge_method"),
        ({"purge_header": "X-Tags: y"}, "purge_header"),
        ({"nodes": ["http://here/"]}, "nodes"),
        ({"variants": ["no colon"]}, "variants"),
        ({"purge_everything": True}, "options"),
    ],
)
def test_wrong_declarations_are_refused(tmp_path, options, broken):
    more = {"pages": PAGES} | options
    opening = Opening(
        name=NAME,
        location="http://127.0.0.1:1",
        datasets=("heart_daily",),
        ttl=dt.timedelta(days=1),
        encrypted=broken == "encryption",
        options=more,
        items=None,
    )
    with pytest.raises(ConfigurationError, match=broken):
        open_adapter(opening)


REFUSING = VCL.replace('"127.0.0.1";\n    "::1";', '"192.0.2.1";')
SOFT = (
    VCL.replace("import std;", "import std;\nimport purge;")
    .replace('return (synth(200, "Purged"));', 'return (synth(200, "Not really"));')
    .replace("if (!std.ban(", "if (false && !std.ban(")
)
BLIND = VCL.replace("only-if-cached", "a-word-that-nobody-sends")
OTHER = VCL.replace('req.method == "PURGE"', 'req.method == "BAN" && req.url == "/purge"').replace(
    "req.http.Surrogate-Key", "req.http.xkey-purge"
)
BY_ADDRESS = VCL.replace("if (!req.http.Surrogate-Key)", "if (true)")


def purge(varnish, named: str) -> int:
    request = urllib.request.Request(
        f"http://127.0.0.1:{varnish.port}/", headers={"Surrogate-Key": named}, method="PURGE"
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.code


def test_the_example_takes_words_whole_and_nothing_else(varnish):
    warm(varnish, [1])
    word = token(1).hex()
    for other in ("heart", "daily", word[:-1], f"{word}xheart_daily", f"{word}.heart", "heart_dail. x"):
        assert purge(varnish, other) == 200
        assert stored(varnish, 1, "heart_daily") is not None, other
    for other in ('x" || obj.status == 200 || "', "a(b", "heart_daily,activity_daily", "*", ".* || 1"):
        assert purge(varnish, other) == 400
        assert stored(varnish, 1, "heart_daily") is not None, other
    assert purge(varnish, f"nobody {word}.heart_daily") == 200
    assert stored(varnish, 1, "heart_daily") is None
    assert stored(varnish, 1, "activity_daily") is not None


@pytest.fixture
def with_vcl(tmp_path, behind, origin):
    """A place in front of a Varnish with another configuration."""

    @contextmanager
    def opened(vcl, **more):
        assert vcl != VCL
        with (
            varnish_server(behind[1], vcl) as varnish,
            open_place(tmp_path, origin, varnish, **more) as place,
        ):
            yield place

    return opened


@pytest.mark.slow
def test_a_cache_that_refuses_to_purge_is_not_published_to(with_vcl):
    with with_vcl(REFUSING) as place:
        with pytest.raises(AccessDenied):
            place.publish()
        assert place.known() == []
        # Nothing is stored at a known address; what is stored elsewhere could not be purged.
        assert erase(place, 3).outcome == "deferred_until"
        warm(place.varnish)
        erased = erase(place, 2)
        assert (erased.outcome, erased.until) == ("deferred_until", NOW + dt.timedelta(days=1))
        assert rules(place, 2) >= {("erased_person", "pages-heart_daily")}


@pytest.mark.slow
def test_a_page_that_stays_longer_than_promised_is_a_failure(with_vcl, origin):
    origin.control = "max-age=8640000"
    with with_vcl(REFUSING.replace("beresp.ttl > 1d", "beresp.ttl > 900d")) as place:
        warm(place.varnish)
        assert erase(place, 2).outcome == "failed"


@pytest.mark.slow
def test_a_purge_that_only_seems_to_be_one_is_found_out(with_vcl):
    with with_vcl(SOFT) as place:
        with pytest.raises(ConfigurationError, match="still served"):
            place.publish()
        warm(place.varnish)
        assert erase(place, 2).outcome == "deferred_until"
        assert rules(place, 2) >= {("erased_person", "pages-heart_daily")}


@pytest.mark.slow
def test_a_cache_that_does_not_tell_what_it_has_stored(with_vcl, origin):
    with with_vcl(BLIND) as place:
        place.publish()
        assert erase(place, 2).outcome == "deleted"
        assert stored(place.varnish, 2, "heart_daily") is None
        inspector = place.inspector
        assert inspector.inspect([token(2)], place.known(), NOW) == []
        assert any("asking it fills it" in what for what in inspector.unseen)
        assert {rule for rule, _ in rules(place, 3)} == {"erased_person"}
        # The origin goes on making the page, so that asking for it fetched it; the adapter leaves none behind.
        adapter = open_copy(place.estate, place.declaration)
        asked = origin.asked[f"/{token(5).hex()}/heart_daily.json"]
        assert adapter.erase([token(5)], NOW).outcome == "deleted"
        assert origin.asked[f"/{token(5).hex()}/heart_daily.json"] > asked
        get(place.varnish, f"/{token(5).hex()}/heart_daily.json")
        assert origin.asked[f"/{token(5).hex()}/heart_daily.json"] == asked + 2


@pytest.mark.slow
def test_other_words_for_a_purge(with_vcl):
    options = {"purge_method": "BAN", "purge_address": "/purge", "purge_header": "xkey-purge"}
    with with_vcl(OTHER, options=options) as place:
        place.publish()
        assert erase(place, 2).removed == 2
        assert rules(place, 2) == set()
        assert stored(place.varnish, 3, "heart_daily") is not None


@pytest.mark.slow
def test_a_cache_that_purges_address_by_address(with_vcl, origin):
    origin.tagged = False
    origin.vary = "Accept-Language"
    with with_vcl(BY_ADDRESS, options={"purge_by": "address"}) as place:
        place.publish()
        warm(place.varnish, [2], Accept_Language="de")
        assert erase(place, 2).removed == 2
        assert rules(place, 2) == set()
        assert stored(place.varnish, 2, "heart_daily", Accept_Language="de") is None
        assert stored(place.varnish, 3, "heart_daily") is not None
