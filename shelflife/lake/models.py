"""SQL models: one file a table, checked when it is loaded and run over Arrow in memory.

A model is a header and one SELECT. DuckDB runs it in a throw-away connection that holds nothing but the relations
that the model reads, and that can reach no file, network or setting.
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import duckdb
import pyarrow as pa
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from shelflife.errors import ConfigurationError
from shelflife.lake.model_header import ATTRIBUTES, PID, Disclosure, ModelColumn, ModelHeader, split_model
from shelflife.signals.sample import SAMPLE_SCHEMA
from shelflife.signals.vocabulary import STREAMS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import pyarrow.dataset as ds

STREAM_SCHEMA: pa.Schema = pa.schema([pa.field(PID, pa.binary()), *SAMPLE_SCHEMA])
"""Columns of a stream as a model sees it."""

ATTRIBUTES_SCHEMA: pa.Schema = pa.schema(
    [(PID, pa.binary()), ("age_band", pa.string()), ("sex", pa.string())]
)
"""Columns of `attributes`: what cohorts may know about a person."""


@dataclass(frozen=True, eq=False)
class Model:
    """One derived or analytics table.

    Attributes:
        name: the table's name, and its file's.
        zone: "derived" or "analytics".
        grain: what one row is, in words.
        keys: columns that identify a row.
        owner: the function that answers for it.
        reads: streams, or models and `attributes`.
        period: what one output file covers.
        retention_class: the class that its partitions live under.
        erasure: what an erasure does to it.
        disclosure: what may be published of it; analytics only.
        columns: its columns, in order.
        sql: its SELECT (DuckDB).
        digest: SHA-256 of the whole file.
        schema: the Arrow schema that the SELECT yields.
        date_column: the key column that says which period a row belongs to.
    """

    name: str
    zone: str
    grain: str
    keys: tuple[str, ...]
    owner: str
    reads: tuple[str, ...]
    period: Literal["day", "month", "week"]
    retention_class: str
    erasure: str
    disclosure: Disclosure | None
    columns: Mapping[str, ModelColumn]
    sql: str
    digest: bytes
    schema: pa.Schema
    date_column: str

    @property
    def classes(self) -> dict[str, str]:
        """The sensitivity class of every column."""
        return {name: column.sensitivity for name, column in self.columns.items()}


def load_models(folder: Path) -> Mapping[str, Model]:
    """Read every model of a folder, derived ones first.

    Raises:
        ConfigurationError: a header is missing or wrong, a model reads something unknown, its SELECT does not run or
            yields other columns than its header names. File and line are named.
    """
    files = sorted(folder.glob("*/*.sql"), key=lambda file: (file.parent.name != "derived", file.stem))
    if not files:
        raise ConfigurationError("There are no SQL models.", remedy="Check the setting `models`.")
    return _checked(tuple((file.parent.name, file.stem, _text(file)) for file in files))


def output_schema(model: Model, models: Mapping[str, Model]) -> pa.Schema:
    """Return the Arrow schema of a model's rows."""
    return models[model.name].schema


def columns_read(model: Model) -> frozenset[str]:
    """Return the names of all columns that a model's SELECT mentions; what it reads is among them."""
    return frozenset(
        column.name for column in sqlglot.parse_one(model.sql, dialect="duckdb").find_all(exp.Column)
    )


def run_model(model: Model, inputs: Mapping[str, pa.Table | ds.Dataset]) -> pa.Table:
    """Run a model over its inputs, in memory and on one thread, so that equal inputs give equal bytes.

    Args:
        model: the model.
        inputs: a relation for each name in `model.reads`; a stream may lack columns that the model does not read.

    Returns:
        A table of `model.schema`, ordered by the model's keys.

    Raises:
        ConfigurationError: an input is missing, or the SELECT fails on it.
    """
    if set(inputs) != set(model.reads):
        raise ConfigurationError(
            f"The model {model.name} was not given the relations that it reads.",
            remedy="Pass one relation for each name in `reads`.",
        )
    with locked_connection(inputs) as connection:
        try:
            result = connection.execute(model.sql).to_arrow_table()
        except duckdb.Error as error:
            # DuckDB's text can quote a value, so only the kind of error is passed on.
            raise ConfigurationError(
                f"The model {model.name} failed: {type(error).__name__}.",
                remedy="Run it on synthetic data to see why.",
            ) from None
    return result.cast(model.schema).sort_by([(key, "ascending") for key in model.keys])


