"""The HTTP copy on a real Varnish with the example configuration: the conformance suite, and what only it has."""

from __future__ import annotations

import datetime as dt
import json
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager

import pyarrow as pa
import pytest

from shelflife.copies.http_cache import open_adapter
from shelflife.copies.items import Opening
from shelflife.copies.protocol import TOKEN, Dataset
from shelflife.copies.registry import open_adapter as open_copy
from shelflife.errors import AccessDenied, ConfigurationError, CopyUnreachable
from tests.conftest import NOW
from tests.copies.conformance import NAME, CopyConformance, Place
from tests.copies.estates import PEOPLE, datasets, declared, token
from tests.copies.servers.redis_server import free_port
from tests.copies.servers.varnish_server import VCL, origin_server, varnish_server

pytestmark = pytest.mark.server

PAGES = ["/{token}/{dataset}.json", "/all/{dataset}.json"]


@pytest.fixture(scope="module")
def behind():
    with origin_server() as (origin, port):
        yield origin, port


@pytest.fixture(scope="module")
def started(behind):
    with varnish_server(behind[1]) as varnish:
        yield varnish


@pytest.fixture
def origin(behind):
    origin = behind[0]
    fresh = type(origin)()
    origin.__dict__.update(fresh.__dict__)
    fill(origin)
    return origin


@pytest.fixture
def varnish(started, origin):
    started.empty()
    return started


def fill(origin, given=None) -> None:
    """Let the origin make the pages of everyone in some datasets."""
    origin.pages.clear()
    for dataset in datasets() if given is None else given:
        for person in range(PEOPLE):
            mine = [row for row in dataset.rows.to_pylist() if row[TOKEN] == token(person)]
            if mine:
                plain = [{**row, TOKEN: row[TOKEN].hex()} for row in mine]
                origin.pages[dataset.name, token(person).hex()] = json.dumps(plain, default=str).encode()


def forget(origin, people, names=None) -> None:
    """What the destruction of keys does to the origin: it cannot make these pages any more."""
    gone = {token(person).hex() for person in people}
    for name, word in list(origin.pages):
        if word in gone and (names is None or name in names):
            del origin.pages[name, word]


def get(varnish, path: str, **headers: str) -> tuple[int, bytes]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(f"http://127.0.0.1:{varnish.port}{path}", headers=named)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.code, answer.read()


def warm(varnish, people=range(PEOPLE), **headers: str) -> None:
    """Read everyone's pages, as their app would."""
    for person in people:
        for dataset in datasets():
            get(varnish, f"/{token(person).hex()}/{dataset.name}.json", **headers)


def stored(varnish, person: int, dataset: str, **headers: str) -> bytes | None:
    path = f"/{token(person).hex()}/{dataset}.json"
    status, body = get(varnish, path, Cache_Control="only-if-cached", **headers)
    return body if status == 200 else None


class HttpPlace(Place):
    """A place whose origin publishes what is published, and forgets who is erased before the cache is told."""

    def __init__(self, folder, declaration, origin, varnish) -> None:
        super().__init__(folder, declaration)
        self.origin, self.varnish = origin, varnish

    def publish(self, given=None) -> None:
        fill(self.origin, given)
        super().publish(given)
        warm(self.varnish)

    @property
    def adapter(self):
        adapter = super().adapter
        erase = adapter.erase

        def erase_after_the_origin(tokens, now, *, datasets=None):
            forget(self.origin, [person for person in range(PEOPLE) if token(person) in tokens], datasets)
            return erase(tokens, now, datasets=datasets)

        adapter.erase = erase_after_the_origin
        return adapter


def declaration_for(varnish, **more):
    options = {"pages": PAGES} | more.pop("options", {})
    return declared(
        "http_cache",
        name=NAME,
        location=f"http://127.0.0.1:{varnish.port}",
        encryption="none",
        encryption_reason="readers of the cache hold no keys",
        options=options,
        **more,
    )


