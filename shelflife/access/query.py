"""Governed queries: a role and a purpose decide what there is to see, then SQL may do with it what it likes.

DuckDB has no boundary between users, so nothing forbidden is ever put in its reach: each query gets a throw-away
connection that holds only the tables it names, without the columns and rows that the role may not read.
"""

from __future__ import annotations

import functools
import operator
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds

from shelflife.access import audit
from shelflife.access.row_filter import row_filter
from shelflife.access.statement import Statement, read_statement
from shelflife.errors import AccessDenied, SealBroken, ShelflifeError, Terminal
from shelflife.lake.awaiting import PID, awaiting
from shelflife.lake.awaiting import condition as stays
from shelflife.lake.catalog import live_files
from shelflife.lake.inputs import derived_files
from shelflife.lake.leasing import held_lease
from shelflife.lake.left_out import left_out
from shelflife.lake.models import Model, load_models, locked_connection
from shelflife.seal.parquet import open_encrypted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    import sqlalchemy as sa

    from shelflife.config import Role
    from shelflife.estate import Estate
    from shelflife.lake.left_out import LeftOut


@dataclass(frozen=True)
class Limits:
    """What one query may use.

    Attributes:
        seconds: time until it is interrupted.
        rows: rows of its result.
        memory: memory inside of DuckDB, as DuckDB writes it; there is no spilling.
        threads: threads inside of DuckDB.
    """

    seconds: float = 60.0
    rows: int = 1_000_000
    memory: str = "1GB"
    threads: int = 2


DEFAULT_LIMITS = Limits()
_BATCH = 65_536
_FILE_BROKEN = "Invalid Input Error: arrow_scan: get_next failed(): IOError"


@dataclass(frozen=True)
class QueryResult:
    """The rows of a governed query, in memory, and the id under which it is recorded."""

    table: pa.Table
    query_id: str


def query(
    estate: Estate,
    sql: str,
    *,
    principal: str,
    role: str,
    purpose: str,
    now: datetime,
    limits: Limits = DEFAULT_LIMITS,
) -> QueryResult:
    """Run one SELECT with the rights of a role, for a stated purpose, and record it.

    Args:
        estate: the estate.
        sql: one SELECT (DuckDB dialect); see `statement` for what it may hold.
        principal: who asks.
        role: a role of the settings.
        purpose: a purpose that the role may state.
        now: the time.
        limits: what the query may use.

    Raises:
        AccessDenied: the role, its purpose, a table, a column or the SQL is not allowed.
        LeaseExpired: something was erased meanwhile; run it again.
        SealBroken: a file was altered.
        Terminal: the SQL does not fit the data, or it ran into a limit. No error repeats SQL or data.
    """
    models = load_models(estate.settings.models)
    attempt = audit.Attempt(principal, role, purpose, sql)
    try:
        granted = _granted(estate, attempt)
        statement = read_statement(sql, models)
        _check_tables(statement, models, granted)
    except AccessDenied:
        audit.record(estate, attempt, tables=(), decision="denied", now=now)
        raise
    query_id = audit.record(estate, attempt, tables=statement.tables, decision="allowed", now=now)
    try:
        table = _run(estate, statement, models, granted, now=now, limits=limits)
    except BaseException as error:
        audit.settle(estate, query_id, "denied" if isinstance(error, AccessDenied) else "failed")
        if isinstance(error, ShelflifeError) or not isinstance(error, Exception):
            raise
        # Whatever else fails below may quote a value.
        raise Terminal("The query failed.", remedy="Try a simpler query.") from None
    audit.settle(estate, query_id, "allowed", table.num_rows)
    return QueryResult(table, query_id)


def _granted(estate: Estate, attempt: audit.Attempt) -> Role:
    if not attempt.principal.strip():
        raise AccessDenied("Nobody is named as asking.", remedy="Say who asks (--principal).")
    role = estate.settings.roles.get(attempt.role)
    if role is None:
        raise AccessDenied(
            "There is no such role.", remedy=f"Use one of: {', '.join(sorted(estate.settings.roles))}."
        )
    if attempt.purpose not in role.purposes:
        raise AccessDenied(
            "The role does not allow this purpose.",
            remedy=f"State one of: {', '.join(sorted(role.purposes))}.",
        )
    return role


def _check_tables(statement: Statement, models: Mapping[str, Model], role: Role) -> None:
    """Refuse tables of other zones, and columns of other classes by name and class."""
    for name in statement.tables:
        model = models[name]
        if model.zone not in role.zones:
            raise AccessDenied(
                f"The role may not read the table {name}, which is in the zone {model.zone}.",
                remedy="Ask for a role that may read this zone.",
            )
        for column, kind in model.classes.items():
            named = column in statement.columns and column not in statement.aliases
            elsewhere = any(column in _readable(models[other], role) for other in statement.tables)
            if named and not elsewhere and kind not in role.classes:
                raise AccessDenied(
                    f"The role may not read {name}.{column}, which is of the class {kind}.",
                    remedy=f"Leave the column out, or ask for a role that may read {kind} columns.",
                )


