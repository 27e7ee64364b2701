"""The allow-list of governed SQL: one SELECT over known tables with known functions, and nothing else.

A statement is judged twice, by DuckDB's own parse tree, which is what would run, and by sqlglot; what either does not
understand, or what they understand differently, is refused. Nothing of the statement is ever repeated in an error.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from shelflife.access.functions import ALLOWED_FUNCTIONS
from shelflife.errors import AccessDenied
from shelflife.lake.models import locked_connection

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

LONGEST_STATEMENT = 100_000
UNREADABLE = "unreadable"

_NODES = frozenset(
    {
        # queries
        "SELECT_NODE", "SET_OPERATION_NODE", "CTE_NODE",
        # what stands in FROM; no table function, no SHOW, no PIVOT
        "BASE_TABLE", "JOIN", "SUBQUERY", "EMPTY", "EXPRESSION_LIST",
        # LIMIT, ORDER BY, DISTINCT
        "LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER", "ORDER_MODIFIER", "DISTINCT_MODIFIER",
        "ORDER_DEFAULT", "ASCENDING", "DESCENDING",
        # details of constants' types
        "DECIMAL_TYPE_INFO", "STRING_TYPE_INFO", "LIST_TYPE_INFO", "STRUCT_TYPE_INFO",
    }
)  # fmt: skip
_EXPRESSIONS = frozenset(
    {
        "BETWEEN", "CASE", "CAST", "COLUMN_REF", "COMPARISON", "CONJUNCTION", "CONSTANT", "FUNCTION", "OPERATOR",
        "STAR", "SUBQUERY", "WINDOW",
    }
)  # fmt: skip
_BUILT_IN = (None, "", "main", "pg_catalog", "system")
_REMEDY = "Write one SELECT over the tables of your role, with ordinary functions."


@dataclass(frozen=True)
class Statement:
    """A SELECT that may run.

    Attributes:
        sql: the text.
        tables: the known tables that it reads.
        columns: every column name that it mentions.
        aliases: every name that it gives to something.
    """

    sql: str
    tables: tuple[str, ...]
    columns: frozenset[str]
    aliases: frozenset[str]


def read_statement(sql: str, known: Collection[str]) -> Statement:
    """Check a statement against the allow-list.

    Args:
        sql: the caller's text.
        known: every table that there is, in lower case; whether the caller may read one is not decided here.

    Raises:
        AccessDenied: it is not one SELECT that keeps to the list. The text says which rule, not what was written.
    """
    if len(sql) > LONGEST_STATEMENT or "\x00" in sql:
        raise _refused("it is too long or holds a NUL character")
    engine_tables = _by_engine(sql, known)
    tree = _by_sqlglot(sql)
    written = {table.name.lower() for table in tree.find_all(exp.Table)}
    if written & set(known) != engine_tables:
        raise _refused("two parsers disagree on the tables that it reads")
    return Statement(
        sql=sql,
        tables=tuple(sorted(engine_tables)),
        columns=frozenset(column.name.lower() for column in tree.find_all(exp.Column)),
        aliases=frozenset(name.lower() for name in _aliases(tree)),
    )


def fingerprint(sql: str) -> str:
    """Return the SHA-256 of a statement without its literals and comments: the same for queries of one shape."""
    try:
        tree = sqlglot.parse_one(sql[:LONGEST_STATEMENT], dialect="duckdb")
        bare = tree.transform(lambda node: exp.Placeholder() if isinstance(node, exp.Literal) else node)
        text = bare.sql(dialect="duckdb", comments=False, normalize=True)
    except (SqlglotError, RecursionError, ValueError):
        return UNREADABLE
    return hashlib.sha256(text.encode()).hexdigest()


def _by_engine(sql: str, known: Collection[str]) -> set[str]:
    """Check DuckDB's own parse tree and return the known tables in it."""
    with locked_connection({}) as connection:
        try:
            statements = connection.extract_statements(sql)
            one_select = len(statements) == 1 and statements[0].type == duckdb.StatementType.SELECT
            row = connection.execute("SELECT json_serialize_sql(?)", [sql]).fetchone() if one_select else None
        except (duckdb.Error, RuntimeError, ValueError):
            raise _refused("it is not SQL that DuckDB can parse") from None
    if row is None:
        raise _refused("it is not exactly one SELECT")
    try:
        tree = json.loads(row[0])
        nodes = list(_nodes(tree.get("statements")))
    except (ValueError, RecursionError):
        raise _refused("it is nested too deeply") from None
    if tree.get("error") or len(tree["statements"]) != 1:
        raise _refused("it is not a plain SELECT")
    ctes = {entry["key"].lower() for node in nodes for entry in _cte_entries(node)}
    if ctes & set(known):
        raise _refused("a WITH clause takes the name of a table")
    return {table for node in nodes if (table := _check_node(node, known, ctes)) is not None}


