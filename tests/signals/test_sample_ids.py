"""Sample ids: the same content the same id, any difference another one."""

from __future__ import annotations

import datetime as dt
import hashlib
import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelflife.signals.sample import SAMPLE_SCHEMA, sample_ids

KEY = bytes(range(16))
START = dt.datetime(2026, 11, 3, 7, 30, tzinfo=dt.UTC)
ROW = {
    "signal": "heart_rate",
    "value_num": 61.0,
    "unit_ucum": "/min",
    "start_utc": START,
    "end_utc": START,
    "statistic": "instant",
    "source_platform": "fitbit",
    "quality_flags": 0,
}


def ids(rows: list[dict[str, object]], raw_id: bytes = KEY) -> list[bytes]:
    found: list[bytes] = sample_ids(raw_id, pa.Table.from_pylist(rows, schema=SAMPLE_SCHEMA)).to_pylist()
    return found


def test_an_id_is_stable_across_versions() -> None:
    # The JSON of the identity columns in their order, under BLAKE2b: anyone can compute it again.
    micros = int(START.timestamp() * 1_000_000)
    row = ["heart_rate", 61.0, None, None, None, "instant", micros, micros, "fitbit", None, None, None, None]
    assert ids([ROW]) == [hashlib.blake2b(json.dumps(row).encode(), key=KEY, digest_size=16).digest()]


def test_the_same_content_has_the_same_id() -> None:
    assert ids([ROW])[0] == ids([ROW, {**ROW, "value_num": 70.0}])[0]


def test_an_id_does_not_depend_on_its_neighbours() -> None:
    others = [{**ROW, "source_app": f"app{i}", "value_code": f"c{i}"} for i in range(50)]
    assert ids([*others, ROW])[-1] == ids([ROW])[0]


def test_what_is_not_identity_does_not_change_the_id() -> None:
    changed = {
        **ROW,
        "record_path": "x#3",
        "value_raw": "61",
        "quality_flags": 16,
        "local_date": START.date(),
    }
    assert ids([ROW]) == ids([changed])


@pytest.mark.parametrize(
    "change",
    [
        {"signal": "resting_heart_rate"},
        {"value_num": 61.5},
        {"value_num": None},
        {"value_code": "x"},
        {"start_utc": START - dt.timedelta(microseconds=1)},
        {"end_utc": START + dt.timedelta(seconds=1)},
        {"comparator": "<"},
        {"statistic": "mean"},
        {"statistic": None},
        {"source_platform": "oura"},
        {"source_app": "a"},
        {"device_model": "a"},
        {"device_make": "a"},
        {"stage": "a"},
        {"source_record_id": "a"},
    ],
)
def test_each_part_of_the_identity_changes_the_id(change: dict[str, object]) -> None:
    assert ids([ROW]) != ids([{**ROW, **change}])


def test_two_people_have_different_ids() -> None:
    assert ids([ROW]) != ids([ROW], bytes(16))


def test_minus_zero_is_zero() -> None:
    assert ids([{**ROW, "value_num": 0.0}]) == ids([{**ROW, "value_num": -0.0}])


def test_a_chunked_table_has_the_same_ids_as_a_whole_one() -> None:
    whole = pa.Table.from_pylist([{**ROW, "value_num": float(i)} for i in range(40)], schema=SAMPLE_SCHEMA)
    chunked = pa.concat_tables([whole.slice(0, 7), whole.slice(7)])
    assert sample_ids(KEY, whole).equals(sample_ids(KEY, chunked))


def test_no_rows_have_no_ids() -> None:
    assert len(sample_ids(KEY, SAMPLE_SCHEMA.empty_table())) == 0


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["heart_rate", "spo2"]),
            st.one_of(st.none(), st.floats(allow_nan=False)),
            st.one_of(st.none(), st.text(max_size=3)),
            st.one_of(st.none(), st.text(max_size=3)),
        ),
        unique_by=lambda row: (row[0], row[1], row[2], row[3]),
        max_size=20,
    )
)
def test_different_rows_have_different_ids(
    rows: list[tuple[str, float | None, str | None, str | None]],
) -> None:
    full = [
        {**ROW, "signal": s, "value_num": v, "value_code": c, "source_record_id": r} for s, v, c, r in rows
    ]
    assert len(set(ids(full))) == len(rows)