@contextmanager
def locked_connection(
    relations: Mapping[str, pa.Table | ds.Dataset], *, threads: int = 1, memory: str | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a throw-away DuckDB that holds only these relations and cannot reach or change anything else.

    No file, network, extension, setting, Python variable or spill file is reachable, and none can be made so.

    Args:
        relations: Arrow tables or datasets by name.
        threads: threads that a query may use.
        memory: most memory that a query may use, as DuckDB writes it ("1GB").
    """
    connection = duckdb.connect(":memory:", config={"threads": threads})
    try:
        if memory is not None:
            connection.execute(f"SET memory_limit = '{memory}'")
        for statement in _LOCKS:
            connection.execute(statement)
        for name, relation in relations.items():
            connection.register(name, relation)
        connection.execute("SET lock_configuration = true")
        yield connection
    finally:
        connection.close()


_LOCKS = (
    "SET TimeZone = 'UTC'",
    "SET Calendar = 'gregorian'",
    "SET temp_directory = ''",
    "SET max_temp_directory_size = '0B'",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET allow_community_extensions = false",
    "SET python_enable_replacements = false",
    "SET enable_external_access = false",
)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise _wrong(f"{file.parent.name}/{file.name}", "cannot be read as UTF-8 text") from None


@lru_cache(maxsize=8)
def _checked(files: tuple[tuple[str, str, str], ...]) -> Mapping[str, Model]:
    """Check models given as (folder, name, text); the same texts are checked once in a process."""
    parsed = []
    for folder, stem, text in files:
        name = f"{folder}/{stem}.sql"
        header, sql = split_model(text, name=name)
        if (header.zone, header.name) != (folder, stem):
            raise _wrong(name, "name and zone must be those of the file and its folder")
        parsed.append((name, header, sql, hashlib.sha256(text.encode()).digest()))
    inputs = dict.fromkeys(STREAMS, STREAM_SCHEMA) | {ATTRIBUTES: ATTRIBUTES_SCHEMA}
    models: dict[str, Model] = {}
    for name, header, sql, digest in parsed:
        models[header.name] = _load(name, header, sql, digest, inputs)
        inputs[header.name] = models[header.name].schema
    return MappingProxyType(models)


def _load(name: str, header: ModelHeader, sql: str, digest: bytes, inputs: Mapping[str, pa.Schema]) -> Model:
    unknown = sorted(set(header.reads) - set(inputs))
    if unknown:
        raise _wrong(name, f"reads {', '.join(unknown)}, which is neither a stream nor a model before it")
    _check_select(name, header, sql)
    schema = _schema(name, sql, {read: inputs[read] for read in header.reads})
    if schema.names != list(header.columns):
        raise _wrong(
            name, f"the SELECT yields {', '.join(schema.names)}; the header names {', '.join(header.columns)}"
        )
    dates = [key for key in header.keys if pa.types.is_date(schema.field(key).type)]
    if len(dates) != 1:
        raise _wrong(name, "exactly one of the keys must be a date")
    if any(pa.types.is_decimal(field.type) for field in schema):
        raise _wrong(name, "a column is a decimal; cast it to BIGINT or DOUBLE")
    return Model(
        name=header.name,
        zone=header.zone,
        grain=header.grain,
        keys=tuple(header.keys),
        owner=header.owner,
        reads=tuple(header.reads),
        period=header.period,
        retention_class=header.retention_class,
        erasure=header.erasure,
        disclosure=header.disclosure,
        columns=MappingProxyType(dict(header.columns)),
        sql=sql,
        digest=digest,
        schema=schema,
        date_column=dates[0],
    )


def _check_select(name: str, header: ModelHeader, sql: str) -> None:
    """Refuse what is not one SELECT, and stars over an input, which would hide what is read."""
    try:
        statements = sqlglot.parse(sql, dialect="duckdb")
    except SqlglotError:
        raise _wrong(name, "the SELECT cannot be parsed") from None
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise _wrong(name, "a model is exactly one SELECT")
    for select in statements[0].find_all(exp.Select):
        if any(item.is_star for item in select.expressions) and _sources(select) & set(header.reads):
            raise _wrong(name, "name the columns that are read: no `*` over an input")


def _sources(select: exp.Select) -> set[str]:
    clauses = [select.args.get("from_"), *select.args.get("joins", [])]
    return {
        clause.this.name for clause in clauses if clause is not None and isinstance(clause.this, exp.Table)
    }


def _schema(name: str, sql: str, inputs: Mapping[str, pa.Schema]) -> pa.Schema:
    with locked_connection({read: schema.empty_table() for read, schema in inputs.items()}) as connection:
        try:
            schema = connection.execute(sql).to_arrow_table().schema
        except duckdb.Error as error:
            # Nothing but empty relations and the model's own text can be in this message.
            raise _wrong(name, f"the SELECT does not run: {error}") from None
    return pa.schema([pa.field(field.name, field.type) for field in schema])


def _wrong(name: str, what: str) -> ConfigurationError:
    return ConfigurationError(f"{name}: {what}.", remedy="Correct the model; see sql/derived for examples.")
