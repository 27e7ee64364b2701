"""Engines for the control database: what SQLite and PostgreSQL each need for the same promises.

The promises: a reader sees one snapshot, writers queue, a commit is durable when it returns, and no error text
holds a stored value.
"""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import make_url

from shelflife.errors import ConfigurationError, StorageError

if TYPE_CHECKING:
    from sqlalchemy.engine import URL, ExceptionContext

WRITES = "shelflife_writes"
"""Execution option of a connection that is about to begin a write transaction."""

BUSY_SECONDS = 30
"""How long a writer queues before it reports a conflict."""

# One number for the whole database: there is one writer at a time. The value only has to be constant.
_WRITE_LOCK = 0x5E1F_11FE

_SQLITE_PRAGMAS = (
    f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA secure_delete = ON",
    "PRAGMA temp_store = MEMORY",
)


def parse_url(text: str) -> URL:
    """Return the URL of a database that the control plane can live in.

    Raises:
        ConfigurationError: neither a SQLite file nor PostgreSQL through pg8000.
    """
    remedy = "Set control_url to sqlite:///<path> or postgresql+pg8000://<user>@<host>/<database>."
    try:
        url = make_url(text)
    except sa.exc.ArgumentError:
        # The text of a URL can hold a password, so its parser's message is not passed on.
        raise ConfigurationError("The control database's URL cannot be read.", remedy=remedy) from None
    if url.drivername in {"sqlite", "sqlite+pysqlite"}:
        if url.database in {None, "", ":memory:"} or url.query:
            raise ConfigurationError("The control database must be a plain SQLite file.", remedy=remedy)
        return url
    if url.drivername == "postgresql+pg8000":
        return url
    raise ConfigurationError("The control database's URL names an unsupported driver.", remedy=remedy)


def sqlite_file(url: URL) -> Path | None:
    """Return the file of a SQLite database, or None for a server."""
    return Path(url.database or "") if url.get_backend_name() == "sqlite" else None


def prepare_file(path: Path) -> None:
    """Make the folder (0700) and an empty database file (0600) where they are missing.

    SQLite gives its journal files the mode of the database file, so the mode has to be right before the first
    byte is written.

    Raises:
        StorageError: the folder or file cannot be made.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError:
        raise StorageError(
            "The control database's file cannot be made.",
            remedy="Check that the folder of the control database can be written.",
        ) from None


def make_engine(url: URL) -> sa.Engine:
    """Return an engine whose transactions keep the promises of this module."""
    engine = sa.create_engine(url, hide_parameters=True)
    if url.get_backend_name() == "sqlite":
        sa.event.listen(engine, "connect", _configure_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
    else:
        # One INSERT with many rows instead of one round trip a row.
        engine.dialect.use_insertmanyvalues_wo_returning = True
        sa.event.listen(engine, "begin", _begin_postgresql)
        sa.event.listen(engine, "handle_error", _remove_values)
    return engine


def _configure_sqlite(connection: Any, record: object) -> None:
    """Turn off the driver's own BEGIN and set what every connection must have."""
    del record
    connection.isolation_level = None
    for pragma in _SQLITE_PRAGMAS:
        set_pragma(connection, pragma)


def set_pragma(connection: Any, pragma: str) -> None:
    """Set a pragma. Changing the journal's mode fails at once while another connection does it, whatever the timeout."""
    for _ in range(BUSY_SECONDS * 20):
        try:
            connection.execute(pragma)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            time.sleep(0.05)
        else:
            return
    connection.execute(pragma)


def _begin_sqlite(connection: sa.Connection) -> None:
    """Begin: a writer takes the write lock at once; a reader fixes its snapshot and may not write.

    A deferred writer that first reads and then writes fails at once when another one committed in between
    (SQLITE_BUSY_SNAPSHOT), whatever the busy timeout; BEGIN IMMEDIATE queues instead.
    """
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql(f"PRAGMA query_only = {'OFF' if writes else 'ON'}")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
    if not writes:
        # A deferred transaction has no snapshot until its first read.
        connection.exec_driver_sql("SELECT 1 FROM sqlite_master LIMIT 1").close()


def _begin_postgresql(connection: sa.Connection) -> None:
    """Begin: a reader keeps one snapshot; a writer takes the lock that all writers take.

    A writer stays at READ COMMITTED: at a higher level its snapshot would date from before it got the lock, and
    it would not see what the writer before it committed.
    """
    if connection.get_execution_options().get(WRITES, False):
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{BUSY_SECONDS}s'")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITE_LOCK})").close()
    else:
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        # The snapshot is taken by the first query.
        connection.exec_driver_sql("SELECT 1").close()


def _remove_values(context: ExceptionContext) -> None:
    """Cut a server's error down to severity, code, table and constraint.

    PostgreSQL quotes the offending values in its message, detail and context.
    """
    original: BaseException | None = context.original_exception
    while original is not None:
        if original.args and isinstance(original.args[0], dict):
            original.args = ({name: original.args[0].get(name) for name in ("S", "C", "t", "n")},)
            if context.sqlalchemy_exception is not None:
                context.sqlalchemy_exception.args = (str(original.args[0]),)
        # The driver raises its own error from another one with the same text.
        original = original.__cause__ or original.__context__


def is_conflict(error: sa.exc.DBAPIError) -> bool:
    """Tell whether a database error means that another writer was in the way."""
    original = error.orig
    code = getattr(original, "sqlite_errorcode", None)
    if code is not None:
        # The low byte is the primary code: 5 = SQLITE_BUSY, 6 = SQLITE_LOCKED.
        return code & 0xFF in {5, 6}
    fields = original.args[0] if original is not None and original.args else None
    # Serialization failure, deadlock, lock timeout.
    return isinstance(fields, dict) and fields.get("C") in {"40001", "40P01", "55P03"}
