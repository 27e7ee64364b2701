"""Inspects a Redis copy: every key of every database, every value opened, the server's logs, and its files decoded.

The layout is written down in `shelflife.copies.redis_layout`; nothing of that module is used here. Files are read where
they can be: where the server runs on this machine, or where the option `history_folder` says that its folder is
mounted. Where they cannot, `unseen` says so after an inspection; a declared folder that cannot be read is a finding.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import zstandard

from shelflife.copies.inspectors.folders import EXPIRED, PERSON, UNREADABLE, UNREGISTERED
from shelflife.copies.inspectors.redis_history import history_of
from shelflife.copies.inspectors.token_search import TokenSearch
from shelflife.copies.protocol import CopyFinding
from shelflife.errors import ConfigurationError, CopyUnreachable, SealBroken
from shelflife.seal.values import open_value

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from datetime import datetime

    import redis

    from shelflife.copies.items import KeyedItem, Opening

NO_END = "no_time_to_live"
LATE_END = "time_to_live_too_long"
IN_CLEAR = "in_clear"
HISTORY_UNSEEN = "history_not_inspected"

_ITEM_KEY = re.compile(rb"([0-9a-f]{32}):([0-9a-f]{32}|table)")
_TOGETHER = 200
_LOG_ENTRIES = 100_000
_SECOND = timedelta(seconds=1)


def open_inspector(opening: Opening) -> RedisCacheInspector:
    """Return the inspector of a declared copy."""
    return RedisCacheInspector(opening)


class RedisCacheInspector:
    """Looks at one copy in a Redis or Valkey server.

    Attributes:
        name: the copy's name.
        unseen: what the last inspection could not look at.
    """

    def __init__(self, opening: Opening) -> None:
        self.name = opening.name
        self.unseen: list[str] = []
        self._opening = opening
        self._prefix = f"{opening.name}:".encode()

    def inspect(self, tokens: Collection[bytes], known: Collection[str], now: datetime) -> list[CopyFinding]:
        """Look for people in memory and history, for objects nobody registered, and for what stays too long."""
        import redis  # noqa: PLC0415  an optional library

        self.unseen = []
        search = TokenSearch(tokens)
        try:
            with redis.Redis.from_url(
                self._opening.location, single_connection_client=True, protocol=2
            ) as server:
                found = {*self._live(server, search, known, now), *self._elsewhere(server, search)}
                found |= {*self._logged(server, search), *self._history(server, search)}
        except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, OSError):
            raise CopyUnreachable(
                f"The server of the copy {self.name} does not answer.",
                remedy="Start it, then inspect again: nothing is known about it.",
            ) from None
        except redis.exceptions.RedisError:
            raise ConfigurationError(
                f"The server of the copy {self.name} does not let the inspector look.",
                remedy="Give its user the reading commands that docs/copies-redis.md lists.",
            ) from None
        return [
            CopyFinding(self.name, rule, where)
            for rule, where in sorted(found, key=lambda one: (one[1], one[0]))
        ]

    def _live(
        self, server: redis.Redis, search: TokenSearch, known: Collection[str], now: datetime
    ) -> Iterator[tuple[str, str]]:
        """Look at the keys under the copy's name."""
        live = {item.item: item for item in self._opening.items.live()}
        by_item: defaultdict[str, list[bytes]] = defaultdict(list)
        for key in set(server.scan_iter(match=self._prefix + b"*", count=1000)):
            by_item[self._item(key)].append(key)
        for item, keys in by_item.items():
            ours = item in {"tags", "current"} or item in known
            if not ours:
                yield UNREGISTERED, item
            if search.is_in_any(keys):
                yield PERSON, item
            if ours:
                yield from ((rule, item) for rule in self._ends(server, keys))
            end = live[item].expires_at if item in live else None
            if end is not None and end <= now:
                yield EXPIRED, item
            yield from ((rule, item) for rule in self._content(server, keys, live.get(item), search))

    def _item(self, key: bytes) -> str:
        name = key[len(self._prefix) :]
        found = _ITEM_KEY.fullmatch(name)
        if found:
            return found[1].decode()
        if re.fullmatch(rb"tag:[0-9a-f]{32}", name):
            return "tags"
        return "current" if name == b"current" else f"unknown-{hashlib.sha256(key).hexdigest()[:32]}"

    def _ends(self, server: redis.Redis, keys: Sequence[bytes]) -> set[str]:
        """Return what is wrong with the times to live of some keys."""
        longest = (self._opening.ttl + _SECOND) / timedelta(milliseconds=1)
        rules: set[str] = set()
        for batch in _batches(keys):
            pipe = server.pipeline(transaction=False)
            for key in batch:
                pipe.pttl(key)
            for left in pipe.execute():
                rules |= {NO_END} if left == -1 else {LATE_END} if left > longest else set()
        return rules

    def _content(
        self, server: redis.Redis, keys: Sequence[bytes], item: KeyedItem | None, search: TokenSearch
    ) -> set[str]:
        """Return what is wrong with the values of an item; every one is opened."""
        rules: set[str] = set()
        for batch in _batches(keys):
            for key, value in zip(batch, self._values(server, batch), strict=True):
                rules |= {PERSON} if search.is_in(value) else set()
                if item is None or not value:
                    continue
                try:
                    rules |= {PERSON} if search.is_in(self._opened(key, value, item)) else set()
                except (SealBroken, zstandard.ZstdError, ValueError):
                    rules.add(UNREADABLE if value[:1] == b"\x01" else IN_CLEAR)
        return rules

    def _values(self, server: redis.Redis, keys: Sequence[bytes]) -> list[bytes]:
        """Return strings as they are, sets and hashes as their members, anything else as its serialized form."""
        pipe = server.pipeline(transaction=False)
        for key in keys:
            pipe.type(key)
        ask: list[Any] = []
        pipe_values = server.pipeline(transaction=False)
        for key, kind in zip(keys, pipe.execute(), strict=True):
            ask.append(_READERS.get(kind, "dump"))
            getattr(pipe_values, ask[-1])(key)
        return [_flat(value) for value in pipe_values.execute()]

    def _opened(self, key: bytes, value: bytes, item: KeyedItem) -> bytes:
        last = key.rpartition(b":")[2]
        token = b"" if last == b"table" else bytes.fromhex(last.decode())
        packed = value
        if item.key is not None:
            packed = open_value(item.key, value, ("redis-cache", self.name, item.item, token))
        elif self._opening.encrypted:
            raise SealBroken("An item has no key.", remedy="Publish the copy again.")
        return zstandard.ZstdDecompressor().decompressobj().decompress(packed)

    def _elsewhere(self, server: redis.Redis, search: TokenSearch) -> Iterator[tuple[str, str]]:
        """Look at the names of all other keys, in every database of the server."""
        own = int(server.connection_pool.connection_kwargs.get("db", 0))
        for name in sorted(server.info("keyspace")):
            number = int(name.removeprefix("db"))
            server.execute_command("SELECT", number)  # type: ignore[no-untyped-call]
            keys = server.scan_iter(count=1000)
            if search.is_in_any(key for key in keys if number != own or not key.startswith(self._prefix)):
                yield PERSON, f"database {number}"
        server.execute_command("SELECT", own)  # type: ignore[no-untyped-call]

    def _logged(self, server: redis.Redis, search: TokenSearch) -> Iterator[tuple[str, str]]:
        """Look at the logs of slow and of large commands, which keep words of commands."""
        from redis.exceptions import ResponseError  # noqa: PLC0415  an optional library

        for words in (("SLOWLOG", "GET", _LOG_ENTRIES), *_COMMAND_LOGS):
            try:
                entries: list[Any] = server.execute_command(*words)  # type: ignore[no-untyped-call]
            except ResponseError:
                if words[0] == "SLOWLOG":
                    self.unseen.append("log of slow commands")
                continue
            if search.is_in_any(part for entry in entries for part in entry[3]):
                yield PERSON, "log of commands"

    def _history(self, server: redis.Redis, search: TokenSearch) -> Iterator[tuple[str, str]]:
        declared = self._opening.options.get("history_folder")
        folder = declared if isinstance(declared, str) else None
        history = history_of(server, self._opening.location, folder)
        if history is not None:
            yield from history.findings(search)
        elif folder is not None:
            yield HISTORY_UNSEEN, "server"
        else:
            self.unseen.append("files of the server")


_COMMAND_LOGS = tuple(("COMMANDLOG", "GET", _LOG_ENTRIES, kind) for kind in ("large-request", "large-reply"))
_READERS = {b"string": "get", b"set": "smembers", b"hash": "hgetall"}


def _flat(value: object) -> bytes:
    if isinstance(value, dict):
        return b"\0".join(part for pair in value.items() for part in pair)
    if isinstance(value, set | list):
        return b"\0".join(value)
    return value if isinstance(value, bytes) else b""


def _batches(keys: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(keys), _TOGETHER):
        yield keys[start : start + _TOGETHER]
