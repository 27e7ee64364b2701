"""What real servers wrote to their disks: that it is found there, and that an erasure makes them forget it."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from shelflife.copies.inspectors.redis_cache import HISTORY_UNSEEN
from shelflife.errors import AccessDenied, CopyUnreachable
from tests.conftest import NOW
from tests.copies.conformance import ERASED, NAME, Place
from tests.copies.estates import PEOPLE, declared, expected, rows_of, token
from tests.copies.servers.redis_server import FLAVOURS, free_port, redis_server
from tests.copies.servers.slow_link import slow_link

pytestmark = pytest.mark.server


@pytest.fixture(autouse=True)
def secret(monkeypatch):
    monkeypatch.setenv("REDIS_SECRET", "secret")


def place_on(folder: Path, server, *, user: str | None = None, **more) -> Place:
    location = server.url if user is None else server.url.replace("//", f"//{user}:${{REDIS_SECRET}}@")
    return Place(folder, declared("redis_cache", name=NAME, location=location, **more))


def erase(place: Place, *people: int):
    return place.adapter.erase([token(person) for person in people], NOW)


def only_unlink(server, *people: int) -> None:
    """What an application does that deletes a person's keys and thinks that it is done."""
    with server.client() as client:
        for person in people:
            client.unlink(*client.scan_iter(match=f"*{token(person).hex()}*"))


def where(place: Place, *people: int) -> set[str]:
    return {finding.where for finding in place.inspect(*people) if finding.rule == "erased_person"}


def kinds(names: set[str]) -> set[str]:
    return {"snapshot" if name == "dump.rdb" else "append-only file" for name in names if "." in name}


@pytest.mark.parametrize(("preamble", "compression"), [("yes", "yes"), ("no", "no")])
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_removing_keys_leaves_history_and_erasing_does_not(tmp_path, flavour, preamble, compression):
    """Measured on Redis 7.0.15 first: after UNLINK every person is still in both files."""
    options = ("--rdbcompression", compression, "--aof-use-rdb-preamble", preamble)
    with redis_server(flavour, "--appendonly", "yes", *options) as server:
        place = place_on(tmp_path, server)
        place.publish()
        with server.client() as client:
            client.save()
        only_unlink(server, *ERASED)
        assert place.adapter.export(token(ERASED[0])) == {}
        assert kinds(where(place, *ERASED)) == {"snapshot", "append-only file"}
        assert erase(place, *ERASED).outcome == "already_absent"
        assert place.inspect(*ERASED) == []
        assert kinds(where(place, 1)) == {"snapshot", "append-only file"}
        server.restart()
        for person in range(PEOPLE):
            held = {name: rows_of(rows) for name, rows in place.adapter.export(token(person)).items()}
            assert held == ({} if person in ERASED else expected(person))
        place.estate.close()


def test_what_compression_hides_is_found(tmp_path):
    """A search of the file as it lies is blind to this: the name is cut by the compression's marks."""
    hidden = b"ab1" + token(2).hex().encode() * 40
    with redis_server("redis", "--rdbcompression", "yes") as server:
        place = place_on(tmp_path, server)
        place.publish([])
        with server.client() as client:
            client.set("another application's", hidden)
            client.save()
            client.delete("another application's")
        assert token(2).hex().encode() not in (server.folder / "dump.rdb").read_bytes()
        assert where(place, 2) == {"dump.rdb"}
        erase(place, 2)
        assert place.inspect(2) == []
        place.estate.close()


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_server_without_an_append_only_file_forgets_its_snapshot(tmp_path, flavour):
    with redis_server(flavour, "--save", "3600 1000000") as server:
        place = place_on(tmp_path, server)
        place.publish()
        with server.client() as client:
            client.save()
        assert where(place, 2) >= {"dump.rdb"}
        assert erase(place, 2).outcome == "deleted"
        assert place.inspect(2) == []
        server.restart()
        assert place.adapter.export(token(2)) == {}
        assert place.adapter.export(token(1)) != {}
        place.estate.close()


def test_a_server_that_keeps_nothing_on_disk_is_not_made_to(tmp_path):
    with redis_server("redis", "--save", "") as server:
        place = place_on(tmp_path, server)
        place.publish()
        assert erase(place, 2).outcome == "deleted"
        assert server.files() == []
        place.estate.close()


