"""A cache in Redis or Valkey: one sealed value per person and dataset, each with a time to live.

A publication is written beside the one that stands, under new keys, and takes its place in one commit; the keys of
the former one are destroyed there. Removing people means more than removing keys of the server: see `redis_history`.
One erasure of many people costs the server one rewrite. A server may be shared with others: nothing of theirs is
touched, but the rewrite is the whole server's. Cluster mode is not supported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from shelflife.control.crashpoints import reached
from shelflife.copies import redis_history
from shelflife.copies.datasets import in_one_form
from shelflife.copies.protocol import Capabilities, Erased, Item
from shelflife.copies.redis_connection import connected
from shelflife.copies.redis_keys import items_of, remove_items, remove_people
from shelflife.copies.redis_layout import Layout
from shelflife.copies.redis_values import by_person, decode, encode
from shelflife.errors import AccessDenied, ConfigurationError, StorageError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from datetime import datetime

    import pyarrow as pa
    import redis

    from shelflife.copies.items import KeyedItem, Opening
    from shelflife.copies.protocol import Dataset

_BATCH_KEYS = 500
_BATCH_BYTES = 4 << 20
_PASSES = 3
_PATIENCE = 600.0
"""Seconds that a server may take to write its history anew."""


def open_adapter(opening: Opening) -> RedisCache:
    """Return the adapter of a declared copy.

    Options: `replicas` (a list of `host:port`): replicas of the server whose disks must forget too.

    Raises:
        ConfigurationError: an option is unknown or wrong.
    """
    return RedisCache(opening)


class RedisCache:
    """One copy in a Redis or Valkey server."""

    def __init__(self, opening: Opening) -> None:
        self.name = opening.name
        self._opening = opening
        self._items = opening.items
        self._layout = Layout(opening.name)
        self._addresses = _addresses(opening)
        self._milliseconds = round(opening.ttl.total_seconds() * 1000)

    def capabilities(self) -> Capabilities:
        """It can do everything; values go away by themselves, and without a key of the item they are noise."""
        return Capabilities(
            erases=True, exports=True, lists=True, expires=True, encrypted=self._opening.encrypted
        )

    def publish(self, datasets: Sequence[Dataset], now: datetime) -> list[Item]:
        """Make the copy hold exactly these datasets.

        Raises:
            CopyUnreachable: the server does not answer; the former publication stands.
            StorageError: the server refuses, for memory or disk; the former publication stands.
            AccessDenied: its access rules forbid it.
        """
        with connected(self.name, self._addresses) as servers:
            server = servers[0]
            self._recover(server, now)
            try:
                made = [self._write(server, in_one_form(dataset), now) for dataset in datasets]
                reached("redis.publish.written")
                self._items.settle(made, now, fresh=True)
            except Exception:
                self._recover(server, now)
                raise
            reached("redis.publish.settled")
            self._tell_readers(server, made)
            self._sweep(server)
            if not self._opening.encrypted:
                self._forget_former(servers)
        return made

    def erase(
        self, tokens: Collection[bytes], now: datetime, *, datasets: Collection[str] | None = None
    ) -> Erased:
        """Remove people from the server's memory, and from everything that it wrote before.

        The history is written anew even where nobody was found: a value that expired, or that a killed call removed,
        is still in it. Whoever is found again afterwards was put there meanwhile by another writer and is removed
        again; after some rounds of that the outcome is `failed`.
        """
        if not tokens or (datasets is not None and not datasets):
            return Erased("already_absent")
        try:
            with connected(self.name, self._addresses) as servers:
                self._recover(servers[0], now)
                return self._erase(servers, tokens, self._items_of(datasets))
        except AccessDenied:
            return Erased("unsupported")
        except StorageError:
            return Erased("failed")

    def export(self, token: bytes) -> dict[str, pa.Table]:
        """Return one person's rows, by dataset; datasets without a row of theirs are left out.

        Raises:
            SealBroken: a value was altered.
        """
        found: dict[str, pa.Table] = {}
        with connected(self.name, self._addresses[:1]) as (server,):
            for item in self._items.live():
                value = server.get(self._layout.rows(item.item, token))
                if isinstance(value, bytes):
                    found[item.dataset] = decode(value, item.key, self._place(item.item, token))
        return found

    def expire(self, now: datetime) -> list[str]:
        """Remove the publications that are past their time to live, also where the server's clock runs late."""
        with connected(self.name, self._addresses) as servers:
            self._recover(servers[0], now)
            live = self._items.live()
            due = [one.item for one in live if one.expires_at is not None and one.expires_at <= now]
            if due:
                stays = [one for one in live if one.item not in due]
                self._items.settle([], now, keep=[one.item for one in stays], fresh=False)
                reached("redis.expire.settled")
                self._tell_readers(servers[0], stays)
                self._sweep(servers[0])
                self._forget_former(servers)
        return due

    def inventory(self) -> list[str]:
        """Return the items under the copy's name, and a digest for each key that nobody here writes."""
        with connected(self.name, self._addresses[:1]) as (server,):
            return sorted(items_of(server, self._layout))

    def discard(self, objects: Collection[str]) -> list[str]:
        """Remove objects of the inventory with all their keys."""
        with connected(self.name, self._addresses[:1]) as (server,):
            return sorted(remove_items(server, self._layout, set(objects)))

    def _erase(
        self, servers: Sequence[redis.Redis], tokens: Collection[bytes], items: Collection[str] | None
    ) -> Erased:
        removed = 0
        for turn in range(_PASSES):
            found, touched = remove_people(servers[0], self._layout, tokens, items)
            removed += found
            reached("redis.erase.removed")
            if turn and not touched:
                break
            history = redis_history.forget(servers, self.name, patience=_PATIENCE)
            if history != "forgotten":
                return Erased(history, removed)
        else:
            return Erased("failed", removed)
        history = redis_history.forget_logs(servers, tokens)
        if history != "forgotten":
            return Erased(history, removed)
        return Erased("deleted" if removed else "already_absent", removed)

    def _write(self, server: redis.Redis, dataset: Dataset, now: datetime) -> Item:
        """Write one dataset under a new item, pending until it is settled."""
        item = self._items.register(dataset.name, now)
        reached("redis.publish.registered")
        size = 0
        for batch in _batches(self._values(dataset, item)):
            pipe = server.pipeline(transaction=True)
            for token, key, value in batch:
                size += len(value)
                pipe.set(key, value, px=self._milliseconds)
                if token is not None:
                    pipe.sadd(self._layout.tag(token), key)
                    pipe.pexpire(self._layout.tag(token), self._milliseconds)
            pipe.execute()
            reached("redis.publish.batch_written")
        return Item(item.item, dataset.name, dataset.rows.num_rows, size)

    def _values(self, dataset: Dataset, item: KeyedItem) -> Iterator[tuple[bytes | None, bytes, bytes]]:
        # A dataset about people leaves its columns there, so that an item is seen even when nobody is in it.
        table = dataset.rows.slice(0, 0) if dataset.about_people else dataset.rows
        yield None, self._layout.table(item.item), encode(table, item.key, self._place(item.item, b""))
        for token, rows in by_person(dataset) if dataset.about_people else ():
            value = encode(rows, item.key, self._place(item.item, token))
            yield token, self._layout.rows(item.item, token), value

    def _place(self, item: str, token: bytes) -> tuple[str, str, str, bytes]:
        return "redis-cache", self.name, item, token

    def _tell_readers(self, server: redis.Redis, items: Sequence[Item | KeyedItem]) -> None:
        pipe = server.pipeline(transaction=True)
        pipe.delete(self._layout.current)
        for item in items:
            pipe.hset(self._layout.current, item.dataset, item.item)
        pipe.pexpire(self._layout.current, self._milliseconds)
        pipe.execute()

    def _items_of(self, datasets: Collection[str] | None) -> set[str] | None:
        if datasets is None:
            return None
        return {one.item for one in self._items.live() if one.dataset in datasets}

    def _recover(self, server: redis.Redis, now: datetime) -> None:
        """Give up and remove what a killed process left; the caller holds the copy's lock."""
        self._items.give_up(now)
        self._sweep(server)

    def _sweep(self, server: redis.Redis) -> None:
        """Remove the keys of items that no longer stand for the copy."""
        states = self._items.states(items_of(server, self._layout))
        gone = {item for item, state in states.items() if state == "removed"}
        if gone:
            remove_items(server, self._layout, gone)

    def _forget_former(self, servers: Sequence[redis.Redis]) -> None:
        """Make the servers forget former publications; sealed ones are noise already, and only their names are left."""
        history = redis_history.forget(servers, self.name, patience=_PATIENCE)
        if history != "forgotten" and not self._opening.encrypted:
            raise StorageError(
                f"The server of the copy {self.name} still has former publications in its files, in clear.",
                remedy="Let its user write them anew (docs/copies-redis.md), then publish again.",
            )


def _addresses(opening: Opening) -> list[str]:
    """Return the URL of the server and of each replica, which shares its credentials."""
    replicas = opening.options.get("replicas", [])
    known = set(opening.options) <= {"replicas", "history_folder"}
    known = known and isinstance(opening.options.get("history_folder", ""), str)
    url = urlsplit(opening.location)
    if not known or not isinstance(replicas, list) or (replicas and url.scheme == "unix"):
        raise ConfigurationError(
            f"The options of the copy {opening.name} are wrong.",
            remedy="A redis_cache knows `replicas` (a list of host:port, not with unix://) and `history_folder` (a path).",
        )
    secret = url.netloc.rpartition("@")
    return [
        opening.location,
        *(url._replace(netloc=f"{secret[0]}{secret[1]}{replica}").geturl() for replica in replicas),
    ]


def _batches(
    values: Iterable[tuple[bytes | None, bytes, bytes]],
) -> Iterator[list[tuple[bytes | None, bytes, bytes]]]:
    batch: list[tuple[bytes | None, bytes, bytes]] = []
    size = 0
    for entry in values:
        batch.append(entry)
        size += len(entry[2])
        if len(batch) >= _BATCH_KEYS or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
