"""What a governed query may and may not be made of."""

from __future__ import annotations

import pytest

from shelflife.access.statement import UNREADABLE, fingerprint, read_statement
from shelflife.errors import AccessDenied

KNOWN = {"heart_daily", "cohort_weekly"}

ALLOWED = [
    "SELECT pid, avg(mean_bpm) OVER (PARTITION BY pid ORDER BY local_date ROWS BETWEEN 6 PRECEDING AND CURRENT ROW) FROM heart_daily",
    "WITH x AS (SELECT * FROM heart_daily) SELECT count(*) FILTER (WHERE mean_bpm > 1), extract(year FROM local_date) y FROM x GROUP BY ALL ORDER BY 1 LIMIT 3",
    "FROM heart_daily SELECT pid",
    "SELECT 1 UNION ALL SELECT 2",
    "SELECT * FROM heart_daily a JOIN cohort_weekly b ON a.local_date = b.week_start WHERE mean_bpm IN (1, 2) AND EXISTS (SELECT 1)",
    "SELECT current_date, coalesce(NULL, 1), CASE WHEN 1 = 1 THEN 2 END, try_cast('1' AS INT), 'a' LIKE 'b', mean_bpm::INT FROM Heart_Daily",
    "SELECT DATE '2020-01-01', percentile_cont(0.5) WITHIN GROUP (ORDER BY mean_bpm), local_date - INTERVAL 1 DAY FROM heart_daily GROUP BY ALL",
    "SELECT * EXCLUDE (pid), COLUMNS('m.*') FROM heart_daily",
    "SELECT (SELECT max(mean_bpm) FROM heart_daily)",
    "SELECT quantile_cont(mean_bpm, [0.1, 0.9]) FROM heart_daily",
    "SELECT round(avg(mean_bpm), 1), count(DISTINCT pid) FROM heart_daily GROUP BY ROLLUP (local_date) HAVING count(*) > 1",
]

