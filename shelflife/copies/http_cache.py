"""Pages in an HTTP cache or CDN: purged by the words (surrogate keys) that they carry, and looked at afterwards.

The pages come from the application's own origin; nothing is written into the cache. A publication makes sure that what
the cache does can be relied on: that pages do not outlive the copy's time to live, and that a purge takes effect.
Supported is what is tested against a real server: Varnish 7 with `docs/examples/varnish.vcl`, by words or address by
address, and whatever takes the same requests (see docs/copies-http.md).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from shelflife.control.crashpoints import reached
from shelflife.copies.http_freshness import age_of, longest_life
from shelflife.copies.http_requests import nodes_of
from shelflife.copies.http_site import lines, site_of, words
from shelflife.copies.protocol import TOKEN, Capabilities, Erased, Item
from shelflife.errors import AccessDenied, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    import pyarrow as pa

    from shelflife.copies.http_requests import Answer, Node
    from shelflife.copies.items import Opening
    from shelflife.copies.protocol import Dataset

_PASSES = 4
_PAUSE_SECONDS = 0.5


def open_adapter(opening: Opening) -> HttpCache:
    """Return the adapter of a declared copy; see docs/copies-http.md for its options.

    Raises:
        ConfigurationError: an option is missing, unknown or wrong.
    """
    return HttpCache(opening)


class HttpCache:
    """One HTTP cache in front of pages about people."""

    def __init__(self, opening: Opening) -> None:
        self.name = opening.name
        self._opening = opening
        self._site = site_of(opening)
        self._items = opening.items

    def capabilities(self) -> Capabilities:
        """It erases and expires; what it holds comes from the origin, and no cache lists its addresses."""
        return Capabilities(erases=True, exports=False, lists=False, expires=True, encrypted=False)

    def publish(self, datasets: Sequence[Dataset], now: datetime) -> list[Item]:
        """Purge what is cached of these and of former datasets, and try a page of each.

        Raises:
            ConfigurationError: a page does not exist, may be cached for longer than the time to live, does not say
                for how long, cannot be found in the cache, or is still served after a purge.
            AccessDenied: the cache refuses to purge: what it holds could not be erased.
            CopyUnreachable: a node does not answer.
        """
        names = {dataset.name for dataset in datasets} | {item.dataset for item in self._items.live()}
        with nodes_of(self._site) as nodes:
            self._require(self._purged(nodes, sorted(names), ()))
            reached("http.publish.purged")
            for node in nodes:
                for dataset in datasets:
                    self._try(node, dataset)
        reached("http.publish.tried")
        made = [Item(_item(one.name), one.name, one.rows.num_rows, 0) for one in datasets]
        self._items.settle(made, now, fresh=True)
        return made

    def erase(
        self, tokens: Collection[bytes], now: datetime, *, datasets: Collection[str] | None = None
    ) -> Erased:
        """Purge people's pages, then ask every node for each known address of theirs.

        A page that is still served, or a purge that is refused, leaves `deferred_until` the time to live from now:
        no page outlives that, which the publication checked. It is `failed` where the page itself says otherwise.

        Raises:
            CopyUnreachable: a node does not answer; others may have been purged.
        """
        addresses = sorted(self._addresses(tokens, datasets))
        if not addresses:
            return Erased("already_absent")
        named = words(tokens, datasets)
        with nodes_of(self._site) as nodes:
            before = len(self._stored([node for node in nodes if node.tells], addresses))
            done, left = self._purge_until_gone(nodes, named, addresses)
            unsure = not all(node.tells for node in nodes)
            if unsure:
                # Such a node fetched pages again when it was asked for them.
                done = self._purged(nodes, named, addresses) and done
        if left and not all(self._ends_in_time(page) for page in left):
            return Erased("failed", before)
        if left or not done:
            return Erased("deferred_until", before, until=now + self._opening.ttl)
        return Erased("deleted" if before or unsure else "already_absent", before)

    def export(self, token: bytes) -> dict[str, pa.Table]:
        """Return nothing: the pages come from the origin (see `capabilities`)."""
        del token
        return {}

    def expire(self, now: datetime) -> list[str]:
        """Purge the datasets whose time to live is over.

        Raises:
            AccessDenied: the cache refuses to purge.
        """
        live = self._items.live()
        due = [one for one in live if one.expires_at is not None and one.expires_at <= now]
        if due:
            with nodes_of(self._site) as nodes:
                self._require(self._purged(nodes, sorted({one.dataset for one in due}), ()))
            reached("http.expire.purged")
            stays = [one.item for one in live if one not in due]
            self._items.settle([], now, keep=stays, fresh=False)
        return [one.item for one in due]

    def inventory(self) -> list[str]:
        """Return the published sets of pages; a cache cannot be asked for what else it holds."""
        return sorted(item.item for item in self._items.live())

    def discard(self, objects: Collection[str]) -> list[str]:
        """Purge whole sets of pages."""
        names = sorted(name for name in self._names(None) if _item(name) in set(objects))
        with nodes_of(self._site) as nodes:
            self._require(self._purged(nodes, names, ()))
        return [_item(name) for name in names]

    def _names(self, datasets: Collection[str] | None) -> set[str]:
        if datasets is not None:
            return set(datasets)
        return {*self._opening.datasets, *(item.dataset for item in self._items.live())}

    def _addresses(self, tokens: Collection[bytes], datasets: Collection[str] | None) -> set[str]:
        return {
            address
            for dataset in self._names(datasets)
            for token in tokens
            for address in self._site.addresses(dataset, token)
        }

    def _purge_until_gone(
        self, nodes: Sequence[Node], named: Sequence[str], addresses: Collection[str]
    ) -> tuple[bool, list[Answer]]:
        """Purge, and again while a page is found: a reader may have brought it back, a node may be slow to follow.

        Returns:
            Whether the nodes said of the last purge that it was done, and the pages that are still there.
        """
        for turn in range(_PASSES):
            time.sleep(_PAUSE_SECONDS if turn else 0)
            done = self._purged(nodes, named, addresses)
            reached("http.erase.purged")
            left = self._stored(nodes, addresses)
            if not left:
                break
        return done, left

    def _stored(self, nodes: Sequence[Node], addresses: Collection[str]) -> list[Answer]:
        """Return the pages that nodes have stored, of every variant."""
        return [
            page
            for node in nodes
            for address in addresses
            for variant in self._site.variants
            if (page := node.stored(address, variant)) is not None
        ]

    def _purged(self, nodes: Sequence[Node], named: Sequence[str], addresses: Collection[str]) -> bool:
        """Purge on every node, by words or by address; tell whether all said that it was done."""
        answers: list[Answer] = []
        for node in nodes:
            if self._site.purge_by == "address":
                answers += [node.purge(address) for address in addresses]
                continue
            for line in lines(named):
                answers.append(node.purge(self._site.purge_address, {self._site.purge_header: line}))
        return all(answer.fine for answer in answers)

    def _try(self, node: Node, dataset: Dataset) -> None:
        """Fetch one page of a dataset as a reader would, find it in the cache, purge it, and find it no more."""
        if not dataset.rows.num_rows:
            return
        token = dataset.rows.column(TOKEN)[0].as_py() if dataset.about_people else None
        named = [dataset.name] if token is None else words([token], None)
        addresses = self._site.addresses(dataset.name, token)
        if not addresses:
            raise self._unfit(dataset.name, "no declared page is about it")
        for address in addresses:
            if self._life(dataset.name, node.ask("GET", address)) and not _soon_stored(node, address):
                raise self._unfit(
                    dataset.name, "a page that may be cached is not found in the cache afterwards"
                )
            done = self._purged([node], named, [address])
            self._require(done)
            if self._stored([node], [address]):
                raise self._unfit(dataset.name, "a page is still served after it was purged")
            # A node that does not tell fetched it again when it was asked.
            self._require(self._purged([node], named, [address]))

    def _life(self, dataset: str, page: Answer) -> int:
        """Return for how many seconds a page may be cached, which must be within the time to live."""
        life = longest_life(page.headers)
        if not page.fine:
            raise self._unfit(dataset, "the origin has no page at the declared address")
        if life is None:
            raise self._unfit(dataset, "a page does not say for how long it may be cached")
        if life > self._opening.ttl.total_seconds():
            raise self._unfit(dataset, "a page may be cached for longer than the declared time to live")
        return life

    def _ends_in_time(self, page: Answer) -> bool:
        life = longest_life(page.headers)
        return life is not None and life - age_of(page.headers) <= self._opening.ttl.total_seconds()

    def _require(self, done: bool) -> None:  # noqa: FBT001  an answer, not a switch
        if not done:
            raise AccessDenied(
                f"A node of the copy {self.name} refuses to purge.",
                remedy="Let it accept purges from here (docs/copies-http.md); nothing is cached that cannot be purged.",
            )

    def _unfit(self, dataset: str, what: str) -> ConfigurationError:
        return ConfigurationError(
            f"The copy {self.name} cannot hold {dataset}: {what}.",
            remedy="Correct the origin's headers or the cache's configuration (docs/copies-http.md).",
        )


def _item(dataset: str) -> str:
    return f"pages-{dataset}"


def _soon_stored(node: Node, address: str) -> bool:
    """Tell whether a page that was just read is found in the cache; an Age shows only after a second."""
    for turn in range(_PASSES):
        time.sleep(_PAUSE_SECONDS if turn else 0)
        if node.stored(address, ()) is not None:
            return True
    return False
