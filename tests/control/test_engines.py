"""What every connection to SQLite is set up with, although another one may be in the way."""

from __future__ import annotations

import sqlite3

import pytest

from shelflife.control import engines


class Connection:
    """Refuses a pragma some times before it takes it."""

    def __init__(self, code: int, times: int) -> None:
        self.code, self.left, self.asked = code, times, 0

    def execute(self, pragma: str) -> None:
        self.asked += 1
        if self.left:
            self.left -= 1
            error = sqlite3.OperationalError("refused")
            error.sqlite_errorcode = self.code
            raise error


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr(engines.time, "sleep", lambda seconds: None)


def test_a_journal_mode_that_another_connection_sets_is_waited_for():
    connection = Connection(sqlite3.SQLITE_BUSY, 3)
    engines.set_pragma(connection, "PRAGMA journal_mode = WAL")
    assert connection.asked == 4


def test_the_wait_ends():
    with pytest.raises(sqlite3.OperationalError):
        engines.set_pragma(Connection(sqlite3.SQLITE_BUSY, 10**6), "PRAGMA journal_mode = WAL")


def test_another_error_is_not_waited_for():
    connection = Connection(sqlite3.SQLITE_READONLY, 10**6)
    with pytest.raises(sqlite3.OperationalError):
        engines.set_pragma(connection, "PRAGMA journal_mode = WAL")
    assert connection.asked == 1
