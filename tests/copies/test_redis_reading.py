"""Snapshots and append-only files, read as real servers wrote them; hostile files; the search for tokens."""

from __future__ import annotations

import base64
import io
import os
import random
import uuid
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shelflife.copies.aof_reading import strings_of_history
from shelflife.copies.inspectors.token_search import TokenSearch
from shelflife.copies.rdb_reading import decompressed, strings_of_snapshot
from shelflife.errors import SourceError
from tests.copies.servers.redis_server import FLAVOURS, redis_server

SEED = 20261123


def words(count: int, *, size: int = 40) -> list[str]:
    choose = random.Random(SEED + count)
    return [choose.randbytes(size // 2).hex() for _ in range(count)]


def fill(client) -> list[str]:
    """Put one of everything into a server, small and large, and return every string that must be found."""
    few, many = words(3), words(1500)
    client.set("a number", 12345)
    client.set("a long number", -2_000_000_000)
    client.set("a plain text", few[0])
    client.set("a long text", many[0] * 400, px=3_600_000)
    client.set("an incompressible value", os.urandom(100_000))
    for name, members in (("small", few), ("large", many)):
        client.rpush(f"list {name}", *members)
        client.sadd(f"set {name}", *members)
        client.hset(f"hash {name}", mapping={member: member[::-1] for member in members})
        client.zadd(f"sorted {name}", {member: place + 0.25 for place, member in enumerate(members)})
        for member in members:
            client.xadd(f"stream {name}", {"field": member})
        client.xgroup_create(f"stream {name}", "readers", id="0")
        client.xreadgroup("readers", "somebody", {f"stream {name}": ">"}, count=2)
    client.sadd("set of numbers", *range(50))
    client.zadd("sorted ends", {"first": float("-inf"), "last": float("inf")})
    client.setbit("bits", 1000, 1)
    client.pfadd("estimate", *many)
    client.geoadd("places", (13.4, 52.5, "a place"))
    client.execute_command("SELECT", 7)
    client.set("in another database", few[1])
    client.execute_command("SELECT", 0)
    reversed_ = [word[::-1] for word in (*few, *many)]
    return [
        *few,
        *many,
        *reversed_,
        "readers",
        "somebody",
        "in another database",
        "places",
        "a plain text",
        "-2000000000",
    ]


def found_in(path: Path) -> bytes:
    with path.open("rb") as file:
        content = b"\n".join(strings_of_history(file))
        assert file.read() == b""
    return content


@pytest.mark.server
@pytest.mark.parametrize("compression", ["yes", "no"])
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_every_string_of_a_snapshot_is_found(flavour, compression):
    with redis_server(flavour, "--rdbcompression", compression) as server:
        with server.client() as client:
            expected = fill(client)
            client.config_set("maxmemory-policy", "allkeys-lfu")
            client.save()
        raw = (server.folder / "dump.rdb").read_bytes()
        content = found_in(server.folder / "dump.rdb")
    assert [word for word in expected if word.encode() not in content] == []
    # A search of the bytes as they lie is blind to compression: that is why the file is decoded.
    long_text = (words(1500)[0] * 400).encode()
    assert long_text in content
    assert (long_text in raw) is (compression == "no")


@pytest.mark.server
@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-lfu"])
def test_ages_and_functions_stand_in_no_ones_way(policy):
    with redis_server("redis", "--maxmemory", "100mb", "--maxmemory-policy", policy) as server:
        with server.client() as client:
            client.execute_command(
                "FUNCTION",
                "LOAD",
                "#!lua name=mine\nredis.register_function('f', function() return 'a-word' end)",
            )
            client.set("behind it", "value", px=10_000_000)
            client.save()
        content = found_in(server.folder / "dump.rdb")
    assert b"a-word" in content
    assert b"behind it" in content


@pytest.mark.server
def test_hash_fields_with_an_end_of_their_own_are_found():
    with redis_server("valkey") as server:
        with server.client() as client:
            client.hset("hash", mapping={word: word[::-1] for word in words(20)})
            client.execute_command("HEXPIRE", "hash", 3600, "FIELDS", 1, words(20)[0])
            client.set("behind it", "value")
            client.save()
        content = found_in(server.folder / "dump.rdb")
    assert all(word[::-1].encode() in content for word in words(20))
    assert b"behind it" in content


@pytest.mark.server
@pytest.mark.parametrize("preamble", ["yes", "no"])
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_every_string_of_an_append_only_file_is_found(flavour, preamble):
    with redis_server(flavour, "--appendonly", "yes", "--aof-use-rdb-preamble", preamble) as server:
        with server.client() as client:
            expected = fill(client)
            client.bgrewriteaof()
            while client.info("persistence")["aof_rewrite_in_progress"]:
                pass
            client.set("after the rewrite", "a later value")
        server.restart()
        files = [path for path in server.files() if ".aof" in path.name and path.suffix != ".manifest"]
        content = b"\n".join(found_in(path) for path in files)
    assert [word for word in (*expected, "a later value") if word.encode() not in content] == []


@pytest.fixture(scope="module")
def snapshot() -> bytes:
    with redis_server("redis") as server:
        with server.client() as client:
            few = words(3)
            client.set("long", few[0] * 100)
            client.hset("hash", mapping=dict.fromkeys(few, "value"))
            client.zadd("sorted", dict.fromkeys(few, 1.5))
            client.xadd("stream", {"field": few[0]})
            client.save()
        return (server.folder / "dump.rdb").read_bytes()


@pytest.mark.server
def test_a_snapshot_that_is_cut_off_anywhere_is_refused(snapshot):
    for size in range(len(snapshot)):
        with pytest.raises(SourceError):
            list(strings_of_snapshot(io.BytesIO(snapshot[:size])))
    assert list(strings_of_snapshot(io.BytesIO(snapshot)))


@pytest.mark.server
@settings(max_examples=300)
@given(data=st.data())
def test_a_damaged_snapshot_never_ends_in_another_error(snapshot, data):
    place = data.draw(st.integers(9, len(snapshot) - 1))
    damaged = bytearray(snapshot)
    damaged[place : place + 3] = data.draw(st.binary(min_size=1, max_size=6))
    try:
        for piece in strings_of_snapshot(io.BytesIO(bytes(damaged))):
            assert len(piece) <= 1 << 30
    except SourceError:
        pass


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"REDIS",
        b"REDIS0012\xff",
        b"REDIS9999",
        b"VALKEY081",
        b"VALKEYxyz",
        b"RDB000011",
        b"REDIS0011\x7b",
    ],
)
def test_what_is_no_known_snapshot_is_refused(head):
    with pytest.raises(SourceError):
        list(strings_of_snapshot(io.BytesIO(head + bytes(20))))


