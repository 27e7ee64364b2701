"""The HTTP copy on a real Varnish with the example configuration: the conformance suite, and what only it has."""

from __future__ import annotations

import json
import threading
import time

import pyarrow as pa
import pytest

from shelflife.copies.protocol import Dataset
from shelflife.errors import ConfigurationError, CopyUnreachable
from tests.conftest import NOW
from tests.copies.conformance import CopyConformance
from tests.copies.estates import PEOPLE, datasets, token
from tests.copies.http_site import (
    HttpPlace,
    declaration_for,
    erase,
    fill,
    forget,
    get,
    open_place,
    rules,
    stored,
    warm,
)
from tests.copies.servers.redis_server import free_port
from tests.copies.servers.varnish_server import varnish_server

pytestmark = pytest.mark.server


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
