"""Requests to the nodes of an HTTP cache: one connection a node, kept open; nothing is followed or decoded."""

from __future__ import annotations

import http.client
import ssl
import uuid
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shelflife.copies.http_freshness import was_stored
from shelflife.errors import CopyUnreachable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from shelflife.copies.http_site import Site, Variant

_SECONDS = 30.0
_STORED_ONLY = {"Cache-Control": "only-if-cached"}


@dataclass(frozen=True)
class Answer:
    """What a node answered.

    Attributes:
        status: the status code.
        headers: the headers, names in lower case.
    """

    status: int
    headers: Mapping[str, str]

    @property
    def fine(self) -> bool:
        """Whether the status says that it was done."""
        return 200 <= self.status < 300


class Node:
    """One node of a cache.

    Raises:
        CopyUnreachable: from every method, when it does not answer in HTTP.
    """

    def __init__(self, site: Site, host: str, port: int) -> None:
        self._site = site
        self._connection: http.client.HTTPConnection = (
            http.client.HTTPSConnection(host, port, timeout=_SECONDS, context=ssl.create_default_context())
            if site.secure
            else http.client.HTTPConnection(host, port, timeout=_SECONDS)
        )
        self._tells: bool | None = None

    @property
    def tells(self) -> bool:
        """Whether it answers `only-if-cached` with 504 where it has nothing stored (RFC 9111, 5.2.1.7)."""
        if self._tells is None:
            self._tells = self.ask("GET", f"/{uuid.uuid4().hex}", _STORED_ONLY).status == 504
        return self._tells

    def stored(self, address: str, variant: Variant) -> Answer | None:
        """Return the page that the node has stored, or None.

        A node that does not tell is asked as a reader would ask, and may store the page by that.
        """
        answer = self.ask("GET", address, _STORED_ONLY | dict(variant))
        return answer if answer.status < 400 and (self.tells or was_stored(answer.headers)) else None

    def purge(self, address: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Send a purge, with the credentials; pages are asked for without them, as caches pass such requests by."""
        credentials = {"Authorization": self._site.authorization} if self._site.authorization else {}
        return self.ask(self._site.purge_method, address, credentials | dict(headers or {}))

    def ask(self, method: str, address: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Send one request and read the whole answer."""
        sent = {"Host": self._site.host, "Accept-Encoding": "identity", **(headers or {})}
        used = self._connection.sock is not None
        try:
            return self._once(method, address, sent)
        except (http.client.HTTPException, OSError):
            self._connection.close()
        if not used:
            raise self._unreachable()
        try:
            # A connection that was kept open may have been closed at the other end.
            return self._once(method, address, sent)
        except (http.client.HTTPException, OSError):
            self._connection.close()
            raise self._unreachable() from None

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _once(self, method: str, address: str, headers: Mapping[str, str]) -> Answer:
        self._connection.request(method, address, headers=dict(headers))
        response = self._connection.getresponse()
        response.read()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()})

    def _unreachable(self) -> CopyUnreachable:
        return CopyUnreachable(
            f"A node of the copy {self._site.copy} does not answer.",
            remedy="Start it or correct its address, then run it again: nothing is taken as done.",
        )


@contextmanager
def nodes_of(site: Site) -> Iterator[list[Node]]:
    """Open the nodes of a cache, and close them at the end."""
    with ExitStack() as opened:
        nodes = [Node(site, host, port) for host, port in site.nodes]
        for node in nodes:
            opened.callback(node.close)
        yield nodes
