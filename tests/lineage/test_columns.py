"""Column lineage of SQL, and refusal of everything whose lineage cannot be known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pytest
import sqlalchemy as sa
import sqlglot
from sqlglot import exp
from sqlglot.lineage import lineage

from shelflife.control.tables import column_edge
from shelflife.errors import ConfigurationError
from shelflife.lineage.columns import ColumnEdge, columns, output_columns, record_columns, source_tables
from shelflife.lineage.functions import AGGREGATES, SCALARS

if TYPE_CHECKING:
    from shelflife.control.database import ControlDatabase

SCHEMA = {
    "heart": {
        "pid": "BLOB",
        "bpm": "DOUBLE",
        "local_date": "DATE",
        "signal": "VARCHAR",
        "flags": "INTEGER[]",
        "taken": "TIMESTAMP",
    },
    "sleep": {"pid": "BLOB", "stage": "VARCHAR", "local_date": "DATE", "minutes": "INTEGER"},
    "raw.glucose": {"pid": "BLOB", "mmol": "DOUBLE", "local_date": "DATE"},
}


def edges(sql: str) -> dict[str, dict[str, str]]:
    """Edges as {column: {table.column: kinds}}."""
    found: dict[str, dict[str, str]] = {}
    for edge in columns(sql, SCHEMA):
        found.setdefault(edge.column, {})[f"{edge.source_table}.{edge.source_column}"] = edge.transformation
    return found


TRACED = {
    "identity": ("SELECT bpm FROM heart", {"bpm": {"heart.bpm": "IDENTITY"}}),
    "names in any case": ("SELECT H.BPM AS Mean FROM Heart H", {"mean": {"heart.bpm": "IDENTITY"}}),
    "transformation": ("SELECT bpm + 1 AS x FROM heart", {"x": {"heart.bpm": "TRANSFORMATION"}}),
    "cast": ("SELECT bpm::INT AS x FROM heart", {"x": {"heart.bpm": "TRANSFORMATION"}}),
    "a table with a zone": ("SELECT g.mmol FROM raw.glucose g", {"mmol": {"raw.glucose.mmol": "IDENTITY"}}),
    "aggregate, filter and group": (
        "SELECT local_date, avg(bpm) AS m FROM heart WHERE signal = 'hr' GROUP BY local_date",
        {
            "local_date": {"heart.local_date": "IDENTITY+GROUP_BY", "heart.signal": "FILTER"},
            "m": {"heart.bpm": "AGGREGATION", "heart.local_date": "GROUP_BY", "heart.signal": "FILTER"},
        },
    ),
    "group by all groups by what is no aggregate": (
        "SELECT local_date AS d, max(bpm) AS m FROM heart GROUP BY ALL",
        {
            "d": {"heart.local_date": "IDENTITY+GROUP_BY"},
            "m": {"heart.bpm": "AGGREGATION", "heart.local_date": "GROUP_BY"},
        },
    ),
    "an aggregate that sqlglot does not know": (
        "SELECT mad(bpm) AS m FROM heart",
        {"m": {"heart.bpm": "AGGREGATION"}},
    ),
    "rows as such": ("SELECT count(*) AS n FROM heart", {"n": {"heart.*": "AGGREGATION"}}),
    "rows of a sub-select": (
        "SELECT count() AS n FROM (SELECT DISTINCT pid FROM heart) p",
        {"n": {"heart.*": "AGGREGATION", "heart.pid": "GROUP_BY"}},
    ),
    "rows that a filter further in decides": (
        "SELECT count(*) AS n, 1 AS one FROM (SELECT pid FROM heart WHERE signal = 'hr') p, (SELECT pid FROM sleep) q",
        {
            "n": {"heart.*": "AGGREGATION", "heart.signal": "FILTER", "sleep.*": "AGGREGATION"},
            "one": {"heart.signal": "FILTER"},
        },
    ),
    "rows that a filter in one side of a union decides": (
        "SELECT count(*) AS n FROM (SELECT pid FROM heart WHERE signal = 'hr' UNION ALL SELECT pid FROM sleep) u",
        {"n": {"heart.*": "AGGREGATION", "heart.signal": "FILTER", "sleep.*": "AGGREGATION"}},
    ),
    "aggregate with a filter and an order": (
        "SELECT list(bpm ORDER BY taken) FILTER (WHERE signal = 'hr') AS l FROM heart",
        {"l": {"heart.bpm": "AGGREGATION", "heart.taken": "SORT", "heart.signal": "FILTER"}},
    ),
    "case": (
        "SELECT CASE WHEN signal = 'hr' THEN bpm ELSE 0 END AS c FROM heart",
        {"c": {"heart.bpm": "TRANSFORMATION", "heart.signal": "CONDITIONAL"}},
    ),
    "case with an operand": (
        "SELECT CASE signal WHEN 'a' THEN 1 ELSE 2 END AS c FROM heart",
        {"c": {"heart.signal": "CONDITIONAL"}},
    ),
    "window": (
        "SELECT lag(bpm) OVER (PARTITION BY pid ORDER BY taken) AS l, avg(bpm) OVER (PARTITION BY pid) AS a FROM heart",
        {
            "l": {"heart.bpm": "TRANSFORMATION", "heart.pid": "WINDOW", "heart.taken": "WINDOW"},
            "a": {"heart.bpm": "AGGREGATION", "heart.pid": "WINDOW"},
        },
    ),
    "named window and qualify": (
        "SELECT bpm FROM heart WINDOW w AS (PARTITION BY pid ORDER BY taken) QUALIFY row_number() OVER w = 1",
        {"bpm": {"heart.bpm": "IDENTITY", "heart.pid": "WINDOW", "heart.taken": "WINDOW"}},
    ),
    "join": (
        "SELECT h.bpm, s.stage FROM heart h JOIN sleep s ON h.pid = s.pid",
        {
            "bpm": {"heart.bpm": "IDENTITY", "heart.pid": "JOIN", "sleep.pid": "JOIN"},
            "stage": {"sleep.stage": "IDENTITY", "heart.pid": "JOIN", "sleep.pid": "JOIN"},
        },
    ),
    "join using": (
        "SELECT pid, bpm FROM heart JOIN sleep USING (pid)",
        {
            "pid": {"heart.pid": "TRANSFORMATION+JOIN", "sleep.pid": "TRANSFORMATION+JOIN"},
            "bpm": {"heart.bpm": "IDENTITY", "heart.pid": "JOIN", "sleep.pid": "JOIN"},
        },
    ),
    "through a WITH clause": (
        "WITH a AS (SELECT pid, max(bpm) AS top FROM heart GROUP BY pid) SELECT top * 2 AS x FROM a WHERE top > 9",
        {"x": {"heart.bpm": "AGGREGATION+FILTER", "heart.pid": "FILTER+GROUP_BY"}},
    ),
    "a renaming WITH clause": (
        "WITH a(x) AS (SELECT bpm FROM heart) SELECT x FROM a",
        {"x": {"heart.bpm": "IDENTITY"}},
    ),
    "a star over a WITH clause": (
        "WITH a AS (SELECT pid, bpm FROM heart) SELECT * EXCLUDE (pid) FROM a",
        {"bpm": {"heart.bpm": "IDENTITY"}},
    ),
    "through a sub-select": (
        "SELECT d.m FROM (SELECT min(minutes) AS m FROM sleep) d",
        {"m": {"sleep.minutes": "AGGREGATION"}},
    ),
    "union all": (
        "SELECT bpm AS v FROM heart UNION ALL SELECT mmol FROM raw.glucose",
        {"v": {"heart.bpm": "IDENTITY", "raw.glucose.mmol": "IDENTITY"}},
    ),
    "union compares rows": (
        "SELECT pid, bpm AS v FROM heart UNION SELECT pid, mmol FROM raw.glucose",
        {
            "pid": {
                "heart.pid": "IDENTITY+GROUP_BY",
                "heart.bpm": "GROUP_BY",
                "raw.glucose.pid": "IDENTITY+GROUP_BY",
                "raw.glucose.mmol": "GROUP_BY",
            },
            "v": {
                "heart.pid": "GROUP_BY",
                "heart.bpm": "IDENTITY+GROUP_BY",
                "raw.glucose.pid": "GROUP_BY",
                "raw.glucose.mmol": "IDENTITY+GROUP_BY",
            },
        },
    ),
    "except": (
        "SELECT pid FROM heart EXCEPT SELECT pid FROM sleep",
        {"pid": {"heart.pid": "IDENTITY+GROUP_BY", "sleep.pid": "FILTER+GROUP_BY"}},
    ),
    "scalar sub-select, correlated": (
        "SELECT (SELECT max(s.stage) FROM sleep s WHERE s.pid = h.pid) AS st FROM heart h",
        {
            "st": {
                "sleep.stage": "AGGREGATION",
                "sleep.*": "TRANSFORMATION",
                "sleep.pid": "FILTER",
                "heart.pid": "FILTER",
            }
        },
    ),
    "exists": (
        "SELECT bpm FROM heart h WHERE EXISTS (SELECT 1 FROM sleep s WHERE s.pid = h.pid)",
        {"bpm": {"heart.bpm": "IDENTITY", "heart.pid": "FILTER", "sleep.pid": "FILTER", "sleep.*": "FILTER"}},
    ),
    "order by an output": (
        "SELECT avg(bpm) AS m FROM heart GROUP BY pid ORDER BY m LIMIT 3",
        {"m": {"heart.bpm": "AGGREGATION+SORT", "heart.pid": "GROUP_BY"}},
    ),
    "having and distinct": (
        "SELECT DISTINCT local_date FROM heart GROUP BY local_date HAVING count(DISTINCT pid) > 10",
        {"local_date": {"heart.local_date": "IDENTITY+GROUP_BY", "heart.pid": "FILTER"}},
    ),
    "an alias used in the same select": (
        "SELECT bpm * 2 AS b, b + 1 AS c FROM heart WHERE b > 3",
        {"b": {"heart.bpm": "TRANSFORMATION+FILTER"}, "c": {"heart.bpm": "TRANSFORMATION+FILTER"}},
    ),
    "lambda": (
        "SELECT list_transform(flags, lambda x: x + 1) AS f FROM heart",
        {"f": {"heart.flags": "TRANSFORMATION"}},
    ),
    "a constant": ("SELECT 1 AS one FROM heart", {}),
}


@pytest.mark.parametrize("name", TRACED)
def test_lineage(name: str) -> None:
    sql, expected = TRACED[name]
    assert edges(sql) == expected


@pytest.mark.parametrize("name", TRACED)
def test_what_is_traced_runs_in_duckdb(name: str) -> None:
    connection = duckdb.connect()
    connection.execute("CREATE SCHEMA raw")
    for table, types in SCHEMA.items():
        connection.execute(f"CREATE TABLE {table} ({', '.join(f'{c} {t}' for c, t in types.items())})")
    sql = TRACED[name][0]
    found = [column[0].lower() for column in connection.execute(sql).description or []]
    assert found == output_columns(sql, SCHEMA)


@pytest.mark.parametrize(
    "name", ["identity", "aggregate, filter and group", "through a WITH clause", "union all", "join"]
)
def test_direct_sources_agree_with_sqlglots_own_lineage(name: str) -> None:
    sql = TRACED[name][0]
    flat = {"heart": SCHEMA["heart"], "sleep": SCHEMA["sleep"], "glucose": SCHEMA["raw.glucose"]}
    for column in output_columns(sql, SCHEMA):
        root = lineage(column, sql.replace("raw.glucose", "glucose"), schema=flat, dialect="duckdb")
        leaves = {
            (node.source.name, node.name.rpartition(".")[2])
            for node in root.walk()
            if not node.downstream and isinstance(node.source, exp.Table)
        }
        ours = {
            (edge.source_table.removeprefix("raw."), edge.source_column)
            for edge in columns(sql, SCHEMA)
            if edge.column == column and edge.direct
        }
        assert ours == leaves


@pytest.mark.parametrize(
    "sql",
    [
        "",
        ";",
        "SELECT",
        "SELECT bpm FROM heart WHERE",
        "SELECT * FROM heart",
        "SELECT h.* FROM heart h",
        "SELECT * EXCLUDE (pid) FROM heart",
        "WITH a AS (SELECT * FROM heart) SELECT bpm FROM a",
        "WITH a AS (SELECT pid FROM heart) SELECT * FROM a JOIN heart USING (pid)",
        "FROM heart",
        "SELECT COLUMNS('b.*') FROM heart",
        "SELECT heart AS h FROM heart",
        "SELECT h AS h FROM heart h",
        "SELECT bpm FROM unknown",
        "SELECT bpm FROM main.heart",
        "SELECT bpm FROM other.raw.heart",
        "SELECT glucose.mmol FROM glucose",
        "SELECT nope FROM heart",
        "SELECT h.nope FROM heart h",
        "SELECT z.bpm FROM heart h",
        "SELECT pid FROM heart, sleep",
        "SELECT rowid FROM heart",
        "SELECT bpm + 1 FROM heart",
        "SELECT bpm, bpm FROM heart",
        "SELECT bpm AS a, pid AS A FROM heart",
        "SELECT bpm FROM heart; SELECT bpm FROM heart",
        "DELETE FROM heart",
        "INSERT INTO heart SELECT bpm FROM heart",
        "CREATE TABLE x AS SELECT bpm FROM heart",
        "COPY heart TO 'x.csv'",
        "EXPLAIN SELECT bpm FROM heart",
        "CALL pragma_version()",
        "ATTACH 'x.db'",
        "PRAGMA version",
        "SET threads = 1",
        "checkpoint",
        "EXPORT DATABASE 'x'",
        "WITH d AS (DELETE FROM heart RETURNING bpm) SELECT bpm FROM d",
        "SELECT bpm INTO x FROM heart",
        "SELECT bpm FROM query('select * from secret')",
        "SELECT bpm FROM query_table('secret')",
        "SELECT bpm FROM 'x.parquet'",
        'SELECT bpm FROM "x.parquet"',
        "SELECT bpm FROM read_parquet('x.parquet')",
        "SELECT bpm FROM read_csv('x.csv')",
        "SELECT a FROM range(10) t(a)",
        "SELECT u FROM heart, UNNEST(flags) t(u)",
        "SELECT a FROM (VALUES (1), (2)) v(a)",
        "SELECT h.bpm FROM heart h, LATERAL (SELECT 1 AS x) l",
        "SELECT h.a FROM heart h(a, b)",
        "SELECT bpm FROM heart AT (VERSION => 1)",
        "PIVOT heart ON signal USING avg(bpm)",
        "SELECT a FROM heart PIVOT (avg(bpm) FOR signal IN ('a'))",
        "SELECT h.bpm FROM heart h NATURAL JOIN sleep s",
        "SELECT h.bpm FROM heart h POSITIONAL JOIN sleep s",
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT n FROM r",
        "WITH heart AS (SELECT bpm FROM heart) SELECT bpm FROM heart",
        "SELECT x.a FROM x, (WITH x AS (SELECT bpm FROM heart) SELECT bpm FROM x) y",
        "SELECT getvariable('x') AS g FROM heart",
        "SELECT getenv('HOME') AS g FROM heart",
        "SELECT current_setting('x') AS g FROM heart",
        "SELECT my_macro(bpm) AS g FROM heart",
        "SELECT bpm FROM heart ORDER BY ALL",
        "SELECT bpm FROM heart UNION ALL BY NAME SELECT mmol AS bpm FROM raw.glucose",
        "SELECT bpm FROM heart WHERE pid IN (SELECT pid FROM unknown)",
        "SELECT bpm FROM heart WHERE pid IN (SELECT s.nope FROM sleep s)",
    ],
)
def test_what_cannot_be_traced_is_refused(sql: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ConfigurationError) as caught:
        columns(sql, SCHEMA)
    assert caught.value.remedy
    assert caught.value.__cause__ is None
    assert not caplog.records


def test_a_refusal_quotes_nothing_of_the_statement() -> None:
    with pytest.raises(ConfigurationError) as caught:
        columns("SELECT bpm FROM heart WHERE signal = 'canary' AND nope = 'canary'", SCHEMA)
    assert "canary" not in caught.value.diagnostics()
    with pytest.raises(ConfigurationError, match="line 2") as caught:
        columns("SELECT 'canary'\nFROM (", SCHEMA)
    assert "canary" not in caught.value.diagnostics()


def test_tables_that_no_column_comes_from_are_read_too() -> None:
    assert source_tables("SELECT 1 AS one FROM heart, raw.glucose", SCHEMA) == ["heart", "raw.glucose"]


def test_functions_are_duckdbs_own_and_of_the_right_kind() -> None:
    kinds: dict[str, set[str]] = {}
    for name, kind in (
        duckdb.connect()
        .execute("SELECT function_name, function_type FROM duckdb_functions() WHERE internal")
        .fetchall()
    ):
        kinds.setdefault(name.lower(), set()).add(kind)
    assert not {name for name in AGGREGATES if "aggregate" not in kinds.get(name, set())}
    assert not {name for name in SCALARS if "aggregate" in kinds.get(name, set())}
    # Reads that a plain SELECT must not hide.
    assert not {"getvariable", "getenv", "current_setting", "query", "query_table", "read_text"} & SCALARS


def test_every_aggregate_that_duckdb_has_is_one_here() -> None:
    rows = duckdb.connect().execute(
        "SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type = 'aggregate' AND internal"
    )
    for (name,) in rows.fetchall():
        try:
            parsed = sqlglot.parse_one(f"SELECT {name}(bpm) AS x FROM heart", dialect="duckdb")
        except sqlglot.ParseError:
            continue
        if parsed.find(exp.Anonymous):
            assert name.lower() in AGGREGATES | {"count_star", "rank_dense", "fill"}


def test_recorded_edges_replace_those_before(database: ControlDatabase) -> None:
    old = [ColumnEdge("m", "heart", "bpm", "AGGREGATION"), ColumnEdge("n", "heart", "*", "AGGREGATION")]
    with database.commit() as tx:
        record_columns(tx, "heart_daily", old)
        record_columns(tx, "other", old)
        record_columns(tx, "heart_daily", old[:1])
        rows = tx.conn.execute(column_edge.select().where(column_edge.c.model == "heart_daily")).all()
        record_columns(tx, "other", [])
        assert len(tx.conn.execute(column_edge.select()).all()) == 1
    assert [tuple(row) for row in rows] == [("heart_daily", "m", "heart", "bpm", "AGGREGATION")]


def test_the_longest_kind_fits_its_column() -> None:
    kinds = "AGGREGATION+CONDITIONAL+FILTER+GROUP_BY+JOIN+SORT+WINDOW"
    kind = column_edge.c.transformation.type
    assert isinstance(kind, sa.String)
    assert len(kinds) <= (kind.length or 0)
