"""The walk from a query's output columns, through its scopes, down to the columns of base tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from sqlglot import exp
from sqlglot.optimizer.scope import Scope, build_scope

from shelflife.lineage.functions import AGGREGATES
from shelflife.lineage.statement import Statement, refuse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DIRECT = ("IDENTITY", "TRANSFORMATION", "AGGREGATION")
INDIRECT = ("CONDITIONAL", "FILTER", "GROUP_BY", "JOIN", "SORT", "WINDOW")
ROWS = "*"

# Kinds by source (table, column).
Sources: TypeAlias = "dict[tuple[str, str], set[str]]"

# Window functions that hand on a value of another row; sqlglot counts them among the aggregates.
_ROW_PICKERS = (exp.Lag, exp.Lead, exp.FirstValue, exp.LastValue, exp.NthValue)

# Syntax around a value that does not change it, and the parts of it that only decide which rows count.
_WRAPPERS: tuple[tuple[type[exp.Expr], frozenset[str], str], ...] = (
    (exp.Paren, frozenset(), ""),
    (exp.IgnoreNulls, frozenset(), ""),
    (exp.RespectNulls, frozenset(), ""),
    (exp.Distinct, frozenset(), ""),
    (exp.Window, frozenset({"partition_by", "order", "spec", "over", "alias"}), "WINDOW"),
    (exp.Filter, frozenset({"expression"}), "FILTER"),
    (exp.WithinGroup, frozenset(), ""),
    (exp.Order, frozenset({"expressions"}), "SORT"),
)


def trace(statement: Statement) -> dict[str, Sources]:
    """Return the kinds of dependence by source (table, column) for each output column of a statement.

    Raises:
        ConfigurationError: something in the statement cannot be traced.
    """
    scope = build_scope(statement.query)
    if scope is None:
        refuse("a statement that is no SELECT")
    return _Tracer(statement).outputs(scope)


class _Tracer:
    """Follows columns through scopes (sub-selects, WITH clauses, set operations) down to base tables."""

    def __init__(self, statement: Statement) -> None:
        self._statement = statement
        self._known: dict[int, dict[str, Sources]] = {}
        # What decides which rows a scope has, whether or not an output is made of it.
        self._deciding: dict[int, Sources] = {}

    def outputs(self, scope: Scope) -> dict[str, Sources]:
        """Return the sources of each output column of a scope."""
        if id(scope) not in self._known:
            query = scope.expression
            if isinstance(query, exp.SetOperation):
                traced = self._set_operation(scope, query)
            elif isinstance(query, exp.Select):
                traced = self._select(scope, query)
            else:
                refuse("a source that is no SELECT")
            self._known[id(scope)] = traced
        return self._known[id(scope)]

    def _select(self, scope: Scope, select: exp.Select) -> dict[str, Sources]:
        """Trace the projections, and add what the clauses decide to each of them."""
        traced: dict[str, Sources] = {}
        for projection in select.selects:
            sources: Sources = {}
            _merge(sources, self._expression(scope, projection.unalias(), "IDENTITY"))
            traced[projection.alias_or_name] = sources
        influences: Sources = {}
        for _node, source in scope.selected_sources.values():
            if isinstance(source, Scope):
                self.outputs(source)
                _merge(influences, self._deciding[id(source)])
        for clause, kind in _clauses(select):
            _merge(influences, self._expression(scope, clause, kind, aliases=traced))
        return self._decided(scope, traced, influences)

    def _set_operation(self, scope: Scope, query: exp.SetOperation) -> dict[str, Sources]:
        """Join both sides column by column; where rows are compared, each column decides for all."""
        left, right = (self.outputs(side) for side in scope.set_operation_scopes)
        if len(left) != len(right) or query.args.get("by_name"):
            refuse(
                "a set operation whose sides differ", "Give both sides the same columns in the same order."
            )
        traced: dict[str, Sources] = {}
        for (name, ours), theirs in zip(left.items(), right.values(), strict=True):
            traced[name] = {source: set(kinds) for source, kinds in ours.items()}
            _merge(traced[name], theirs if isinstance(query, exp.Union) else _through("FILTER", theirs))
        influences: Sources = {}
        for side in scope.set_operation_scopes:
            _merge(influences, self._deciding[id(side)])
        if query.args.get("distinct") or not isinstance(query, exp.Union):
            for sources in (*left.values(), *right.values()):
                _merge(influences, _through("GROUP_BY", sources))
        for part in ("order", "limit", "offset"):
            if clause := query.args.get(part):
                _merge(influences, self._expression(scope, clause, "SORT", aliases=traced))
        return self._decided(scope, traced, influences)

    def _decided(self, scope: Scope, traced: dict[str, Sources], influences: Sources) -> dict[str, Sources]:
        """Add what decides which rows there are to every output, and keep it for the scopes further out."""
        self._deciding[id(scope)] = influences
        for sources in traced.values():
            _merge(sources, influences)
        return traced

    def _expression(
        self,
        scope: Scope,
        node: exp.Expr,
        kind: str,
        aliases: Mapping[str, Sources] | None = None,
    ) -> Sources:
        """Return the sources of an expression that is used in one kind of way."""
        found: Sources = {}
        if isinstance(node, exp.Column):
            return self._column(scope, node, kind, aliases)
        if isinstance(node, exp.Ordered) and isinstance(node.this, exp.Var | exp.Literal):
            refuse("ORDER BY a position or ALL", "Name the columns to order by.")
        if isinstance(node, exp.Query):
            return self._subquery(scope, node, kind)
        if isinstance(node, exp.Count) and (node.this is None or isinstance(node.this, exp.Star)):
            return {(table, ROWS): {_stronger(kind, "AGGREGATION")} for table in self._rows(scope)}
        for child, child_kind in _children(node, kind):
            _merge(found, self._expression(scope, child, child_kind, aliases))
        return found

    def _column(
        self, scope: Scope, column: exp.Column, kind: str, aliases: Mapping[str, Sources] | None
    ) -> Sources:
        """Return the sources of one column reference: a base table's, a sub-select's, or an output of this select."""
        if not column.table:
            if aliases is None or column.name not in aliases:
                refuse("a column whose table is not clear", "Name the table of the column.")
            return _through(kind, aliases[column.name])
        source = _visible(scope, column.table)
        if isinstance(source, exp.Table):
            table = self._table(source)
            known = {column.name: {(table, column.name): {"IDENTITY"}}}
            inner = known if column.name in self._statement.columns[table] else {}
        else:
            inner = self.outputs(source)
        if column.name not in inner:
            refuse("a column that its table does not have", "Check the spelling against the schema.")
        return _through(kind, inner[column.name])

    def _subquery(self, scope: Scope, node: exp.Query, kind: str) -> Sources:
        """Return the sources of a sub-select inside of an expression: all that its outputs are made of."""
        query = node.unnest()
        inner = next((one for one in scope.subquery_scopes if one.expression is query), None)
        if inner is None:
            refuse("a sub-select that cannot be traced")
        found: Sources = {}
        for sources in self.outputs(inner).values():
            _merge(found, _through(_stronger(kind, "TRANSFORMATION"), sources))
        # EXISTS and the like depend on whether there are rows, even when the select list is a constant.
        for table in self._rows(inner):
            _merge(found, {(table, ROWS): {_stronger(kind, "TRANSFORMATION")}})
        return found

    def _table(self, source: exp.Table) -> str:
        """Return a base table's name in the schema."""
        if source.name not in self._statement.tables:
            refuse("a WITH clause used outside of where it is visible")
        return self._statement.tables[source.name]

    def _rows(self, scope: Scope) -> set[str]:
        """Return the base tables whose rows make the rows of a scope."""
        if isinstance(scope.expression, exp.SetOperation):
            return set().union(*(self._rows(side) for side in scope.set_operation_scopes))
        tables: set[str] = set()
        for _node, source in scope.selected_sources.values():
            if isinstance(source, exp.Table):
                tables.add(self._table(source))
            else:
                tables |= self._rows(source)
        return tables


