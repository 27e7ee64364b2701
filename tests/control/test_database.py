# ruff: noqa: PT012 - what raises is the transaction around several statements
from __future__ import annotations

import datetime as dt
import threading
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from shelflife.control import engines
from shelflife.control.database import ControlDatabase
from shelflife.control.subject_tables import alias, tombstone
from shelflife.control.tables import estate
from shelflife.errors import CommitConflict, ConfigurationError, StorageError

if TYPE_CHECKING:
    from pathlib import Path

    from shelflife.control.database import Transaction


def _add(tx: Transaction, number: int, now: dt.datetime) -> None:
    row = {"alias_mac": bytes([number]) * 32, "erased_at": now, "reason": "request"}
    tx.conn.execute(sa.insert(tombstone), row)


def _count(conn: sa.Connection) -> int:
    return conn.execute(sa.select(sa.func.count()).select_from(tombstone)).scalar_one()


def test_a_commit_is_there_after_reopening(database: ControlDatabase, url: str, now: dt.datetime) -> None:
    with database.commit() as tx:
        _add(tx, 1, now)
    database.close()
    again = ControlDatabase.open(url)
    with again.read() as conn:
        assert _count(conn) == 1
    again.close()


def test_a_failure_rolls_everything_back(database: ControlDatabase, now: dt.datetime) -> None:
    with pytest.raises(ZeroDivisionError), database.commit() as tx:
        _add(tx, 1, now)
        _ = 1 / 0
    with database.read() as conn:
        assert _count(conn) == 0


def test_actions_run_in_order_and_only_for_their_outcome(database: ControlDatabase, now: dt.datetime) -> None:
    log: list[str] = []
    with database.commit() as tx:
        tx.after_commit(lambda: log.append("first"))
        tx.after_commit(lambda: log.append("second"))
        tx.on_rollback(lambda: log.append("wrong"))
        assert log == []
    assert log == ["first", "second"]
    log.clear()
    with pytest.raises(ZeroDivisionError), database.commit() as tx:
        tx.on_rollback(lambda: log.append("first"))
        tx.on_rollback(lambda: log.append("second"))
        tx.after_commit(lambda: log.append("wrong"))
        _ = 1 / 0
    assert log == ["second", "first"]


def test_every_action_runs_although_one_fails(database: ControlDatabase, now: dt.datetime) -> None:
    log: list[str] = []

    def fail() -> None:
        raise StorageError("The slot is full.", remedy="Make room.")

    with pytest.raises(StorageError), database.commit() as tx:
        _add(tx, 1, now)
        tx.after_commit(fail)
        tx.after_commit(lambda: log.append("ran"))
    assert log == ["ran"]
    with database.read() as conn:
        assert _count(conn) == 1


def test_rollback_actions_run_while_other_writers_still_wait(
    database: ControlDatabase, now: dt.datetime
) -> None:
    order: list[str] = []
    started = threading.Event()

    def other() -> None:
        started.set()
        with database.commit():
            order.append("other writer")

    thread = threading.Thread(target=other)

    def slow() -> None:
        thread.start()
        started.wait()
        thread.join(timeout=0.3)
        order.append("action")

    with pytest.raises(ZeroDivisionError), database.commit() as tx:
        tx.on_rollback(slow)
        _ = 1 / 0
    thread.join()
    assert order == ["action", "other writer"]


def test_a_reader_keeps_its_snapshot(database: ControlDatabase, now: dt.datetime) -> None:
    with database.read() as conn:
        with database.commit() as tx:
            _add(tx, 1, now)
        assert _count(conn) == 0
        assert _count(conn) == 0
    with database.read() as conn:
        assert _count(conn) == 1


def test_a_reader_cannot_write(database: ControlDatabase, now: dt.datetime) -> None:
    with pytest.raises(sa.exc.DBAPIError), database.read() as conn:
        conn.execute(sa.insert(tombstone), {"alias_mac": bytes(32), "erased_at": now, "reason": "request"})
    with database.commit() as tx:
        _add(tx, 1, now)


def test_writers_queue_and_lose_no_update(database: ControlDatabase, now: dt.datetime) -> None:
    """Each writer reads the count and writes it as a key: a lost update would be a duplicate key."""

    def write() -> None:
        for _ in range(20):
            with database.commit() as tx:
                _add(tx, _count(tx.conn), now)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as conn:
        assert _count(conn) == 80


def test_waiting_too_long_is_a_conflict(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "BUSY_SECONDS", 1)
    monkeypatch.setattr(
        engines, "_SQLITE_PRAGMAS", ("PRAGMA busy_timeout = 100", *engines._SQLITE_PRAGMAS[1:])
    )
    database = ControlDatabase.create(url)
    with database.commit(), pytest.raises(CommitConflict), database.commit():
        pass
    database.close()


