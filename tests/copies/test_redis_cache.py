"""The Redis copy on real servers: the conformance suite, and what only it has."""

from __future__ import annotations

import hashlib
import signal
import threading

import pyarrow as pa
import pytest

from shelflife.copies.inspectors.redis_cache import IN_CLEAR, LATE_END, NO_END
from shelflife.copies.protocol import Dataset
from shelflife.copies.redis_values import decode
from shelflife.errors import ConfigurationError, CopyUnreachable, LeaseExpired, StorageError
from tests.conftest import NOW
from tests.copies.conformance import ERASED, NAME, CopyConformance, Place
from tests.copies.estates import PEOPLE, canary, datasets, declared, expected, rows_of, token
from tests.copies.servers.redis_server import redis_server

pytestmark = pytest.mark.server

ZSTD = b"\x28\xb5\x2f\xfd"
PERSISTENT = ("--appendonly", "yes", "--rdbcompression", "no")


def hex_of(person: int) -> bytes:
    return token(person).hex().encode()


class TestRedisCache(CopyConformance):
    kind = "redis_cache"
    publish_points = (
        "redis.publish.registered",
        "redis.publish.batch_written",
        "redis.publish.written",
        "copies.items.before_settle",
        "copies.items.settled",
        "redis.publish.settled",
        "redis.remove.batch_removed",
    )
    erase_points = (
        "redis.remove.batch_removed",
        "redis.erase.removed",
        "redis.erase.rewritten",
        "redis.erase.saved",
    )
    expire_points = ("copies.items.before_settle", "redis.expire.settled", "redis.remove.batch_removed")

    @pytest.fixture
    def declaration(self):
        with redis_server("redis", *PERSISTENT) as server:
            self.server = server
            yield declared(self.kind, name=NAME, location=server.url)

    def plant(self, place, person):
        [item, *_] = place.known()
        with self.server.client() as client:
            client.set(f"{NAME}:{item}:{token(person).hex()}", b"\x01 planted", ex=60)

    def stray(self, place):
        key = f"{NAME}:left by somebody"
        with self.server.client() as client:
            client.set(key, b"whatever", ex=60)
        return f"unknown-{hashlib.sha256(key.encode()).hexdigest()[:32]}"

    def raw(self, place):
        with self.server.client() as client:
            memory = [key + (client.dump(key) or b"") for key in client.scan_iter()]
        return b"".join([*memory, *(path.read_bytes() for path in self.server.files())])


@pytest.fixture
def server():
    with redis_server("redis", *PERSISTENT) as running:
        yield running


@pytest.fixture
def place(tmp_path, server):
    opened = Place(tmp_path, declared("redis_cache", name=NAME, location=server.url))
    yield opened
    opened.estate.close()


def key_of(place, person: int) -> str:
    [item] = [item.item for item in place.opening.items.live() if item.dataset == "heart_daily"]
    return f"{NAME}:{item}:{token(person).hex()}"


def erase(place, *people):
    return place.adapter.erase([token(person) for person in people], NOW)


def test_nothing_in_the_server_can_be_read_without_a_key(place, server):
    place.publish()
    with server.client() as client:
        client.save()
        values = [client.get(key) for key in client.scan_iter(f"{NAME}:*") if client.type(key) == b"string"]
        assert len(values) == PEOPLE + PEOPLE * 2 // 3 + 2
        assert not any(value.startswith(ZSTD) for value in values)
    assert place.inspect() == []
    content = b"".join([*values, *(path.read_bytes() for path in server.files())])
    for person in range(PEOPLE):
        assert canary(person).encode() not in content
        assert canary(person)[:16].encode() not in content
    assert b"mean_bpm" not in content


def test_a_dataset_without_anyone_is_a_sound_item(place):
    empty = [Dataset(one.name, one.rows.slice(0, 0), about_people=True) for one in datasets()]
    place.publish(empty)
    assert sorted(place.adapter.inventory()) == place.known()
    assert place.inspect(1) == []


