"""The control database: snapshots to read from, and commits that queue.

Everything that must happen together (keys gone, files replaced, ledger entry written) happens in one
`ControlDatabase.commit`.
"""

from __future__ import annotations

import secrets
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import sqlalchemy as sa

from shelflife.control import engines, schema
from shelflife.control.crashpoints import reached
from shelflife.errors import CommitConflict, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

T = TypeVar("T")

_FIRST_PAUSE_SECONDS = 0.02


class Transaction:
    """A write transaction: its connection, and what to do outside the database once its fate is known.

    Savepoints must not enclose work that registers actions here: they know only the whole transaction.
    """

    def __init__(self, conn: sa.Connection) -> None:
        self.conn = conn
        self._after_commit: list[Callable[[], None]] = []
        self._on_rollback: list[Callable[[], None]] = []

    def after_commit(self, action: Callable[[], None]) -> None:
        """Run an action once COMMIT returned, in the order of registration."""
        self._after_commit.append(action)

    def on_rollback(self, action: Callable[[], None]) -> None:
        """Run an action, last one first, when the work fails before COMMIT was asked for.

        It runs while the write lock is still held. It does not run when COMMIT itself fails: a server may have
        committed and the answer been lost, so only recovery can tell.
        """
        self._on_rollback.append(action)

    def committed(self) -> None:
        """Run the actions for a commit, all of them even if one fails; then raise the first failure."""
        _run_all(self._after_commit)

    def rolling_back(self) -> None:
        """Run the actions for a rollback, all of them even if one fails; then raise the first failure."""
        _run_all(self._on_rollback[::-1])


class ControlDatabase:
    """The one SQL database of an estate."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self._writing_engine = engine.execution_options(**{engines.WRITES: True})

    @classmethod
    def create(cls, url: str) -> ControlDatabase:
        """Make the database if it is missing and bring its schema up to date. Repeating it changes nothing.

        Raises:
            ConfigurationError: the URL is of no supported kind.
            StorageError: the database's file cannot be made.
        """
        parsed = engines.parse_url(url)
        if (path := engines.sqlite_file(parsed)) is not None:
            engines.prepare_file(path)
        database = cls(engines.make_engine(parsed))
        with database.commit() as tx:
            schema.upgrade(tx.conn)
        return database

    @classmethod
    def open(cls, url: str) -> ControlDatabase:
        """Open an existing database.

        Raises:
            ConfigurationError: it is missing, cannot be reached, or its schema is of another version.
        """
        parsed = engines.parse_url(url)
        path = engines.sqlite_file(parsed)
        if path is not None and not path.is_file():
            raise ConfigurationError("The control database does not exist.", remedy="Run `shelflife init`.")
        database = cls(engines.make_engine(parsed))
        try:
            with database.read() as conn:
                current = schema.is_current(conn)
        except sa.exc.DBAPIError:
            database.close()
            raise ConfigurationError(
                "The control database cannot be opened.",
                remedy="Check that control_url names a running, readable database.",
            ) from None
        if not current:
            database.close()
            raise ConfigurationError(
                "The control database's schema is not the one that this version needs.",
                remedy="Run `shelflife init`; it brings the schema up to date.",
            )
        return database

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Read from one snapshot: what others commit meanwhile is not seen. Writing is refused."""
        with self.engine.connect() as conn, conn.begin():
            yield conn

    @contextmanager
    def commit(self) -> Iterator[Transaction]:
        """Write in one transaction; other writers wait for its end.

        Raises:
            CommitConflict: another writer was in the way for longer than the lock's timeout.
        """
        with self._writing_engine.connect() as conn:
            tx = Transaction(conn)
            with _conflicts_named():
                conn.begin()
                with _undone_on_failure(tx):
                    yield tx
                reached("control.commit.before")
                conn.commit()
            reached("control.commit.after")
            tx.committed()

    def commit_with_retry(self, work: Callable[[Transaction], T], *, attempts: int = 8) -> T:
        """Run work in a transaction, again from the start when it meets a conflict.

        Args:
            work: gets the transaction; must compute everything from what it reads in it.
            attempts: how often at most. Pauses between them double, with jitter.

        Raises:
            CommitConflict: the last attempt met a conflict too.
        """
        for attempt in range(attempts - 1):
            try:
                return self._commit_once(work)
            except CommitConflict:
                time.sleep(_FIRST_PAUSE_SECONDS * 2**attempt * (0.5 + secrets.SystemRandom().random()))
        return self._commit_once(work)

    def forget_old_pages(self, tables: Sequence[str], *, rebuild: bool = False) -> None:
        """Make what was deleted or overwritten physically gone from the database's own files.

        SQLite overwrites freed space at once (`secure_delete`), but its write-ahead log keeps former pages until it is
        truncated, and where a page was split or merged, copies of moved entries can stay in its gap until the file is
        rebuilt. PostgreSQL keeps dead rows until the table is rewritten; its own write-ahead log and archives stay its
        operator's to expire.

        Args:
            tables: the tables that something was deleted from.
            rebuild: also rebuild an SQLite file; its cost follows the size of the whole database.

        Raises:
            CommitConflict: a reader or writer was in the way for longer than the lock's timeout.
        """
        # None of these may run inside of a transaction, which every connection of the pool begins.
        raw = self.engine.raw_connection()
        try:
            if self.engine.dialect.name == "postgresql":
                raw.driver_connection.autocommit = True  # type: ignore[union-attr]
                raw.cursor().execute(f"VACUUM (FULL) {', '.join(tables)}")
                raw.driver_connection.autocommit = False  # type: ignore[union-attr]
                return
            if rebuild:
                raw.cursor().execute("PRAGMA query_only = OFF")
                raw.cursor().execute("VACUUM")
            busy = raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        finally:
            raw.close()
        if busy:
            raise CommitConflict("A reader keeps the database's log from being cut.", remedy="Try again.")

    def close(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()

    def _commit_once(self, work: Callable[[Transaction], T]) -> T:
        """Run work in one transaction."""
        with self.commit() as tx:
            return work(tx)


@contextmanager
def _undone_on_failure(tx: Transaction) -> Iterator[None]:
    """Run the rollback actions, under the write lock, when the work fails; then roll back."""
    try:
        yield
    except BaseException:
        try:
            tx.rolling_back()
        finally:
            tx.conn.rollback()
        raise


@contextmanager
def _conflicts_named() -> Iterator[None]:
    """Turn the database's words for 'another writer was in the way' into `CommitConflict`."""
    try:
        yield
    except sa.exc.DBAPIError as error:
        if not engines.is_conflict(error):
            raise
        raise CommitConflict(
            "Another process held the control database for too long.", remedy="Try again."
        ) from None


def _run_all(actions: list[Callable[[], None]]) -> None:
    """Run every action; raise the first failure after the last one ran."""
    failures: list[Exception] = []
    for action in actions:
        try:
            action()
        except Exception as failure:  # noqa: BLE001 - the actions after it must run all the same
            failures.append(failure)
    if failures:
        raise failures[0]