def command(*parts: bytes) -> bytes:
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


@given(st.lists(st.lists(st.binary(max_size=200), min_size=1, max_size=5), max_size=8), st.integers(0, 400))
def test_commands_come_back_word_by_word_also_when_the_last_is_cut_off(commands, kept):
    content = b"".join(b"#TS:1795000000\r\n" + command(*parts) for parts in commands)
    parts = [part for one in commands for part in one]
    assert list(strings_of_history(io.BufferedReader(io.BytesIO(content)))) == parts
    cut = list(strings_of_history(io.BufferedReader(io.BytesIO(content[:kept]))))
    assert b"".join(parts).startswith(b"".join(cut[:-1]))


@pytest.mark.parametrize(
    "content", [b"what is this\r\n", b"*1\r\n:5\r\n", b"*x\r\n", b"*1\r\n$-1\r\n", b"*1\r\n$99999999999\r\n"]
)
def test_what_is_no_append_only_file_is_refused(content):
    with pytest.raises(SourceError):
        list(strings_of_history(io.BufferedReader(io.BytesIO(content))))


@pytest.mark.parametrize(
    ("packed", "size"),
    [
        (b"\x05abc", 6),
        (b"\x20\x00", 3),
        (b"\x00a\xe0", 9),
        (b"\x00a\x20\x00", 99),
        (b"\x00a\x20\x05", 4),
        (b"", 1),
    ],
)
def test_damaged_compression_is_refused(packed, size):
    with pytest.raises(SourceError):
        decompressed(packed, size)


def test_compression_repeats_what_overlaps():
    # One letter, then three more of it; then a run of 11 from two letters back.
    assert decompressed(b"\x00a\x20\x00", 4) == b"aaaa"
    assert decompressed(b"\x01ab\xe0\x02\x01", 13) == b"ab" * 6 + b"a"


# Pieces are searched together with zeros between them, which no token is: it is a keyed digest.
TOKENS = st.lists(st.binary(min_size=16, max_size=16).filter(any), min_size=1, max_size=40)


@given(TOKENS, st.binary(max_size=300), st.integers(0, 300), st.sampled_from(range(5)))
def test_a_token_is_found_in_every_form_wherever_it_stands(tokens, content, place, form):
    token = tokens[place % len(tokens)]
    text = (
        token,
        token.hex().encode(),
        token.hex().upper().encode(),
        base64.b64encode(token),
        str(uuid.UUID(bytes=token)).encode(),
    )[form]
    search = TokenSearch(tokens)
    assert search.is_in(content[:place] + text + content[place:])
    assert search.is_in_any([content, text, content])


@given(TOKENS, st.lists(st.binary(max_size=200), max_size=20))
def test_nobody_is_found_who_is_not_there(tokens, pieces):
    search = TokenSearch(tokens)
    there = any(token in piece for token in tokens for piece in pieces)
    assert search.is_in_any(pieces) is there
    assert not TokenSearch([]).is_in_any(pieces)