def test_a_dataset_about_nobody_lies_there_whole_and_sealed(place, server):
    cohorts = pa.table({"week": ["2026-W45"], "people": [17]})
    place.publish([*datasets()[:1], Dataset("cohort_weekly", cohorts, about_people=False)])
    erase(place, 1)
    assert place.inspect(1) == []
    assert "cohort_weekly" not in place.adapter.export(token(2))
    [item] = [item for item in place.opening.items.live() if item.dataset == "cohort_weekly"]
    with server.client() as client:
        value = client.get(f"{NAME}:{item.item}:table")
    assert b"2026-W45" not in value
    assert decode(value, item.key, ("redis-cache", NAME, item.item, b"")).equals(cohorts)
    assert place.adapter.discard([item.item]) == [item.item]


def test_every_key_ends_with_the_time_to_live(place, server):
    place.publish()
    with server.client() as client:
        ends = {client.pttl(key) for key in client.scan_iter()}
    day = 24 * 3600 * 1000
    assert all(day - 60_000 < end <= day for end in ends)


def test_people_whose_sets_of_keys_were_evicted_are_found(place, server):
    place.publish()
    with server.client() as client:
        client.delete(*(f"{NAME}:tag:".encode() + hex_of(person) for person in range(PEOPLE)))
    assert erase(place, *ERASED).outcome == "deleted"
    assert place.inspect(*ERASED) == []


def test_a_set_that_lists_somebody_elses_keys_removes_nobody_else(place, server):
    place.publish()
    with server.client() as client:
        others = [*client.smembers(f"{NAME}:tag:".encode() + hex_of(3)), b"another application:" + hex_of(2)]
        client.set(others[-1], b"value")
        client.sadd(f"{NAME}:tag:".encode() + hex_of(2), *others)
        assert erase(place, 2).removed == 2
        assert client.get(others[-1]) == b"value"
    assert {name: rows_of(rows) for name, rows in place.adapter.export(token(3)).items()} == expected(3)


def test_what_others_added_under_the_copys_name_goes_with_the_person(place, server):
    place.publish()
    with server.client() as client:
        client.hset(f"{NAME}:session-{hex_of(2).decode().upper()}", "seen", "yesterday")
    assert "erased_person" in {finding.rule for finding in place.inspect(2)}
    erase(place, 2)
    assert place.inspect(2) == []


def test_a_server_that_is_down_is_unreachable_and_nothing_is_claimed(place, server):
    place.publish()
    known = place.known()
    server.stop()
    with pytest.raises(CopyUnreachable) as caught:
        erase(place, 2)
    assert str(server.port) not in caught.value.diagnostics()
    for call in (place.inspect, place.adapter.inventory, lambda: place.publish(datasets(shift=1.0))):
        with pytest.raises(CopyUnreachable):
            call()
    assert place.known() == known
    server.start()
    assert erase(place, 2).outcome == "deleted"
    assert place.inspect(2) == []


def test_a_publication_that_an_erasure_overtook_leaves_nothing(place, server):
    place.publish()
    known = place.known()

    def overtaken(*_):
        raise LeaseExpired("The lease is over.", remedy="Read again.")

    from shelflife.copies.registry import open_adapter

    adapter = open_adapter(place.estate, place.declaration, in_commit=overtaken)
    with pytest.raises(LeaseExpired):
        adapter.publish(datasets(shift=3.0), NOW)
    assert place.known() == known
    assert sorted(place.adapter.inventory()) == known
    assert rows_of(place.adapter.export(token(1))["heart_daily"]) == expected(1)["heart_daily"]


def test_a_full_server_keeps_the_former_publication(place, server):
    place.publish()
    known = place.known()
    with server.client() as client:
        client.config_set("maxmemory", "1mb")
    with pytest.raises(StorageError):
        place.publish(datasets(shift=1.0))
    with server.client() as client:
        client.config_set("maxmemory", "0")
    assert place.known() == known
    assert rows_of(place.adapter.export(token(1))["heart_daily"]) == expected(1)["heart_daily"]
    assert place.inspect(PEOPLE + 1) == []


def test_something_else_in_the_place_of_a_set_is_no_hindrance(place, server):
    place.publish()
    with server.client() as client:
        client.set(f"{NAME}:tag:{token(2).hex()}", b"no set")
    assert erase(place, 2).outcome == "deleted"
    assert place.inspect(2) == []