class TestHttpCache(CopyConformance):
    kind = "http_cache"
    publish_points = (
        "http.publish.purged",
        "http.publish.tried",
        "copies.items.before_settle",
        "copies.items.settled",
    )
    erase_points = ("http.erase.purged",)
    expire_points = ("http.expire.purged", "copies.items.before_settle", "copies.items.settled")

    @pytest.fixture
    def declaration(self, varnish):
        return declaration_for(varnish)

    @pytest.fixture
    def place(self, tmp_path, declaration, origin, varnish):
        place = HttpPlace(tmp_path, declaration, origin, varnish)
        yield place
        place.estate.close()

    def held(self, place, person):
        """What readers get out of the cache itself."""
        found = {}
        for dataset in datasets():
            body = stored(place.varnish, person, dataset.name)
            if body is not None:
                found[dataset.name] = sorted(json.dumps(row, sort_keys=True) for row in json.loads(body))
        return found

    def plant(self, place, person):
        before = dict(place.origin.pages)
        fill(place.origin)
        warm(place.varnish, [person])
        place.origin.pages = before

    def raw(self, place):
        """A cache in memory has no files; what can be got out of it is every page of everybody."""
        bodies = [stored(place.varnish, person, one.name) for person in range(PEOPLE) for one in datasets()]
        return b"".join(body for body in bodies if body is not None)

    def test_an_object_that_nobody_declared_is_found_and_can_be_discarded(self, place):
        """No cache lists what it holds, and the copy says so; a declared set of pages can be purged whole."""
        place.publish()
        capabilities = place.adapter.capabilities()
        assert (capabilities.lists, capabilities.exports) == (False, False)
        assert place.adapter.discard(["pages-heart_daily", "something else"]) == ["pages-heart_daily"]
        assert set(self.held(place, 1)) == {"activity_daily"}


@pytest.fixture
def place(tmp_path, origin, varnish):
    opened = HttpPlace(tmp_path, declaration_for(varnish), origin, varnish)
    yield opened
    opened.estate.close()


def erase(place, *people, **more):
    return place.adapter.erase([token(person) for person in people], NOW, **more)


def open_place(folder, origin, varnish, **more):
    return closing_place(HttpPlace(folder, declaration_for(varnish, **more), origin, varnish))


@contextmanager
def closing_place(place):
    try:
        yield place
    finally:
        place.estate.close()


def rules(place, *people) -> set[tuple[str, str]]:
    return {(finding.rule, finding.where) for finding in place.inspect(*people)}


def test_a_purge_needs_no_origin_and_no_reader(place, origin):
    place.publish()
    asked = origin.asked.copy()
    place.inspector.inspect([], place.known(), NOW)
    assert erase(place, 2, 4).removed == 4
    assert origin.asked == asked


def test_every_variant_of_a_page_goes(place, origin, varnish):
    origin.vary = "Accept-Language"
    place.publish()
    for language in ("de", "en"):
        warm(varnish, [2, 3], Accept_Language=language)
    assert stored(varnish, 2, "heart_daily", Accept_Language="de").endswith(b"de")
    erase(place, 2)
    for language in ("de", "en", ""):
        assert stored(varnish, 2, "heart_daily", Accept_Language=language) is None
        assert language == "" or stored(varnish, 3, "heart_daily", Accept_Language=language) is not None


def test_the_inspector_and_the_adapter_look_at_declared_variants(tmp_path, place, origin, varnish):
    origin.vary = "Accept-Language"
    warm(varnish, [2], Accept_Language="de")
    forget(origin, [2])
    assert rules(place, 2) == set()
    options = {"variants": ["Accept-Language: de"]}
    with open_place(tmp_path / "with variants", origin, varnish, options=options) as seeing:
        assert rules(seeing, 2) == {
            ("erased_person", "pages-heart_daily"),
            ("erased_person", "pages-activity_daily"),
        }
        assert erase(seeing, 2).removed == 2
        assert rules(seeing, 2) == set()


def test_a_page_that_the_origin_still_makes_is_found(place, origin, varnish):
    place.publish()
    erase(place, 2)
    fill(origin)
    assert rules(place, 2) == {
        ("erased_person", "origin of pages-heart_daily"),
        ("erased_person", "origin of pages-activity_daily"),
    }
    # Asking the origin did not put the page into the cache.
    assert stored(varnish, 2, "heart_daily") is None


def test_a_page_that_was_under_way_is_waited_for(place, origin, varnish):
    """The reader asked before the erasure, and the slow answer of before is stored while it goes on."""
    place.publish()
    varnish.empty()
    origin.slow = 1.0
    reader = threading.Thread(target=warm, args=(varnish, [2]))
    reader.start()
    time.sleep(0.3)
    forget(origin, [2])
    origin.slow = 0.0
    assert erase(place, 2).outcome == "deleted"
    reader.join()
    assert rules(place, 2) == set()


