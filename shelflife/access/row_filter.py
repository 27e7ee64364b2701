"""Row filters: the part of a table that a role may see, as a condition that Arrow applies before any SQL runs.

The condition is not put into the caller's SQL. It becomes part of the relation itself, so that rows outside of it are
nowhere in the connection, neither as rows nor in statistics.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from shelflife.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

_COMPARISONS: dict[type[exp.Expr], Callable[[pc.Expression, pc.Expression], pc.Expression]] = {
    exp.EQ: lambda left, right: left == right,
    exp.NEQ: lambda left, right: left != right,
    exp.LT: lambda left, right: left < right,
    exp.LTE: lambda left, right: left <= right,
    exp.GT: lambda left, right: left > right,
    exp.GTE: lambda left, right: left >= right,
}


def row_filter(condition: str, schema: pa.Schema) -> pc.Expression:
    """Turn a SQL condition into an Arrow filter with SQL's three-valued logic.

    Args:
        condition: columns compared with literals, BETWEEN, IN, IS NULL, NOT, AND, OR and parentheses.
        schema: the columns that the role may read; others cannot be named.

    Raises:
        ConfigurationError: the condition has anything else in it.
    """
    try:
        tree = sqlglot.parse_one(condition, dialect="duckdb")
        return _compile(tree, schema)
    except (SqlglotError, RecursionError, ValueError, OverflowError, KeyError, pa.ArrowException):
        raise ConfigurationError(
            "A role's row filter cannot be applied.",
            remedy="Compare columns that the role may read with literals (setting `roles`).",
        ) from None


def _compile(node: exp.Expr, schema: pa.Schema) -> pc.Expression:
    if isinstance(node, exp.Paren):
        return _compile(node.this, schema)
    if isinstance(node, exp.Not):
        return ~_compile(node.this, schema)
    if isinstance(node, exp.And):
        return _compile(node.left, schema) & _compile(node.right, schema)
    if isinstance(node, exp.Or):
        return _compile(node.left, schema) | _compile(node.right, schema)
    return _compile_test(node, schema)


def _compile_test(node: exp.Expr, schema: pa.Schema) -> pc.Expression:
    field, kind = _column(node.this, schema)
    if isinstance(node, exp.Is) and isinstance(node.expression, exp.Null):
        return field.is_null()
    if isinstance(node, exp.Between):
        return (field >= _value(node.args["low"], kind)) & (field <= _value(node.args["high"], kind))
    if isinstance(node, exp.In) and node.expressions:
        # Arrow's own `isin` is false for null, and NOT would turn that into true; equalities keep SQL's unknown.
        tests = [field == _value(item, kind) for item in node.expressions]
        found = tests[0]
        for test in tests[1:]:
            found |= test
        return found
    return _COMPARISONS[type(node)](field, _value(node.expression, kind))


def _column(node: exp.Expr, schema: pa.Schema) -> tuple[pc.Expression, pa.DataType]:
    if not isinstance(node, exp.Column) or node.table or node.name not in schema.names:
        raise ValueError
    return pc.field(node.name), schema.field(node.name).type


def _value(node: exp.Expr, kind: pa.DataType) -> pc.Expression:
    """Return a literal as a value of the column's type."""
    if isinstance(node, exp.Cast) and node.to.is_type("date", "timestamp", "timestamptz"):
        node = node.this
    negative = isinstance(node, exp.Neg)
    literal = node.this if negative else node
    if isinstance(literal, exp.Boolean) and not negative:
        return pc.scalar(pa.scalar(bool(literal.this), kind))
    if not isinstance(literal, exp.Literal) or literal.is_string == _is_number(kind):
        raise ValueError
    text = f"-{literal.this}" if negative else literal.this
    if pa.types.is_date(kind):
        return pc.scalar(pa.scalar(dt.date.fromisoformat(text), kind))
    return pc.scalar(pa.scalar(text, pa.string()).cast(kind))


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))