FILES = [
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM '/etc/passwd'",
    'SELECT * FROM "/etc/passwd"',
    "SELECT * FROM 'x.parquet'",
    "FROM 'x.csv'",
    "TABLE 'x.csv'",
    "SELECT * FROM glob('/*')",
    "SELECT * FROM read_blob('/etc/passwd')",
    "SELECT * FROM sniff_csv('/etc/passwd')",
    "SELECT read_text('/etc/passwd')",
    "SELECT (SELECT content FROM read_text('/etc/passwd'))",
    "SELECT count(*) FROM heart_daily WHERE EXISTS (FROM '/etc/passwd')",
    "SELECT * FROM heart_daily, LATERAL (SELECT * FROM read_csv('/etc/passwd'))",
    "SELECT * FROM heart_daily SEMI JOIN read_csv('/etc/passwd') USING (a)",
    "WITH x AS (SELECT * FROM read_csv('/etc/passwd')) SELECT * FROM x",
    "COPY heart_daily TO '/tmp/x'",
    "COPY (SELECT 1) TO '/tmp/x'",
    "COPY heart_daily FROM '/etc/passwd'",
    "EXPORT DATABASE '/tmp/x'",
    "IMPORT DATABASE '/tmp/x'",
    "ATTACH 'x.db'",
]
SETTINGS = [
    "PRAGMA database_list",
    "PRAGMA add_parquet_key('a', 'b')",
    "SET threads = 1",
    "RESET threads",
    "INSTALL httpfs",
    "LOAD httpfs",
    "USE memory",
    "SELECT getvariable('x')",
    "SELECT getenv('HOME')",
    "SELECT current_setting('memory_limit')",
    "SELECT * FROM duckdb_settings()",
    "CALL duckdb_settings()",
    "CALL truncate_duckdb_logs()",
]
CATALOG = [
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM system.information_schema.tables",
    "SELECT * FROM sqlite_master",
    "SELECT * FROM duckdb_tables()",
    "SELECT * FROM duckdb_logs",
    "SELECT * FROM memory.main.heart_daily",
    "SELECT * FROM main.heart_daily",
    "SELECT * FROM pragma_table_info('heart_daily')",
    "SELECT * FROM pragma_storage_info('heart_daily')",
    "SELECT pg_catalog.pg_get_viewdef(1)",
    "SHOW TABLES",
    "SELECT * FROM (SHOW TABLES)",
    "DESCRIBE heart_daily",
    "SUMMARIZE heart_daily",
    "SELECT * FROM (DESCRIBE heart_daily)",
    "SELECT * FROM unknown_table",
]
ORACLES = [
    "SELECT stats(mean_bpm) FROM heart_daily",
    "SELECT error('x')",
    "SELECT CASE WHEN mean_bpm > 100 THEN error(mean_bpm::VARCHAR) END FROM heart_daily",
    "EXPLAIN SELECT 1",
    "EXPLAIN ANALYZE SELECT * FROM heart_daily",
]
HIDDEN_SQL = [
    "SELECT * FROM query('SELECT 1')",
    "SELECT * FROM query_table('heart_daily')",
    "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
    "SELECT list_aggregate([1], 'sum')",
    "SELECT list_transform([1], x -> x)",
    "PREPARE a AS SELECT 1",
    "EXECUTE a",
    "SELECT $1",
    "SELECT ?",
]
WRITES = [
    "CREATE TABLE x AS SELECT 1",
    "INSERT INTO heart_daily SELECT 1",
    "DELETE FROM heart_daily",
    "DROP TABLE heart_daily",
    "UPDATE heart_daily SET pid = 1",
    "SELECT 1 INTO x",
    "SELECT * FROM heart_daily FOR UPDATE",
    "BEGIN",
    "CHECKPOINT",
    "VACUUM",
]
SHAPES = [
    "",
    ";",
    "SELECT",
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP TABLE heart_daily",
    "WITH heart_daily AS (SELECT * FROM heart_daily) SELECT * FROM heart_daily",
    "SELECT * FROM (WITH Heart_Daily AS (SELECT 1 a) SELECT * FROM Heart_Daily)",
    "WITH RECURSIVE r AS (SELECT 1 a UNION ALL SELECT a + 1 FROM r) SELECT * FROM r",
    "SELECT * FROM range(10)",
    "SELECT * FROM repeat(1, 1000000000)",
    "SELECT repeat('a', 1000000000)",
    "SELECT unnest([1, 2])",
    "PIVOT heart_daily ON pid",
    "SELECT * FROM (PIVOT heart_daily ON pid USING sum(mean_bpm))",
    "SELECT * FROM heart_daily AT (VERSION => 1)",
    "SELECT " + "(" * 5000 + "1" + ")" * 5000,
    "SELECT '" + "a" * 200_000 + "'",
    "SELECT 'a\x00b'",
]


@pytest.mark.parametrize("sql", ALLOWED)
def test_ordinary_queries_are_allowed(sql: str) -> None:
    found = read_statement(sql, KNOWN)
    assert set(found.tables) == {name for name in KNOWN if name in sql.lower()}


@pytest.mark.parametrize(
    "sql", [*FILES, *SETTINGS, *CATALOG, *ORACLES, *HIDDEN_SQL, *WRITES, *SHAPES], ids=lambda sql: sql[:60]
)
def test_everything_else_is_refused_without_being_repeated(sql: str) -> None:
    with pytest.raises(AccessDenied) as caught:
        read_statement(sql, KNOWN)
    assert caught.value.__cause__ is None
    text = caught.value.diagnostics()
    assert not any(word in text for word in ("passwd", "/tmp", "httpfs", "HOME", "aaaa"))


def test_the_fingerprint_forgets_literals_and_comments_and_nothing_else() -> None:
    one = fingerprint(
        "SELECT pid FROM heart_daily WHERE mean_bpm > 61.5 AND local_date = '2026-11-03' -- Jane"
    )
    same = fingerprint("select pid from heart_daily where mean_bpm > 99 and local_date = '1999-01-01'")
    other = fingerprint("SELECT pid FROM heart_daily WHERE mean_bpm < 61.5 AND local_date = '2026-11-03'")
    assert one == same
    assert one != other
    assert fingerprint("SELECT FROM WHERE (") == UNREADABLE
