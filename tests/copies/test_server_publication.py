"""Copies on servers as the estate uses them: published from the warehouse, erased by subject, reconciled."""

from __future__ import annotations

import json

import pytest

from shelflife.copies.publish import publish
from shelflife.copies.reconciling import reconcile
from shelflife.copies.registry import load_declarations, open_adapter
from tests.copies.estates import declared
from tests.copies.servers.redis_server import redis_server
from tests.copies.servers.varnish_server import origin_server, varnish_server
from tests.copies.warehouse import PEOPLE, clock, erase, inspected, later, token_of

pytestmark = [pytest.mark.server, pytest.mark.slow]


def test_a_cache_in_redis_from_the_warehouse_to_its_end(warehouse, monkeypatch):
    monkeypatch.setenv("CACHE_SECRET", "secret")
    with redis_server("redis", "--appendonly", "yes", "--requirepass", "secret") as server:
        location = server.url.replace("//", "//:${CACHE_SECRET}@")
        estate = warehouse(declared("redis_cache", name="app_cache", location=location))
        assert [one.state for one in publish(estate, clock=clock).copies] == ["published"]
        assert [one.state for one in publish(estate, clock=clock).copies] == ["unchanged"]
        erased, other = (token_of(estate, "app_cache", person) for person in PEOPLE[:2])
        adapter = open_adapter(estate, load_declarations(estate.settings)["app_cache"])
        before = adapter.export(other)
        assert set(adapter.export(erased)) == {"heart_daily", "activity_daily"}
        assert inspected(estate, "app_cache", PEOPLE[:1]) == {"erased_person"}
        [outcome] = erase(estate, PEOPLE[:1], ["heart"]).values()
        assert outcome.outcome == "deleted"
        assert set(adapter.export(erased)) == {"activity_daily"}
        [outcome] = erase(estate, PEOPLE[:1]).values()
        assert (outcome.outcome, outcome.removed) == ("deleted", 1)
        assert adapter.export(erased) == {}
        assert adapter.export(other) == before
        assert inspected(estate, "app_cache", PEOPLE[:1]) == set()
        assert reconcile(estate, clock).findings == []
        server.stop()
        [outcome] = erase(estate, PEOPLE[:1]).values()
        assert outcome.outcome == "deferred_until"
        server.start()
        [outcome] = erase(estate, PEOPLE[:1]).values()
        assert outcome.outcome == "already_absent"
        assert reconcile(estate, later(days=2)).expired == {"app_cache": 2}
        with server.client() as client:
            client.execute_command("AUTH", "secret")
            assert client.dbsize() == 0


def test_pages_behind_a_cache_from_the_warehouse_to_their_end(warehouse):
    with origin_server() as (origin, port), varnish_server(port) as varnish:
        estate = warehouse(
            declared(
                "http_cache",
                name="pages",
                location=f"http://127.0.0.1:{varnish.port}",
                encryption="none",
                encryption_reason="readers of the cache hold no keys",
                options={"pages": ["/{token}/{dataset}.json"]},
            )
        )
        words = [token_of(estate, "pages", person).hex() for person in PEOPLE]
        for word in words:
            for dataset in ("heart_daily", "activity_daily"):
                origin.pages[dataset, word] = json.dumps([word]).encode()
        assert [one.state for one in publish(estate, clock=clock).copies] == ["published"]
        assert [one.state for one in publish(estate, clock=clock).copies] == ["unchanged"]
        for dataset in ("heart_daily", "activity_daily"):
            del origin.pages[dataset, words[0]]
        [outcome] = erase(estate, PEOPLE[:1]).values()
        assert outcome.outcome in {"deleted", "already_absent"}
        assert inspected(estate, "pages", PEOPLE[:1]) == set()
        assert reconcile(estate, clock).findings == []
        assert reconcile(estate, later(days=2)).expired == {"pages": 2}
