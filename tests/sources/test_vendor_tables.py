"""Lines of vendors' tables with too few or too many cells are set aside, each with its place, and lose no neighbour."""

from __future__ import annotations

import pytest

from tests.sources.reading import problems, read

DETAILS = b"timestamp,rmssd,coverage,low_frequency,high_frequency\n"
METRICS = (
    b"Date,Move Minutes count,Calories (kcal),Distance (m),Heart Points,Average heart rate (bpm),Step count\n"
)


@pytest.mark.parametrize(
    ("adapter", "header", "good"),
    [
        ("fitbit_takeout_tables", DETAILS, b"2024-02-22T03:00:00,40.5,0.93,512.1,301.2\n"),
        ("google_fit_metrics", METRICS, b"2024-03-31,34,1650.5,2310.25,12,71.5,3412\n"),
    ],
)
def test_a_broken_line_is_set_aside_and_counted(adapter: str, header: bytes, good: bytes) -> None:
    alone, counted = read(header + good, adapter)
    # `read` checks that every record is a row or counted.
    table, parsing = read(header + b"too,few\n" + good + b"1,2,3,4,5,6,7,8,9\n", adapter)
    assert problems(table) == {"bad_record": 2}
    assert table.num_rows == alone.num_rows + 2
    assert parsing.records == counted.records + 2
    broken = table.filter(table.column("problem").is_valid())
    assert broken.column("record_path").to_pylist() == ["#1", "#3"]
