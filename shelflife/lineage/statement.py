"""One SQL statement that is a plain SELECT over known tables, or a refusal.

Lineage that is almost right is worse than none, so whatever could hide where data comes from is refused here: stars,
table functions, file paths, `query('...')`, other statements, recursion, pivots, functions that are not known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

import sqlglot
from sqlglot import TokenType, exp
from sqlglot.errors import OptimizeError, SqlglotError
from sqlglot.optimizer.qualify import qualify

from shelflife.errors import ConfigurationError
from shelflife.lineage.functions import AGGREGATES, SCALARS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

_DIALECT = "duckdb"
_FIRST_TOKENS = {TokenType.SELECT, TokenType.WITH, TokenType.FROM, TokenType.L_PAREN}
_FORBIDDEN: tuple[tuple[type[exp.Expr], str], ...] = (
    (exp.Command, "a statement that is no SELECT"),
    (exp.DML, "a statement that changes data"),
    (exp.DDL, "a statement that changes data"),
    (exp.Into, "SELECT INTO"),
    (exp.Pivot, "PIVOT or UNPIVOT"),
    (exp.Lateral, "LATERAL"),
    (exp.Values, "a VALUES list"),
    (exp.Columns, "COLUMNS(...)"),
)
_HIDDEN_JOINS = {"NATURAL", "POSITIONAL"}
_TABLE_PARTS = {"this", "db", "alias", "sample"}


@dataclass(frozen=True)
class Statement:
    """A checked statement whose columns all name the source that they come from.

    Attributes:
        query: the SELECT or set operation, qualified; its base tables have stand-in names.
        tables: the real name (as in the schema, in lower case) of each stand-in.
        columns: the columns that each of those tables has.
    """

    query: exp.Query
    tables: Mapping[str, str]
    columns: Mapping[str, Collection[str]]


def read_statement(sql: str, schema: Mapping[str, Mapping[str, str]]) -> Statement:
    """Parse a model's SQL and resolve every table and column in it.

    Args:
        sql: one SELECT in DuckDB's dialect.
        schema: columns (name to SQL type) of every table that may be read, by the name that SQL reads it under
            (`heart`, or `raw.heart`). Names are compared without case, as DuckDB does.

    Raises:
        ConfigurationError: the statement is not a SELECT, or holds something whose origin cannot be known.
    """
    known = {
        name.lower(): {column.lower(): kind for column, kind in columns.items()}
        for name, columns in schema.items()
    }
    query = _parse(sql)
    _refuse_what_hides(query)
    tables = _stand_in(query, known)
    stand_ins = {stand_in: dict(known[name]) for stand_in, name in tables.items()}
    qualified = _qualify(query, stand_ins)
    _refuse_unresolved(qualified)
    return Statement(qualified, tables, {name: known[name].keys() for name in tables.values()})


def _parse(sql: str) -> exp.Query:
    """Return the one SELECT or set operation in a text."""
    try:
        tokens = sqlglot.tokenize(sql, read=_DIALECT)
        while tokens and tokens[-1].token_type is TokenType.SEMICOLON:
            tokens.pop()
        if any(token.token_type is TokenType.SEMICOLON for token in tokens):
            refuse("more than one statement")
        # What sqlglot does not know it logs with its text and keeps as an opaque command; such text stops here.
        if not tokens or tokens[0].token_type not in _FIRST_TOKENS:
            refuse("a statement that is no SELECT")
        query = sqlglot.parse_one(sql, dialect=_DIALECT)
    except SqlglotError as error:
        place = next(iter(getattr(error, "errors", None) or [{}]))
        where = f" (line {place['line']}, column {place['col']})" if "line" in place else ""
        raise ConfigurationError(
            f"A model's SQL cannot be parsed{where}.", remedy="Write one SELECT in DuckDB's dialect."
        ) from None
    if not isinstance(query, exp.Select | exp.SetOperation):
        refuse("a statement that is no SELECT")
    return query


def _refuse_what_hides(query: exp.Query) -> None:
    """Refuse every construct that could bring in data without naming it."""
    local = {cte.alias.lower() for cte in query.find_all(exp.CTE)}
    for node in query.walk():
        for forbidden, what in _FORBIDDEN:
            if isinstance(node, forbidden):
                refuse(what)
        if isinstance(node, exp.Table):
            _check_table(node)
        elif isinstance(node, exp.Star):
            _check_star(node, local)
        elif hiding := _hiding(node):
            refuse(hiding)
    for projection in _output_columns(query):
        if not isinstance(projection, exp.Alias | exp.Column | exp.Star):
            refuse("an output column without a name", "Name every output column with AS.")


def _hiding(node: exp.Expr) -> str | None:
    """Return what a node is when it can bring in data unseen, in words."""
    if isinstance(node, exp.Anonymous) and node.name.lower() not in AGGREGATES | SCALARS:
        return "a function that lineage/functions.py does not know"
    if isinstance(node, exp.Join) and (node.args.get("method") or "").upper() in _HIDDEN_JOINS:
        return "a NATURAL or POSITIONAL join"
    if isinstance(node, exp.Unnest) and isinstance(node.parent, exp.From | exp.Join):
        return "UNNEST as a table"
    if isinstance(node, exp.With) and node.args.get("recursive"):
        return "a recursive WITH"
    return None


def _check_star(star: exp.Star, local: set[str]) -> None:
    """Refuse a star over a table: a column added to the table later would flow on unseen."""
    if isinstance(star.parent, exp.Count):
        return
    select = star.find_ancestor(exp.Select)
    clauses = [select.args.get("from_"), *(select.args.get("joins") or ())] if select else [None]
    for clause in clauses:
        source = clause.this if clause is not None else None
        if not isinstance(source, exp.Subquery) and not (
            isinstance(source, exp.Table) and not source.db and source.name.lower() in local
        ):
            refuse("a star over a table", "Name every column.")


def _check_table(table: exp.Table) -> None:
    """Refuse table functions, renamed columns, time travel and names of more than two parts."""
    if not isinstance(table.this, exp.Identifier):
        refuse("a table function", "Read tables only; file and query functions hide what they read.")
    if any(value for part, value in table.args.items() if part not in _TABLE_PARTS):
        refuse("a table with options that cannot be traced")
    alias = table.args.get("alias")
    if alias is not None and alias.args.get("columns"):
        refuse("a table alias that renames columns", "Rename columns in the SELECT list.")


def _output_columns(query: exp.Query) -> Iterator[exp.Expr]:
    """Yield the projections that name the statement's output: those of its first SELECT."""
    first: exp.Expr = query
    while isinstance(first, exp.SetOperation | exp.Subquery):
        first = first.this
    yield from first.selects if isinstance(first, exp.Select) else ()


