"""The canonical exchange format: NDJSON and Parquet say the same, and nothing else gets in."""

from __future__ import annotations

import datetime as dt
import gzip
import json
from typing import Any

import pyarrow as pa
import pytest

from shelflife.errors import SourceError
from shelflife.sources import canonical
from tests.sources.reading import NOW, problems, read, rows_of
from tests.sources.synthetic.tables import parquet

SAMPLE = {
    "subject": "acct-1",
    "signal": "heart_rate",
    "value": 61,
    "unit": "/min",
    "start": "2026-11-03T07:30:00+01:00",
}


def ndjson(*records: dict[str, Any] | str) -> bytes:
    lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
    return "\n".join(lines).encode()


def test_a_sample() -> None:
    (row,) = rows_of(ndjson({**SAMPLE, "tz": "Europe/Paris", "app": "ours", "id": "7"}), "canonical_ndjson")
    assert (row["alias_kind"], row["alias"], row["signal"], row["value_num"]) == (
        "account",
        "acct-1",
        "heart_rate",
        61,
    )
    assert row["start_utc"] == dt.datetime(2026, 11, 3, 6, 30, tzinfo=dt.UTC)
    assert (row["utc_offset_min"], row["iana_tz"], row["tz_basis"]) == (60, "Europe/Paris", "sample")
    assert (row["source_app"], row["source_record_id"], row["problem"]) == ("ours", "7", None)


def test_a_sample_without_a_subject_belongs_to_the_account_of_the_file() -> None:
    (row,) = rows_of(ndjson({key: value for key, value in SAMPLE.items() if key != "subject"}))
    assert (row["alias_kind"], row["alias"]) == (None, None)


def test_a_time_without_an_offset_has_an_unknown_zone() -> None:
    (row,) = rows_of(ndjson({**SAMPLE, "start": "2026-11-03T07:30"}))
    assert (row["utc_offset_min"], row["tz_basis"], row["start_utc"].hour) == (None, "unknown", 7)


def test_profiles_go_to_profiles() -> None:
    profile = {
        "record": "profile",
        "account": "acct-1",
        "given_name": "Ada",
        "sex": "F",
        "email": "a@example.com",
    }
    table, parsing = read(ndjson(profile, SAMPLE))
    assert table.num_rows == 1
    assert parsing.ignored == {"profile": 1}
    (facts,) = parsing.profiles
    assert (facts.alias_kind, facts.alias, facts.given_name, facts.sex) == (
        "account",
        "acct-1",
        "Ada",
        "female",
    )
    assert facts.other == {"email": "a@example.com"}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"signal": "aura"}, "unknown_signal"),
        ({"unit": "furlong"}, "unknown_unit"),
        ({"unit": None}, "unknown_unit"),
        ({"value": "x"}, "bad_number"),
        ({"value": None}, "missing_value"),
        ({"value": [1]}, "bad_number"),
        ({"value": True}, "bad_number"),
        ({"value": 1e300}, "out_of_range"),
        ({"start": None}, "no_time"),
        ({"start": "tomorrow"}, "bad_time"),
        ({"start": 1762151400}, "bad_time"),
        ({"end": "2026-11-03T06:00:00+01:00"}, "end_before_start"),
        ({"end": "soon"}, "bad_time"),
        ({"statistic": "vibe"}, "bad_record"),
        ({"window_s": "long"}, "bad_record"),
        ({"tz_basis": "guess"}, "bad_record"),
        ({"comparator": "~"}, "bad_record"),
        ({"colour": "red"}, "bad_record"),
        ({"signal": "sleep_stage", "value": "floating"}, "unknown_code"),
        ({"signal": "sleep_stage", "value": None}, "missing_value"),
    ],
)
def test_bad_samples(change: dict[str, Any], problem: str) -> None:
    table, _ = read(ndjson(SAMPLE, {**SAMPLE, **change}))
    assert problems(table) == {problem: 1}
    # A row that cannot be read still belongs to the person that it names, and is erased with them.
    assert table.column("alias").to_pylist() == ["acct-1", "acct-1"]


def test_lines_that_are_no_objects() -> None:
    content = ndjson(SAMPLE, "[1]", "{", "[" * 100_000, '{"record": "profile"}', "9" * 5000, "")
    table, parsing = read(content)
    assert problems(table) == {"bad_record": 5}
    assert parsing.records == 6


def test_a_lone_surrogate_does_not_break_the_file() -> None:
    table, _ = read(
        ndjson(SAMPLE, '{"signal": "heart_rate", "value": "\\ud800", "start": "2026-11-03T07:30Z"}')
    )
    assert problems(table) == {"bad_number": 1}


def test_parquet_says_what_ndjson_says() -> None:
    records = [{**SAMPLE, "value": 60.5 + i, "start": f"2026-11-03T07:{i:02d}:00+00:00"} for i in range(50)]
    table = pa.table(
        {
            "subject": [record["subject"] for record in records],
            "signal": pa.array(["heart_rate"] * 50).dictionary_encode(),
            "value": [60.5 + i for i in range(50)],
            "unit": ["/min"] * 50,
            "start": pa.array([dt.datetime(2026, 11, 3, 7, i, tzinfo=dt.UTC) for i in range(50)]),
        }
    )
    from_parquet, parsing = read(parquet(table), "canonical_parquet")
    assert from_parquet.equals(read(ndjson(*records))[0])
    assert parsing.records == 50


def test_packed_parquet_is_unpacked_in_memory_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = gzip.compress(
        parquet(pa.table({"signal": ["heart_rate"], "value": [61], "start": ["2026-11-03T07:30:00Z"]}))
    )
    assert len(rows_of(packed, "canonical_parquet")) == 1
    monkeypatch.setattr(canonical, "_LARGEST_PACKED", 999)
    with pytest.raises(SourceError, match="packed"):
        read(packed)


def test_parquet_with_another_column_is_refused_whole() -> None:
    table = pa.table({"signal": ["heart_rate"], "value": [60], "start": [NOW], "name": ["Ada"]})
    with pytest.raises(SourceError, match="columns"):
        read(parquet(table))


def test_parquet_with_nested_columns_is_refused() -> None:
    table = pa.table({"signal": ["heart_rate"], "value": [[60]], "start": [NOW]})
    with pytest.raises(SourceError, match="columns"):
        read(parquet(table))


def test_parquet_with_a_text_that_would_multiply_is_refused() -> None:
    table = pa.table(
        {"signal": pa.repeat("x" * 100_000, 20), "value": [60] * 20, "start": ["2026-11-03"] * 20}
    )
    with pytest.raises(SourceError, match="longer"):
        read(parquet(table))