def test_a_snapshot_that_is_no_longer_scheduled_is_written_anew(tmp_path):
    with redis_server("redis", "--save", "3600 1000000") as server:
        place = place_on(tmp_path, server)
        place.publish()
        with server.client() as client:
            client.save()
            client.config_set("save", "")
            client.config_resetstat()
        server.restart()
        with server.client() as client:
            client.config_set("save", "")
        assert erase(place, 2).outcome == "deleted"
        assert place.inspect(2) == []
        place.estate.close()


@pytest.mark.parametrize("task", ["BGSAVE", "BGREWRITEAOF"])
def test_what_a_task_under_way_wrote_does_not_count(tmp_path, task):
    """It began before the removal, so its file holds the person; another one has to follow."""
    with redis_server("redis", "--appendonly", "yes") as server:
        place = place_on(tmp_path, server)
        place.publish()
        with server.client() as client:
            client.config_set("rdb-key-save-delay", 20_000)
            client.execute_command(task)
            client.config_set("rdb-key-save-delay", 0)
            running = client.info("persistence")
            assert running["rdb_bgsave_in_progress"] or running["aof_rewrite_in_progress"]
        assert erase(place, *ERASED).outcome == "deleted"
        assert place.inspect(*ERASED) == []
        place.estate.close()


@pytest.mark.slow
def test_another_client_that_keeps_the_server_busy_only_delays(tmp_path):
    with redis_server("redis", "--appendonly", "yes") as server:
        place = place_on(tmp_path, server)
        place.publish()
        stop = threading.Event()

        def annoy():
            with server.client() as client:
                while not stop.wait(0.005):
                    try:
                        client.execute_command("BGSAVE")
                    except Exception:  # noqa: BLE001  it is busy, which is the point
                        continue

        thread = threading.Thread(target=annoy)
        thread.start()
        time.sleep(0.1)
        stopper = threading.Timer(1.0, stop.set)
        stopper.start()
        try:
            assert erase(place, *ERASED).outcome == "deleted"
        finally:
            stop.set()
            thread.join()
            stopper.join()
        assert place.inspect(*ERASED) == []
        place.estate.close()


@pytest.mark.parametrize("options", [("--appendonly", "yes"), ("--save", "3600 1000000")])
def test_a_disk_that_refuses_is_a_failure_and_can_be_repeated(tmp_path, options):
    with redis_server("redis", *options, "--enable-protected-configs", "yes") as server:
        place = place_on(tmp_path, server)
        place.publish()
        with server.client() as client:
            client.save()
        shutil.rmtree(server.folder)
        failed = erase(place, *ERASED)
        assert (failed.outcome, failed.removed) == ("failed", 4)
        server.folder.mkdir()
        with server.client() as client:
            # The server stands in the folder that was removed, until it is told to go into the new one.
            client.config_set("dir", str(server.folder))
            (server.folder / "appendonlydir").mkdir()
        again = erase(place, *ERASED)
        assert (again.outcome, again.removed) == ("already_absent", 0)
        assert place.inspect(*ERASED) == []
        place.estate.close()


@pytest.mark.parametrize("task", ["aof_rewrite_in_progress", "rdb_bgsave_in_progress"])
def test_a_task_that_is_killed_is_a_failure(tmp_path, task):
    with redis_server("redis", "--appendonly", "yes") as server:
        place = place_on(tmp_path, server)
        place.publish()
        stop = threading.Event()

        def kill_the_child():
            with server.client() as client:
                pid = client.info("server")["process_id"]
                while not stop.is_set():
                    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
                    if children and client.info("persistence")[task]:
                        os.kill(int(children[0]), signal.SIGKILL)
                        return

        with server.client() as client:
            client.config_set("rdb-key-save-delay", 10_000)
        thread = threading.Thread(target=kill_the_child)
        thread.start()
        try:
            assert erase(place, *ERASED).outcome == "failed"
        finally:
            stop.set()
            thread.join()
        with server.client() as client:
            client.config_set("rdb-key-save-delay", 0)
        assert where(place, *ERASED) != set() or task == "rdb_bgsave_in_progress"
        assert erase(place, *ERASED).outcome == "already_absent"
        assert place.inspect(*ERASED) == []
        place.estate.close()


@pytest.mark.parametrize("forbidden", ["bgrewriteaof", "bgsave", "slowlog"])
def test_a_user_who_may_not_write_history_anew_is_unsupported(tmp_path, forbidden):
    with redis_server("redis", "--appendonly", "yes") as server:
        with server.client() as client:
            client.execute_command("ACL", "SETUSER", "app", "on", ">secret", "~*", "+@all", f"-{forbidden}")
        place = place_on(tmp_path, server, user="app")
        place.publish()
        erased = erase(place, *ERASED)
        assert (erased.outcome, erased.removed) == ("unsupported", 4)
        assert place.adapter.export(token(ERASED[0])) == {}
        place.estate.close()


