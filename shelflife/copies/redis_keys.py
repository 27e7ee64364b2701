"""Finding and removing the keys of a Redis copy: by scanning, never by a command that stops the server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shelflife.control.crashpoints import reached

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    import redis

    from shelflife.copies.redis_layout import Layout

_TOGETHER = 500
_SCAN = 1_000


def items_of(server: redis.Redis, layout: Layout) -> set[str]:
    """Return the items that have keys on the server."""
    return {item for key in _keys(server, layout) if (item := layout.item(key)) is not None}


def remove_people(
    server: redis.Redis, layout: Layout, tokens: Collection[bytes], items: Collection[str] | None
) -> tuple[int, bool]:
    """Remove everything of some people.

    Args:
        server: the server.
        layout: the copy's keys.
        tokens: the people.
        items: the items to remove them from; all, and whatever else names them under the copy's name, when absent.

    Returns:
        How many values were removed, and whether there was anything at all.
    """
    people = set(tokens)
    doomed: dict[bytes, bytes] = {}
    for key in (*_tagged(server, layout, people), *_keys(server, layout)):
        token = layout.named(key, people)
        if token is not None and (items is None or layout.item(key) in items):
            doomed[key] = token
    _unlink(server, {key: layout.tag(token) for key, token in doomed.items()})
    return sum(layout.item(key) is not None for key in doomed), bool(doomed)


def remove_items(server: redis.Redis, layout: Layout, items: Collection[str]) -> set[str]:
    """Remove every key of some items; return the items that had any."""
    doomed = [key for key in _keys(server, layout) if layout.item(key) in items]
    _unlink(server, {key: layout.tag_of(key) for key in doomed})
    return {item for key in doomed if (item := layout.item(key)) is not None}


def _keys(server: redis.Redis, layout: Layout) -> Iterator[bytes]:
    """Yield every key under the copy's name, some maybe twice."""
    return iter(server.scan_iter(match=layout.pattern, count=_SCAN))


def _tagged(server: redis.Redis, layout: Layout, tokens: Collection[bytes]) -> Iterator[bytes]:
    """Yield the keys that the sets of these people list; a set may have been evicted, so it is never enough."""
    for batch in _batches(sorted(tokens)):
        pipe = server.pipeline(transaction=False)
        for token in batch:
            pipe.smembers(layout.tag(token))
        for members in _run(pipe):
            yield from members if isinstance(members, set | list) else ()


def _unlink(server: redis.Redis, tags: dict[bytes, bytes]) -> None:
    """Remove keys, given with the set that lists each."""
    for batch in _batches(sorted(tags)):
        pipe = server.pipeline(transaction=True)
        for key in batch:
            pipe.unlink(key)
            pipe.srem(tags[key], key)
        _run(pipe)
        reached("redis.remove.batch_removed")


def _run(pipe: redis.client.Pipeline) -> list[Any]:
    """Run commands on sets of keys; where another writer put something else in a set's place, there is no set."""
    from redis.exceptions import ResponseError  # noqa: PLC0415  an optional library

    answers = pipe.execute(raise_on_error=False)
    for answer in answers:
        if isinstance(answer, ResponseError) and not str(answer).startswith("WRONGTYPE"):
            raise answer
    return list(answers)


def _batches(keys: list[bytes]) -> Iterator[list[bytes]]:
    for start in range(0, len(keys), _TOGETHER):
        yield keys[start : start + _TOGETHER]