def _visible(scope: Scope, name: str) -> exp.Table | Scope:
    """Return the source of a name: the scope's own, or for a correlated sub-select one further out."""
    around = scope
    while not isinstance(source := around.sources.get(name), exp.Table | Scope):
        if around.parent is None:
            refuse("a column whose table is not clear", "Name the table of the column.")
        around = around.parent
    return source


def _clauses(select: exp.Select) -> Iterator[tuple[exp.Expr, str]]:
    """Yield every clause of a SELECT that decides which rows there are, with its kind."""
    for join in select.args.get("joins") or ():
        if condition := join.args.get("on"):
            yield condition, "JOIN"
    for part, kind in (
        ("where", "FILTER"),
        ("having", "FILTER"),
        ("qualify", "FILTER"),
        ("group", "GROUP_BY"),
        ("distinct", "GROUP_BY"),
        ("order", "SORT"),
        ("limit", "SORT"),
        ("offset", "SORT"),
    ):
        if clause := select.args.get(part):
            yield clause, kind
    for window in select.args.get("windows") or ():
        yield window, "WINDOW"
    yield from _implied_grouping(select)


def _implied_grouping(select: exp.Select) -> Iterator[tuple[exp.Expr, str]]:
    """Yield the outputs that GROUP BY ALL or a plain DISTINCT groups by."""
    group, distinct = select.args.get("group"), select.args.get("distinct")
    by_all = group is not None and group.args.get("all")
    if by_all or (distinct is not None and not distinct.args.get("on")):
        for projection in select.selects:
            if not by_all or not any(_aggregates(node) for node in projection.find_all(exp.Func)):
                yield projection.unalias(), "GROUP_BY"


