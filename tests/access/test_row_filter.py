"""Row filters against DuckDB's own reading of the same condition."""

from __future__ import annotations

import datetime as dt

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shelflife.access.row_filter import row_filter
from shelflife.errors import ConfigurationError

SCHEMA = pa.schema(
    [("number", pa.int64()), ("value", pa.float64()), ("day", pa.date32()), ("name", pa.string())]
)
DAYS = [dt.date(2026, 11, day) for day in range(1, 5)]
rows = st.lists(
    st.fixed_dictionaries(
        {
            "number": st.none() | st.integers(-3, 3),
            "value": st.none() | st.sampled_from([-1.5, 0.0, 1.5]),
            "day": st.none() | st.sampled_from(DAYS),
            "name": st.none() | st.sampled_from(["a", "b", "it's"]),
        }
    ),
    max_size=12,
)
tests = st.sampled_from(
    [
        "number > 1",
        "number <> -2",
        "number IN (1, 2, -3)",
        "number NOT IN (0, 1)",
        "value BETWEEN -1.5 AND 0.5",
        "value NOT BETWEEN 0 AND 9",
        "day = '2026-11-02'",
        "day >= DATE '2026-11-03'",
        "name = 'it''s'",
        "name IN ('a', 'b')",
        "name IS NULL",
        "value IS NOT NULL",
    ]
)
conditions = st.recursive(
    tests,
    lambda inner: (
        st.builds("({}) AND ({})".format, inner, inner)
        | st.builds("({}) OR ({})".format, inner, inner)
        | st.builds("NOT ({})".format, inner)
    ),
    max_leaves=5,
)


@given(rows, conditions)
@settings(max_examples=120, deadline=None)
def test_a_filter_keeps_what_sql_keeps(found: list[dict[str, object]], condition: str) -> None:
    table = pa.Table.from_pylist(found, schema=SCHEMA)
    kept = ds.dataset(table).filter(row_filter(condition, SCHEMA)).to_table()
    expected = duckdb.connect().from_arrow(table).filter(condition).to_arrow_table()
    assert kept.to_pylist() == expected.to_pylist()


@pytest.mark.parametrize(
    "condition",
    [
        "",
        "number",
        "number = other",
        "number = day",
        "hidden = 1",
        "t.number = 1",
        "number = (SELECT 1)",
        "number IN (SELECT 1)",
        "number = 1; DROP TABLE x",
        "abs(number) = 1",
        "number = 'one'",
        "day = 'tomorrow'",
        "name = 1",
        "1 = 1",
        "number IS number",
        "name LIKE 'a%'",
        "number IN ()",
    ],
)
def test_anything_else_fails_closed(condition: str) -> None:
    with pytest.raises(ConfigurationError):
        row_filter(condition, SCHEMA)