def test_a_conflict_is_tried_again_from_the_start(database: ControlDatabase, now: dt.datetime) -> None:
    attempts: list[int] = []

    def work(tx: Transaction) -> str:
        attempts.append(_count(tx.conn))
        _add(tx, 1, now)
        if len(attempts) < 3:
            raise CommitConflict("Moved.", remedy="Again.")
        return "done"

    assert database.commit_with_retry(work) == "done"
    assert attempts == [0, 0, 0]


def test_retries_end(database: ControlDatabase) -> None:
    attempts: list[None] = []

    def work(tx: Transaction) -> None:
        attempts.append(None)
        raise CommitConflict("Moved.", remedy="Again.")

    with pytest.raises(CommitConflict):
        database.commit_with_retry(work, attempts=2)
    assert len(attempts) == 2


def test_times_come_back_aware_and_in_utc(database: ControlDatabase) -> None:
    east = dt.datetime(2026, 11, 23, 1, 30, 0, 123456, tzinfo=dt.timezone(dt.timedelta(hours=14)))
    with database.commit() as tx:
        tx.conn.execute(sa.insert(estate).values(id=1, estate_id="e", created_at=east))
    with database.read() as conn:
        stored = conn.execute(sa.select(estate.c.created_at)).scalar_one()
    assert stored == east
    assert stored.tzinfo == dt.UTC
    assert stored.isoformat() == "2026-11-22T11:30:00.123456+00:00"


def test_a_time_without_zone_is_refused(database: ControlDatabase) -> None:
    naive = dt.datetime(2026, 11, 23)  # noqa: DTZ001
    with pytest.raises(sa.exc.StatementError), database.commit() as tx:
        tx.conn.execute(sa.insert(estate).values(id=1, estate_id="e", created_at=naive))


def test_error_text_holds_no_value(database: ControlDatabase, now: dt.datetime) -> None:
    secret = b"secret-alias-mac-of-one-person!!"
    rows = {"alias_mac": secret, "erased_at": now, "reason": "a-reason-that-names-someone"}
    person = {"alias_mac": secret, "pid": secret[:16], "kind": "device", "sealed": secret, "created_at": now}
    for statement, row in ((sa.insert(tombstone), rows), (sa.insert(alias), person)):
        with pytest.raises(sa.exc.DBAPIError) as caught, database.commit() as tx:
            tx.conn.execute(statement, row)
            tx.conn.execute(statement, row)
        error: BaseException | None = caught.value
        while error is not None:
            text = f"{error!s} {error!r}"
            for leak in ("secret", secret.hex(), secret[:16].hex(), "names-someone"):
                assert leak not in text
            error = error.__cause__ or error.__context__


def test_states_are_a_closed_list(database: ControlDatabase, now: dt.datetime) -> None:
    with pytest.raises(sa.exc.DBAPIError), database.commit() as tx:
        tx.conn.execute(
            sa.text(
                "INSERT INTO batch (batch_id, state, host, started_at) VALUES ('b', 'odd', 'h', '2026-01-01')"
            )
        )


def test_sqlite_is_set_up_to_keep_its_promises(tmp_path: Path) -> None:
    path = tmp_path / "control" / "control.db"
    database = ControlDatabase.create(f"sqlite:///{path}")
    expected = {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "secure_delete": 1,
        "temp_store": 2,
    }
    with database.read() as conn:
        found = {name: conn.exec_driver_sql(f"PRAGMA {name}").scalar() for name in expected}
    assert found == expected
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert {entry.stat().st_mode & 0o777 for entry in path.parent.iterdir()} == {0o600}
    database.close()


def test_opening_what_is_not_there_is_an_error_and_makes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "control.db"
    with pytest.raises(ConfigurationError):
        ControlDatabase.open(f"sqlite:///{path}")
    assert not path.exists()


def test_opening_a_file_that_is_no_database_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "control.db"
    path.write_bytes(b"not a database, but long enough to be looked at" * 100)
    with pytest.raises(ConfigurationError):
        ControlDatabase.open(f"sqlite:///{path}")


@pytest.mark.parametrize(
    "url",
    ["sqlite://", "sqlite:///:memory:", "mysql://user:hunter2@host/db", "postgresql://u:hunter2@h/d", "::"],
)
def test_other_databases_are_refused_without_quoting_the_url(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        ControlDatabase.create(url)
    assert "hunter2" not in caught.value.diagnostics()


def test_a_rebuild_leaves_no_deleted_key_in_the_gaps_of_pages(tmp_path, now) -> None:
    import os

    database = ControlDatabase.create(f"sqlite:///{tmp_path / 'control.db'}")
    macs = [os.urandom(32) for _ in range(4_000)]
    for start in range(0, len(macs), 500):
        with database.commit() as tx:
            rows = [{"alias_mac": mac, "erased_at": now, "reason": "x"} for mac in macs[start : start + 500]]
            tx.conn.execute(sa.insert(tombstone), rows)
    with database.commit() as tx:
        tx.conn.execute(sa.delete(tombstone))

    def left() -> int:
        content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
        return sum(mac in content for mac in macs)

    assert left() > 0
    database.forget_old_pages(["tombstone"], rebuild=True)
    assert left() == 0
    database.close()