def _readable(model: Model, role: Role) -> list[str]:
    return [name for name, kind in model.classes.items() if kind in role.classes]


def _run(
    estate: Estate,
    statement: Statement,
    models: Mapping[str, Model],
    role: Role,
    *,
    now: datetime,
    limits: Limits,
) -> pa.Table:
    with held_lease(estate, "query", lambda: now) as lease:
        with estate.database.read() as conn:
            gone = left_out(estate, conn, models)
            relations = {name: _relation(estate, conn, models[name], role, gone) for name in statement.tables}
        readable = {column for name in statement.tables for column in _readable(models[name], role)}
        table = execute(statement.sql, relations, limits, readable=sorted(readable))
        with estate.database.read() as conn:
            lease.check(conn, now)
    return table


def _relation(
    estate: Estate, conn: sa.Connection, model: Model, role: Role, gone: LeftOut
) -> pa.Table | ds.Dataset:
    """Return what a role may see of a table, without the rest."""
    readable = _readable(model, role)
    schema = pa.schema([model.schema.field(name) for name in readable])
    files = derived_files(estate, conn, model, live_files(conn, model.zone, model.name))
    if not files:
        return schema.empty_table()
    dataset: ds.Dataset = open_encrypted(files, allowed=role.classes, schema=model.schema)
    erased = awaiting(conn, model.name) | gone.get(model.name, frozenset())
    if erased and PID not in schema.names:
        # The rows of the erased can only be told by a column that this role does not see.
        seen = open_encrypted(files, allowed={"ordinary", *role.classes}, schema=model.schema)
        dataset = ds.dataset(seen.to_table(columns=readable, filter=stays(erased)))
    return _filtered(dataset, schema, role.row_filters.get(model.name), erased)


def _filtered(
    dataset: ds.Dataset, schema: pa.Schema, condition: str | None, erased: frozenset[bytes]
) -> ds.Dataset:
    filters = [row_filter(condition, schema)] if condition is not None else []
    if erased and PID in schema.names:
        filters.append(stays(erased))
    if not filters:
        return dataset
    # A union keeps Arrow's own `filter`, which the encrypted dataset does not carry over.
    return ds.dataset([dataset]).filter(functools.reduce(operator.and_, filters))


def execute(
    sql: str, relations: Mapping[str, pa.Table | ds.Dataset], limits: Limits, *, readable: list[str]
) -> pa.Table:
    """Run checked SQL over relations in a locked connection.

    Args:
        sql: text that `read_statement` has accepted.
        relations: all that there is to see, by name.
        limits: what the query may use.
        readable: names of columns, for the remedy.

    Raises:
        Terminal: the SQL does not fit the relations, or it ran into a limit. Nothing of data or SQL is repeated.
    """
    with locked_connection(relations, threads=limits.threads, memory=limits.memory) as connection:
        over = threading.Event()

        def stop() -> None:
            over.set()
            connection.interrupt()

        timer = threading.Timer(limits.seconds, stop)
        timer.start()
        try:
            reader = connection.execute(sql).to_arrow_reader(_BATCH)
            return pa.Table.from_batches(list(_capped(reader, limits.rows)), reader.schema)
        except (duckdb.Error, pa.ArrowException, OSError, RuntimeError) as error:
            raise _neutral(error, limits, readable, timed_out=over.is_set()) from None
        finally:
            timer.cancel()
            timer.join()


def _capped(reader: pa.RecordBatchReader, most: int) -> Iterator[pa.RecordBatch]:
    rows = 0
    for batch in reader:
        rows += batch.num_rows
        if rows > most:
            raise Terminal(f"The result has more than {most:,} rows.", remedy="Aggregate, or add a LIMIT.")
        yield batch


def _neutral(error: Exception, limits: Limits, readable: list[str], *, timed_out: bool) -> Terminal:
    """Return an error that says what kind of thing went wrong; DuckDB's own text quotes values."""
    if timed_out:
        return Terminal(
            f"The query took longer than {limits.seconds:g} seconds.", remedy="Read or join less."
        )
    if str(error).startswith(_FILE_BROKEN):
        return SealBroken("A derived file does not open.", remedy="Derive it again; see `shelflife verify`.")
    if isinstance(error, duckdb.OutOfMemoryException):
        return Terminal(f"The query needs more than {limits.memory} of memory.", remedy="Read or join less.")
    if isinstance(error, duckdb.BinderException | duckdb.CatalogException):
        return Terminal(
            "The query names something that is not there, or combines types that do not go together.",
            remedy=f"Columns that the role may read here: {', '.join(readable)}.",
        )
    return Terminal(
        "The query does not fit the data: a conversion or a computation failed.", remedy="Use TRY_CAST."
    )