def _putting_back(server, key, value, *, times: int):
    """Another application: puts a value back each time that it sees it gone."""
    stop = threading.Event()

    def watch():
        with server.client() as client:
            left = times
            while left and not stop.is_set():
                if not client.exists(key):
                    client.set(key, value, ex=600)
                    left -= 1

    thread = threading.Thread(target=watch)
    thread.start()
    return stop, thread


@pytest.mark.slow
@pytest.mark.parametrize(("times", "outcome"), [(1, "deleted"), (1_000_000, "failed")])
def test_another_writer_puts_a_person_back_during_the_erasure(place, server, times, outcome):
    place.publish()
    with server.client() as client:
        value = client.get(key_of(place, 2))
    stop, thread = _putting_back(server, key_of(place, 2), value, times=times)
    try:
        erased = erase(place, 2)
    finally:
        stop.set()
        thread.join()
    assert erased.outcome == outcome
    assert (place.inspect(2) == []) is (outcome == "deleted")


def test_the_inspector_says_where_in_memory_a_person_is(place, server):
    place.publish()
    erase(place, 2)
    [item, *_] = place.known()
    with server.client() as client:
        client.config_set("appendonly", "no")
        client.set(f"{NAME}:{item}:{token(2).hex()}", b"", ex=60)
        client.sadd(f"{NAME}:tag:{token(4).hex()}", f"{NAME}:x:{token(2).hex()}")
    assert {found.where for found in place.inspect(2) if found.rule == "erased_person"} == {item, "tags"}


def test_the_inspector_sees_what_stays_too_long(place, server):
    place.publish()
    [first, second] = place.known()
    with server.client() as client:
        client.persist(next(iter(client.scan_iter(match=f"{NAME}:{first}:*"))))
        client.expire(next(iter(client.scan_iter(match=f"{NAME}:{second}:*"))), 90_000)
    assert {(finding.rule, finding.where) for finding in place.inspect()} == {
        (NO_END, first),
        (LATE_END, second),
    }


def test_the_inspector_sees_values_in_clear_or_altered(place, server):
    place.publish()
    [first, second] = place.known()
    with server.client() as client:
        keys = [next(iter(client.scan_iter(match=f"{NAME}:{item}:*"))) for item in (first, second)]
        client.set(keys[0], b"rows in clear", keepttl=True)
        client.setrange(keys[1], 60, b"altered")
    assert {(finding.rule, finding.where) for finding in place.inspect()} == {
        (IN_CLEAR, first),
        ("does_not_open", second),
    }


def test_the_inspector_sees_a_person_in_other_databases(place, server):
    place.publish()
    erase(place, 2)
    with server.client() as client:
        client.execute_command("SELECT", 3)
        client.set(b"export:" + hex_of(2), b"value")
    assert ("erased_person", "database 3") in {(found.rule, found.where) for found in place.inspect(2)}


@pytest.mark.slow
def test_a_copy_in_clear_forgets_its_former_publications(tmp_path, server):
    reason = "the consumer cannot hold keys"
    location = {"location": server.url, "encryption": "none", "encryption_reason": reason}
    place = Place(tmp_path, declared("redis_cache", name=NAME, **location))
    place.publish()
    with server.client() as client:
        client.save()
        former = client.get(key_of(place, 1))
    assert not place.adapter.capabilities().encrypted
    place.publish(datasets(shift=1.0))
    assert place.inspect(PEOPLE + 1) == []
    assert not any(former[40:] in path.read_bytes() for path in server.files())
    erase(place, 1)
    assert place.inspect(1) == []
    place.estate.close()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_server_that_starts_again_brings_nobody_back(place, server, how):
    place.publish()
    erase(place, *ERASED)
    server.restart(how)
    assert place.inspect(*ERASED) == []
    for person in range(PEOPLE):
        held = {name: rows_of(rows) for name, rows in place.adapter.export(token(person)).items()}
        assert held == ({} if person in ERASED else expected(person))


@pytest.mark.parametrize(
    "options",
    [{"replicas": "127.0.0.1:1"}, {"no_such_option": 1}, {"replicas": ["a:1"], "history_folder": 3}],
)
def test_wrong_options_are_refused(tmp_path, server, options):
    place = Place(tmp_path, declared("redis_cache", name=NAME, location=server.url, options=options))
    with pytest.raises(ConfigurationError):
        _ = place.adapter
    place.estate.close()