def _stand_in(query: exp.Query, known: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Give every base table a stand-in name, so that `raw.heart` and `heart` fit in one flat schema."""
    local = {cte.alias.lower() for cte in query.find_all(exp.CTE)}
    for name in local & known.keys():
        refuse(f"a WITH clause named as the table {name}", "Give the WITH clause another name.")
    tables: dict[str, str] = {}
    for table in query.find_all(exp.Table):
        name = ".".join(part.name for part in table.parts).lower()
        if name in local:
            continue
        if name not in known:
            refuse("a table that is not known", "Read only the tables that the model's header declares.")
        stand_in = f"source_{sorted(known).index(name)}"
        tables[stand_in] = name
        alias = table.alias or table.name
        table.set("db", None)
        table.set("this", exp.to_identifier(stand_in))
        table.set("alias", exp.TableAlias(this=exp.to_identifier(alias, quoted=True)))
    return tables


def _qualify(query: exp.Query, stand_ins: Mapping[str, Mapping[str, str]]) -> exp.Query:
    """Give every column its source and every output its name."""
    try:
        qualified = qualify(query, schema=dict(stand_ins), dialect=_DIALECT)
    except OptimizeError:
        raise ConfigurationError(
            "A model's SQL names a column that no table in it has, or that two have.",
            remedy="Name the table of each column, and check the spelling against the schema.",
        ) from None
    except SqlglotError:
        raise ConfigurationError(
            "A model's SQL cannot be resolved against the schema.", remedy="Simplify the statement."
        ) from None
    if not isinstance(qualified, exp.Query):
        refuse("a statement that is no SELECT")
    return qualified


def _refuse_unresolved(query: exp.Query) -> None:
    """Refuse whole rows used as values, leftover renames and two outputs of one name."""
    if query.find(exp.TableColumn):
        refuse("a table used as a value", "Name the columns.")
    if any(not isinstance(star.parent, exp.Count) for star in query.find_all(exp.Star)):
        refuse("a star over a table", "Name every column.")
    for alias in query.find_all(exp.TableAlias):
        if alias.args.get("columns"):
            refuse("an alias that renames columns", "Rename columns in the SELECT list.")
    names = query.named_selects
    if not names or len(set(names)) != len(names) or not all(names):
        refuse("no output column, or two of one name", "Give every output column a name of its own.")


def refuse(what: str, remedy: str = "Rewrite it as a plain SELECT over tables.") -> NoReturn:
    """Raise the error for a construct that lineage cannot be computed through."""
    raise ConfigurationError(f"A model's SQL holds {what}; its lineage cannot be known.", remedy=remedy)