def _children(node: exp.Expr, kind: str) -> Iterator[tuple[exp.Expr, str]]:
    """Yield the parts of an expression with the kind of dependence that each of them adds."""
    for name, value in node.args.items():
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, exp.Expr):
                yield child, _child_kind(node, name, kind)


def _child_kind(node: exp.Expr, part: str, kind: str) -> str:
    """Return how a part of an expression counts, given how the whole expression does."""
    if kind in INDIRECT:
        return kind
    if isinstance(node, exp.Case | exp.If):
        # The chosen value is what a CASE hands on; what it is chosen by only decides.
        chosen = part in {"true", "false", "default", "ifs"}
        return _stronger(kind, "TRANSFORMATION") if chosen else "CONDITIONAL"
    for wrapper, deciding, indirect in _WRAPPERS:
        if isinstance(node, wrapper):
            return indirect if part in deciding else kind
    return _stronger(kind, "AGGREGATION" if _aggregates(node) else "TRANSFORMATION")


def _aggregates(node: exp.Expr) -> bool:
    """Tell whether a function makes one value of many rows."""
    if isinstance(node, exp.Anonymous):
        return node.name.lower() in AGGREGATES
    return isinstance(node, exp.AggFunc) and not isinstance(node, _ROW_PICKERS)


def _stronger(one: str, other: str) -> str:
    """Return the kind of a dependence through two steps; an indirect step makes it indirect."""
    if one in INDIRECT:
        return one
    return other if other in INDIRECT else max(one, other, key=DIRECT.index)


def _through(kind: str, sources: Sources) -> Sources:
    """Return sources as seen through one more step."""
    return {source: {_stronger(kind, inner) for inner in kinds} for source, kinds in sources.items()}


def _merge(into: Sources, more: Sources) -> None:
    for source, kinds in more.items():
        into.setdefault(source, set()).update(kinds)
