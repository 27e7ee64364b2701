"""A cache in Redis or Valkey: one sealed value per person and dataset, each with a time to live.

A publication is written beside the one that stands, under new keys, and takes its place in one commit; the keys of
the former one are destroyed there. Removing people means more than removing keys of the server: see `redis_history`.
One erasure of many people costs the server one rewrite. A server may be shared with others: nothing of theirs is
touched, but the rewrite is the whole server's. Cluster mode is not supported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from shelflife.control.crashpoints import reached
from shelflife.copies import redis_history
from shelflife.copies.datasets import in_one_form
from shelflife.copies.protocol import Capabilities, Erased, Item
from shelflife.copies.redis_connection import connected
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
_SCAN = 1_000
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
            if self._sweep(server) and not self._opening.encrypted:
                redis_history.forget(servers, self.name, patience=_PATIENCE)
        return made

    def erase(
        self, tokens: Collection[bytes], now: datetime, *, datasets: Collection[str] | None = None
    ) -> Erased:
        """Remove people from the server's memory, and from everything that it wrote before.

        The history is written anew even where nobody was found: a value that expired, or that a killed call removed,
        is still in it. Whoever is found again afterwards was put there meanwhile by another writer and is removed
        again; after some rounds of that the outcome is `failed`.
        """
        removed = 0
        try:
            with connected(self.name, self._addresses) as servers:
                self._recover(servers[0], now)
                for turn in range(_PASSES):
                    found, touched = self._remove(servers[0], set(tokens), datasets)
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
        except AccessDenied:
            return Erased("unsupported", removed)
        except StorageError:
            return Erased("failed", removed)
        if history != "forgotten":
            return Erased(history, removed)
        return Erased("deleted" if removed else "already_absent", removed)

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
                stays = [one.item for one in live if one.item not in due]
                self._items.settle([], now, keep=stays, fresh=False)
                reached("redis.expire.settled")
                self._sweep(servers[0])
                redis_history.forget(servers, self.name, patience=_PATIENCE)
        return due

    def inventory(self) -> list[str]:
        """Return the items under the copy's name, and a digest for each key that nobody here writes."""
        with connected(self.name, self._addresses[:1]) as (server,):
            return sorted(
                {item for key in self._keys(server) if (item := self._layout.item(key)) is not None}
            )

    def discard(self, objects: Collection[str]) -> list[str]:
        """Remove objects of the inventory with all their keys."""
        with connected(self.name, self._addresses[:1]) as (server,):
            return sorted(self._drop(server, set(objects)))

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
        if not dataset.about_people:
            place = self._place(item.item, b"")
            yield None, self._layout.table(item.item), encode(dataset.rows, item.key, place)
            return
        for token, rows in by_person(dataset):
            value = encode(rows, item.key, self._place(item.item, token))
            yield token, self._layout.rows(item.item, token), value

    def _place(self, item: str, token: bytes) -> tuple[str, str, str, bytes]:
        return "redis-cache", self.name, item, token

    def _tell_readers(self, server: redis.Redis, made: Sequence[Item]) -> None:
        pipe = server.pipeline(transaction=True)
        pipe.delete(self._layout.current)
        for item in made:
            pipe.hset(self._layout.current, item.dataset, item.item)
        pipe.pexpire(self._layout.current, self._milliseconds)
        pipe.execute()

    def _remove(
        self, server: redis.Redis, tokens: set[bytes], datasets: Collection[str] | None
    ) -> tuple[int, bool]:
        """Remove people's keys; return how many values went, and whether anything of theirs was there."""
        wanted = {one.item for one in self._items.live() if datasets is not None and one.dataset in datasets}
        doomed: dict[bytes, bytes] = {}
        for key in (*self._tagged(server, tokens), *self._keys(server)):
            token = self._layout.named(key, tokens)
            if token is not None and (datasets is None or self._layout.item(key) in wanted):
                doomed[key] = token
        values = sum(self._layout.item(key) is not None for key in doomed)
        for batch in _chunked(list(doomed)):
            pipe = server.pipeline(transaction=True)
            for key in batch:
                pipe.unlink(key)
                pipe.srem(self._layout.tag(doomed[key]), key)
            _run(pipe)
        return values, bool(doomed)

    def _tagged(self, server: redis.Redis, tokens: Collection[bytes]) -> Iterator[bytes]:
        """Yield the keys that the sets of these people list; a set may have been evicted, so it is never enough."""
        for batch in _chunked(sorted(tokens)):
            pipe = server.pipeline(transaction=False)
            for token in batch:
                pipe.smembers(self._layout.tag(token))
            for members in _run(pipe):
                yield from members if isinstance(members, set | list) else ()

    def _keys(self, server: redis.Redis) -> Iterator[bytes]:
        """Yield every key under the copy's name, some maybe twice."""
        return iter(server.scan_iter(match=self._layout.pattern, count=_SCAN))

    def _recover(self, server: redis.Redis, now: datetime) -> None:
        """Give up and remove what a killed process left; the caller holds the copy's lock."""
        self._items.give_up(now)
        self._sweep(server)

    def _sweep(self, server: redis.Redis) -> bool:
        """Remove the keys of items that no longer stand for the copy; tell whether there were any."""
        here = {item for key in self._keys(server) if (item := self._layout.item(key)) is not None}
        gone = {item for item, state in self._items.states(here).items() if state == "removed"}
        return bool(gone and self._drop(server, gone))

    def _drop(self, server: redis.Redis, items: set[str]) -> set[str]:
        found: set[str] = set()
        for batch in _chunked([key for key in self._keys(server) if self._layout.item(key) in items]):
            pipe = server.pipeline(transaction=True)
            for key in batch:
                found.add(self._layout.item(key) or "")
                pipe.unlink(key)
                pipe.srem(self._layout.tag_of(key), key)
            _run(pipe)
            reached("redis.sweep.batch_removed")
        return found


def _run(pipe: redis.client.Pipeline) -> list[Any]:
    """Run commands on sets of keys; where another writer put something else in a set's place, there is no set."""
    from redis.exceptions import ResponseError  # noqa: PLC0415  an optional library

    answers = pipe.execute(raise_on_error=False)
    for answer in answers:
        if isinstance(answer, ResponseError) and not str(answer).startswith("WRONGTYPE"):
            raise answer
    return list(answers)


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


def _chunked(keys: list[bytes]) -> Iterator[list[bytes]]:
    for start in range(0, len(keys), _BATCH_KEYS):
        yield keys[start : start + _BATCH_KEYS]