@pytest.mark.parametrize("flavour", ["redis", "valkey"])
def test_the_documented_rights_are_enough(tmp_path, flavour):
    text = (Path(__file__).parents[2] / "docs" / "copies-redis.md").read_text()
    rights = text.partition("ACL SETUSER shelflife on >...")[2].partition("\n\n")[0].split()
    rights = [right.replace("<copy>", NAME) for right in rights]
    if flavour == "valkey":
        rights.append("+commandlog")
    with redis_server(flavour, "--appendonly", "yes") as server:
        with server.client() as client:
            client.execute_command("ACL", "SETUSER", "app", "on", ">secret", *rights)
        place = place_on(tmp_path, server, user="app")
        place.publish()
        assert erase(place, *ERASED).outcome == "deleted"
        inspector = place.inspector
        assert inspector.inspect([token(person) for person in ERASED], place.known(), NOW) == []
        assert inspector.unseen == []
        assert where(place, 1)
        with server.client() as client:
            assert client.acl_log() == []
        assert place.adapter.expire(NOW + place.declaration.lifetime) != []
        place.estate.close()


def test_a_user_who_may_only_read_is_denied(tmp_path):
    with redis_server("redis") as server:
        place = place_on(tmp_path, server)
        place.publish()
        place.estate.close()
        with server.client() as client:
            client.execute_command("ACL", "SETUSER", "app", "on", ">secret", "~*", "+@read", "+@connection")
        place = place_on(tmp_path, server, user="app")
        assert erase(place, 2).outcome == "unsupported"
        with pytest.raises(AccessDenied):
            place.publish()
        assert place.adapter.export(token(2)) != {}
        place.estate.close()


def test_wrong_credentials_are_unreachable_and_not_shown(tmp_path):
    with redis_server("redis", "--requirepass", "the-real-one") as server:
        place = place_on(tmp_path, server, user="")
        with pytest.raises(CopyUnreachable) as caught:
            erase(place, 2)
        assert "secret" not in caught.value.diagnostics()
        place.estate.close()


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_command_that_is_switched_off_is_unsupported(tmp_path, flavour):
    with redis_server(flavour, "--appendonly", "yes", "--rename-command", "BGREWRITEAOF", "") as server:
        place = place_on(tmp_path, server)
        place.publish()
        assert erase(place, *ERASED).outcome == "unsupported"
        place.estate.close()


def test_a_server_set_up_to_keep_old_files_is_unsupported(tmp_path):
    with redis_server("redis", "--appendonly", "yes", "--aof-disable-auto-gc", "yes") as server:
        place = place_on(tmp_path, server)
        place.publish()
        assert erase(place, *ERASED).outcome == "unsupported"
        assert where(place, 2)
        place.estate.close()


@contextmanager
def replica_of(port: int):
    with redis_server("redis", "--appendonly", "yes", "--replicaof", f"127.0.0.1 {port}") as replica:
        until = time.monotonic() + 10
        with replica.client() as client:
            while client.info("replication")["master_link_status"] != "up":
                assert time.monotonic() < until
                time.sleep(0.05)
        yield replica


@pytest.fixture
def primary():
    with redis_server("redis", "--appendonly", "yes", "--repl-diskless-sync-delay", "0") as server:
        yield server


@pytest.fixture
def replicated(primary):
    with replica_of(primary.port) as replica:
        yield primary, replica


def let_follow(primary, replica) -> None:
    until = time.monotonic() + 10
    with primary.client() as one, replica.client() as other:
        goal = one.info("replication")["master_repl_offset"]
        while other.info("replication")["slave_repl_offset"] < goal:
            assert time.monotonic() < until
            time.sleep(0.02)


def test_the_disk_of_a_replica_forgets_too(tmp_path, replicated):
    primary, replica = replicated
    place = place_on(tmp_path, primary, options={"replicas": [f"127.0.0.1:{replica.port}"]})
    place.publish()
    let_follow(primary, replica)
    with replica.client() as client:
        client.save()
    assert erase(place, *ERASED).outcome == "deleted"
    assert place.inspect(*ERASED) == []
    place.estate.close()
    beside = place_on(tmp_path, replica)
    assert beside.inspect(*ERASED) == []
    assert kinds(where(beside, 1)) == {"snapshot", "append-only file"}
    beside.estate.close()


