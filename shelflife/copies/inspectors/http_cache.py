"""Inspects an HTTP cache: asks every node for every known address of the people, in every variant, without filling it.

Asked with `only-if-cached` (RFC 9111, 5.2.1.7), a node answers 504 where it has nothing stored. One that does not know
that fetches the page; what it then says of itself (Age, X-Cache, Cache-Status) is all there is, and `unseen` says so.
Where a node keeps to it, the origin is asked as well, past the cache: a page that is still made comes back into it.
"""

from __future__ import annotations

import re
import urllib.error
import urllib.request
import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from shelflife.copies.inspectors.folders import EXPIRED, PERSON, UNREGISTERED
from shelflife.copies.protocol import CopyFinding
from shelflife.errors import CopyUnreachable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from datetime import datetime
    from email.message import Message

    from shelflife.copies.items import Opening

_SECONDS = 30.0
_NOTHING_STORED = 504


def open_inspector(opening: Opening) -> HttpCacheInspector:
    """Return the inspector of a declared copy."""
    return HttpCacheInspector(opening)


class HttpCacheInspector:
    """Looks at one HTTP cache.

    Attributes:
        name: the copy's name.
        unseen: what the last inspection could not look at.
    """

    def __init__(self, opening: Opening) -> None:
        self.name = opening.name
        self.unseen: list[str] = []
        self._opening = opening
        self._place = urlsplit(opening.location)
        self._asker = urllib.request.build_opener(_NoRedirects, urllib.request.ProxyHandler({}))

    def inspect(self, tokens: Collection[bytes], known: Collection[str], now: datetime) -> list[CopyFinding]:
        """Look for pages of people, and for datasets whose time to live is over."""
        self.unseen = ["pages at addresses that are not declared"]
        live = {item.item: item for item in self._opening.items.live()}
        found = {(UNREGISTERED, item) for item in set(live) - set(known)}
        found |= {
            (EXPIRED, name)
            for name, item in live.items()
            if item.expires_at is not None and item.expires_at <= now
        }
        for number, node in enumerate(self._nodes()):
            keeps_to_it = self._ask(node, f"/{uuid.uuid4().hex}", only_stored=True)[0] == _NOTHING_STORED
            if not keeps_to_it:
                self.unseen.append(f"node {number + 1} as it was: asking it fills it")
            found |= set(self._pages_of(node, tokens, keeps_to_it=keeps_to_it))
        return [
            CopyFinding(self.name, rule, where)
            for rule, where in sorted(found, key=lambda one: (one[1], one[0]))
        ]

    def _pages_of(
        self, node: str, tokens: Collection[bytes], *, keeps_to_it: bool
    ) -> Iterator[tuple[str, str]]:
        for dataset, address in self._addresses(tokens):
            for variant in self._variants():
                status, headers = self._ask(node, address, only_stored=True, variant=variant)
                if status < 400 and (keeps_to_it or _came_out_of_a_cache(headers)):
                    yield PERSON, f"pages-{dataset}"
            if keeps_to_it and self._ask(node, address, only_stored=False)[0] < 400:
                yield PERSON, f"origin of pages-{dataset}"

    def _addresses(self, tokens: Collection[bytes]) -> Iterator[tuple[str, str]]:
        base = self._place.path.rstrip("/")
        for dataset in self._opening.datasets:
            for page in self._texts("pages"):
                if "{token}" in page:
                    for token in tokens:
                        filled = page.replace("{token}", token.hex()).replace("{dataset}", dataset)
                        yield dataset, base + filled

    def _nodes(self) -> list[str]:
        """Return the nodes as host and port."""
        own = self._place.netloc.rpartition("@")[2]
        port = f":{self._place.port}" if self._place.port else ""
        return [node if ":" in node else node + port for node in self._texts("nodes")] or [own]

    def _variants(self) -> list[dict[str, str]]:
        lines = [line.partition(":") for line in self._texts("variants")]
        return [{}, *({name: value.strip()} for name, _, value in lines)]

    def _texts(self, name: str) -> list[str]:
        value = self._opening.options.get(name, [])
        return value if isinstance(value, list) else []

    def _ask(
        self, node: str, address: str, *, only_stored: bool, variant: Mapping[str, str] | None = None
    ) -> tuple[int, Message]:
        """Ask a node for a page; return the status and the headers."""
        headers = {
            "Host": self._place.netloc.rpartition("@")[2],
            "Cache-Control": "only-if-cached" if only_stored else "no-store",
            **(variant or {}),
        }
        request = urllib.request.Request(f"{self._place.scheme}://{node}{address}", headers=headers)  # noqa: S310  http or https: the declaration allows nothing else
        try:
            with self._asker.open(request, timeout=_SECONDS) as response:
                response.read()
                return response.status, response.headers
        except urllib.error.HTTPError as answer:
            with answer:
                answer.read()
                return answer.code, answer.headers
        except (OSError, ValueError):
            raise CopyUnreachable(
                f"A node of the copy {self.name} does not answer.",
                remedy="Start it or correct its address, then inspect again: nothing is known about it.",
            ) from None


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer like any other: it is what the cache holds."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follow nothing."""


def _came_out_of_a_cache(headers: Message) -> bool:
    told = f"{headers.get('X-Cache', '')} {headers.get('Cache-Status', '')}"
    return re.search(r"\bhit\b|_hit\b", told, re.IGNORECASE) is not None or headers.get(
        "Age", "0"
    ).strip() not in {"0", ""}
