"""A site behind a real Varnish: an origin that makes everyone's pages, and readers that fill the cache."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from contextlib import contextmanager

from shelflife.copies.protocol import TOKEN
from tests.conftest import NOW
from tests.copies.conformance import NAME, Place
from tests.copies.estates import PEOPLE, datasets, declared, token

PAGES = ["/{token}/{dataset}.json", "/all/{dataset}.json"]


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