def test_pages_are_not_served_after_their_time(place, origin, varnish):
    origin.control = "max-age=1, stale-while-revalidate=3600"
    place.publish()
    assert stored(varnish, 1, "heart_daily") is not None
    time.sleep(1.2)
    assert stored(varnish, 1, "heart_daily") is None


def test_many_people_are_purged_in_headers_that_varnish_takes(place):
    place.publish()
    crowd = [token(person) for person in range(300)]
    erased = place.adapter.erase(crowd, NOW, datasets=["heart_daily", "activity_daily"])
    assert (erased.outcome, erased.removed) == ("deleted", PEOPLE + PEOPLE * 2 // 3)


@pytest.mark.parametrize(
    ("control", "told"),
    [
        ("max-age=86401", "longer"),
        ("max-age=60, s-maxage=90000", "longer"),
        ("max-age=80000, stale-while-revalidate=10000", "longer"),
        ("max-age=soon", "longer"),
        ("public", "how long"),
        ("no-cache, max-age=0", None),
        ("no-store", None),
        ("max-age=86400", None),
    ],
)
def test_pages_must_not_outlive_the_time_to_live(place, origin, control, told):
    origin.control = control
    if told is None:
        place.publish()
        return
    with pytest.raises(ConfigurationError, match=told):
        place.publish()
    assert place.known() == []


def test_a_page_that_the_origin_does_not_make_is_refused(place, origin):
    origin.pages.clear()
    with pytest.raises(ConfigurationError, match="no page"):
        place.adapter.publish(datasets(), NOW)
    assert place.known() == []


def test_pages_without_words_to_purge_them_by_are_refused(place, origin):
    origin.tagged = False
    with pytest.raises(ConfigurationError, match="still served"):
        place.publish()
    assert place.known() == []


def test_a_dataset_about_nobody_has_pages_of_its_own(place, origin, varnish):
    cohorts = Dataset("cohort_weekly", pa.table({"week": ["2026-W45"], "people": [17]}), about_people=False)
    origin.pages["cohort_weekly", "all"] = b"[17]"
    place.adapter.publish([cohorts], NOW)
    assert get(varnish, "/all/cohort_weekly.json", Cache_Control="only-if-cached")[0] == 504
    assert get(varnish, "/all/cohort_weekly.json")[1] == b"[17]"
    origin.pages["cohort_weekly", "all"] = b"[18]"
    place.adapter.publish([cohorts], NOW)
    assert get(varnish, "/all/cohort_weekly.json")[1] == b"[18]"


def test_a_page_that_no_address_leads_to_is_refused(tmp_path, origin, varnish):
    with (
        open_place(tmp_path, origin, varnish, options={"pages": ["/all/{dataset}.json"]}) as place,
        pytest.raises(ConfigurationError, match="no declared page"),
    ):
        place.publish()


def test_nodes_that_are_down_are_unreachable_and_nothing_is_claimed(tmp_path, place, origin, varnish):
    place.publish()
    options = {"nodes": [f"127.0.0.1:{varnish.port}", f"127.0.0.1:{free_port()}"]}
    with open_place(tmp_path / "half down", origin, varnish, options=options) as half:
        with pytest.raises(CopyUnreachable):
            half.adapter.erase([token(2)], NOW)
        with pytest.raises(CopyUnreachable):
            half.inspect(2)
        with pytest.raises(CopyUnreachable):
            half.adapter.publish(datasets(), NOW)
        assert half.known() == []


@pytest.mark.slow
def test_every_node_is_purged(tmp_path, behind, origin, varnish):
    with varnish_server(behind[1]) as second:
        options = {"nodes": [f"127.0.0.1:{varnish.port}", f"127.0.0.1:{second.port}"]}
        with open_place(tmp_path, origin, varnish, options=options) as place:
            place.publish()
            # Readers ask every node for the same name.
            warm(second, Host=f"127.0.0.1:{varnish.port}")
            assert rules(place, 2) >= {("erased_person", "pages-heart_daily")}
            assert erase(place, 2).removed == 4
            assert rules(place, 2) == set()
            assert stored(second, 2, "heart_daily", Host=f"127.0.0.1:{varnish.port}") is None
            assert stored(second, 3, "heart_daily", Host=f"127.0.0.1:{varnish.port}") is not None


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