@pytest.mark.slow
def test_a_replica_that_lags_is_waited_for(tmp_path, primary):
    """A killed call removed the people; this one finds nobody, and the replica has not heard of it yet."""
    with slow_link(primary.port) as link, replica_of(link.port) as replica:
        place = place_on(tmp_path, primary, options={"replicas": [f"127.0.0.1:{replica.port}"]})
        place.publish()
        let_follow(primary, replica)
        link.flowing.clear()
        only_unlink(primary, *ERASED)
        threading.Timer(1.0, link.flowing.set).start()
        assert erase(place, *ERASED).outcome == "already_absent"
        beside = place_on(tmp_path, replica)
        assert where(beside, *ERASED) == set()
        beside.estate.close()
        place.estate.close()


def test_a_replica_that_nobody_named_keeps_its_disk_and_that_is_said(tmp_path, replicated):
    primary, replica = replicated
    place = place_on(tmp_path, primary)
    place.publish()
    let_follow(primary, replica)
    assert erase(place, *ERASED).outcome == "unsupported"
    let_follow(primary, replica)
    with replica.client() as client:
        assert list(client.scan_iter(match=f"*{token(2).hex()}")) == []
    place.estate.close()


def test_a_replica_that_does_not_follow_is_unreachable(tmp_path, replicated):
    primary, replica = replicated
    place = place_on(tmp_path, primary, options={"replicas": [f"127.0.0.1:{replica.port}"]})
    place.publish()
    let_follow(primary, replica)
    with replica.client() as client:
        client.execute_command("REPLICAOF", "127.0.0.1", free_port())
        assert list(client.scan_iter(match=f"*{token(2).hex()}"))
    with pytest.raises(CopyUnreachable):
        erase(place, *ERASED)
    place.estate.close()


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_the_logs_of_commands_forget(tmp_path, flavour):
    with redis_server(flavour) as server:
        place = place_on(tmp_path, server)
        place.publish()
        with server.client() as client:
            for setting in ("slowlog-log-slower-than", "commandlog-request-larger-than"):
                try:
                    client.config_set(setting, 0)
                except Exception:  # noqa: BLE001  only Valkey has the second
                    continue
        only_unlink(server, *ERASED)
        assert "log of commands" in where(place, *ERASED)
        erase(place, *ERASED)
        assert place.inspect(*ERASED) == []
        place.estate.close()


def test_files_that_the_server_no_longer_knows_are_read(tmp_path):
    with redis_server("redis", "--appendonly", "yes") as server:
        place = place_on(tmp_path, server)
        place.publish()
        with server.client() as client:
            client.save()
        (server.folder / "temp-4711.rdb").write_bytes((server.folder / "dump.rdb").read_bytes())
        (server.folder / "before-the-upgrade").write_bytes((server.folder / "dump.rdb").read_bytes()[:-40])
        with server.client() as client:
            client.config_set("appendonly", "no")
        erase(place, *ERASED)
        found = {(finding.rule, finding.where) for finding in place.inspect(*ERASED)}
        assert {
            ("erased_person", "temp-4711.rdb"),
            ("erased_person", "before-the-upgrade"),
            ("does_not_open", "before-the-upgrade"),
        } <= found
        assert any(rule == "erased_person" and name.startswith("appendonlydir/") for rule, name in found)
        place.estate.close()


def test_what_cannot_be_looked_at_is_said(tmp_path):
    with redis_server("redis") as server:
        with server.client() as client:
            client.execute_command(
                "ACL", "SETUSER", "app", "on", ">secret", "~*", "+@all", "-config", "-slowlog"
            )
        place = place_on(tmp_path, server, user="app")
        place.publish()
        inspector = place.inspector
        assert inspector.inspect([token(PEOPLE + 1)], place.known(), NOW) == []
        assert inspector.unseen == ["log of slow commands", "files of the server"]
        place.estate.close()
        for folder, rules in ((server.folder, set()), (tmp_path / "not mounted", {HISTORY_UNSEEN})):
            place = place_on(tmp_path, server, user="app", options={"history_folder": str(folder)})
            inspector = place.inspector
            found = inspector.inspect([token(PEOPLE + 1)], place.known(), NOW)
            assert {finding.rule for finding in found} == rules
            assert inspector.unseen == ["log of slow commands"]
            place.estate.close()