def _check_node(node: dict[str, Any], known: Collection[str], ctes: set[str]) -> str | None:
    """Check one node of the parse tree; return the known table that it reads, if any."""
    kind = node.get("type")
    if "class" in node:
        _check_expression(node)
    elif isinstance(kind, str) and kind not in _NODES:
        raise _refused(
            "a clause of it is not on the allow-list (table functions, PIVOT, SHOW and recursion are not)"
        )
    elif kind == "BASE_TABLE":
        name = str(node.get("table_name", "")).lower()
        if node.get("schema_name") or node.get("catalog_name") or node.get("at_clause"):
            raise _refused("a table is named with a schema or a catalog")
        if name in known:
            return name
        if name not in ctes:
            raise _refused("it reads something that is not a table of the estate")
    return None


def _check_expression(node: dict[str, Any]) -> None:
    if node["class"] not in _EXPRESSIONS:
        raise _refused("an expression of it is not on the allow-list (parameters and lambdas are not)")
    name = node.get("function_name")
    if name is not None and str(name).lower() not in ALLOWED_FUNCTIONS:
        raise _refused("it calls a function that is not on the allow-list")
    # DuckDB's grammar itself puts built-in functions into these; the connection holds no others.
    if node.get("schema") not in _BUILT_IN or node.get("catalog") not in _BUILT_IN:
        raise _refused("a function is named with a schema or a catalog")


def _cte_entries(node: dict[str, Any]) -> list[dict[str, Any]]:
    found = node.get("cte_map")
    return list(found.get("map", [])) if isinstance(found, dict) else []


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Yield every object of a JSON tree."""
    pending = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            yield node
            pending.extend(node.values())
        elif isinstance(node, list):
            pending.extend(node)


def _by_sqlglot(sql: str) -> exp.Query:
    try:
        trees = sqlglot.parse(sql, dialect="duckdb")
    except (SqlglotError, RecursionError, ValueError):
        raise _refused("it cannot be parsed") from None
    if len(trees) != 1 or not isinstance(trees[0], exp.Query):
        raise _refused("it is not exactly one SELECT")
    tree = trees[0]
    if any(isinstance(node, (exp.Command, exp.DDL, exp.DML, exp.Into, exp.Lock)) for node in tree.walk()):
        raise _refused("it does something other than reading")
    if any(
        not isinstance(table.this, exp.Identifier) or table.args.get("db")
        for table in tree.find_all(exp.Table)
    ):
        raise _refused("it reads something that is not a table of the estate")
    return tree


def _aliases(tree: exp.Query) -> Iterator[str]:
    for node in tree.find_all(exp.Alias, exp.TableAlias, exp.CTE):
        yield node.alias_or_name
        yield from node.alias_column_names if isinstance(node, exp.TableAlias | exp.CTE) else []


def _refused(rule: str) -> AccessDenied:
    return AccessDenied(f"The query is not allowed: {rule}.", remedy=_REMEDY)
